package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/penstock-io/penstock/sdk"
)

// send sends the rows that wait, until they are answered with 2xx, ctx ends, the
// receiver does not want them, or it was tried long enough.
func (w *webhook) send(ctx context.Context) error {
	if w.pending.rows == 0 {
		return nil
	}
	body := append(w.pending.body, "]}\n"...)
	began, pause := time.Now(), backoff.NewExponentialBackOff()
	pause.MaxInterval = 30 * time.Second
	for attempt := 1; ; attempt++ {
		failed := w.attempt(ctx, body)
		if failed == nil {
			w.pending = request{} // the connection may still hold the body
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("send %s: %w", w.described(), err)
		}
		if !failed.again {
			return sdk.Stop(fmt.Errorf("send %s: %w", w.described(), failed))
		}
		wait := max(failed.after, pause.NextBackOff())
		if failed.after > 0 {
			failed.error = fmt.Errorf("%w, and asks to wait for %s", failed.error, failed.after.Round(time.Second))
		}
		if w.GiveUpAfter > 0 && time.Since(began)+wait > w.GiveUpAfter {
			return fmt.Errorf("send %s: %w; given up after %d attempts in %s", w.described(), failed, attempt, time.Since(began).Round(time.Millisecond))
		}
		w.log.Warn("rows were not taken and are sent again", "cause", failed.Error(), "attempt", attempt, "again_in", wait.Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
			return fmt.Errorf("send %s: %w", w.described(), ctx.Err())
		case <-time.After(wait):
		}
	}
}

// described says what is sent where. Paths of such URLs are secrets often.
func (w *webhook) described() string {
	return fmt.Sprintf("%d rows from %s to %s", w.pending.rows, w.pending.first.Input, origin(w.URL))
}

func origin(address string) string {
	at, err := url.Parse(address)
	if err != nil || at.Host == "" {
		return "another address"
	}
	return at.Scheme + "://" + at.Host
}

// failure is why rows are not with the receiver.
type failure struct {
	error
	again bool          // it may take them another time
	after time.Duration // not before that
}

// attempt sends a request once; nil: the rows are there.
func (w *webhook) attempt(ctx context.Context, body []byte) *failure {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, w.Method, w.URL, bytes.NewReader(body))
	if err != nil {
		return &failure{error: errors.New("the request cannot be made: check url and method")}
	}
	w.setHeaders(req, body)
	res, err := w.client.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s (timeout)", w.Timeout)
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL
		}
		return &failure{error: err, again: true}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, mostAnswer)) // its status counts
	return judge(res, text)
}

func (w *webhook) setHeaders(req *http.Request, body []byte) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "penstock/"+sdk.Version)
	for name, value := range w.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Idempotency-Key", w.pending.key())
	req.Header.Set("Penstock-Generation", w.begun)
	if w.Secret == "" {
		return
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Penstock-Timestamp", timestamp)
	req.Header.Set("Penstock-Signature", sign(w.Secret, timestamp, body))
}

// sign is what a receiver compares the signature with.
func sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

const (
	mostAnswer = 64 << 10 // of an answer is read, so that its connection can be used again
	mostShown  = 200      // of it is shown
)

// judge says what an answer means for the rows.
func judge(res *http.Response, text []byte) *failure {
	code := res.StatusCode
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return &failure{error: fmt.Errorf("it answers %s and points to %s: redirects are not followed, set url to where the rows shall go",
			res.Status, origin(res.Header.Get("Location")))}
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests:
		return &failure{error: answered(res, text), again: true, after: retryAfter(res.Header.Get("Retry-After"))}
	default:
		return &failure{error: fmt.Errorf("%w: it will not take them the next time either; mend the receiver, or url, headers and secret", answered(res, text))}
	}
}

func answered(res *http.Response, text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) > mostShown {
		text = append(text[:mostShown:mostShown], "…"...)
	}
	if len(text) == 0 {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return fmt.Errorf("it answers %s: %q", res.Status, text)
}

// retryAfter reads seconds or a date; 0: it says nothing of use.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
