package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

// Pauses grow from the first bound to the last, and are a random part of it: many
// senders of one receiver do not come all at once when it is back.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
)

// pauseBefore is how long to wait before an attempt; the first is number 1.
func pauseBefore(attempt int) time.Duration {
	bound := lastPause
	if doublings := attempt - 2; doublings < 10 {
		bound = min(bound, firstPause<<doublings)
	}
	return rand.N(bound) + 1
}

// deliver sends a request, until it is answered with 2xx, ctx ends, the receiver
// does not want it, or it was tried long enough; 0: for ever.
func (w *webhook) deliver(ctx context.Context, p parcel, giveUp time.Duration) error {
	began, over := time.Now(), func() {}
	defer func() { over() }()
	for attempt := 1; ; attempt++ {
		failed := w.attempt(ctx, p)
		if failed == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("send %s: %w", w.described(p), err)
		}
		if !failed.again {
			return sdk.Stop(fmt.Errorf("send %s: %w", w.described(p), failed))
		}
		wait := pauseBefore(attempt + 1)
		if failed.after > 0 {
			wait += failed.after
			failed.error = fmt.Errorf("%w, and asks to wait for %s", failed.error, failed.after.Round(time.Second))
		}
		if giveUp > 0 && time.Since(began)+wait > giveUp {
			return fmt.Errorf("send %s: %w; given up after %d attempts in %s", w.described(p), failed, attempt, time.Since(began).Round(time.Millisecond))
		}
		w.log.Warn("rows were not taken and are sent again", "what", w.described(p), "cause", failed.Error(), "attempt", attempt, "again_in", wait.Round(time.Millisecond).String())
		before := over
		over = sdk.WaitsFor(ctx, fmt.Sprintf("%s: %v", origin(w.URL), failed))
		before()
		select {
		case <-ctx.Done():
			return fmt.Errorf("send %s: %w", w.described(p), ctx.Err())
		case <-time.After(wait):
		}
	}
}

// described says what is sent where. Paths of such URLs are secrets often.
func (w *webhook) described(p parcel) string {
	return fmt.Sprintf("%d rows from %s to %s", p.rows, p.input, origin(w.URL))
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
func (w *webhook) attempt(ctx context.Context, p parcel) *failure {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, w.Method, w.URL, bytes.NewReader(p.body))
	if err != nil {
		return &failure{error: errors.New("the request cannot be made: check url and method")}
	}
	w.setHeaders(req, p)
	res, err := w.client.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s (timeout)", w.Timeout)
		}
		return &failure{error: unanswered(err), again: true}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, mostAnswer)) // its status counts
	return judge(res, text)
}

// unanswered explains why there is no answer, without the URL.
func unanswered(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("its certificate does not hold: %w: mend it, or name the authority that signed it with ca", err)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("it does not speak TLS: %w: check whether url should begin with http://", err)
	}
	if text := []rune(err.Error()); len(text) > mostShown {
		return errors.New(string(text[:mostShown]) + "…") // it quotes what came instead of an answer
	}
	return err
}

func (w *webhook) setHeaders(req *http.Request, p parcel) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "penstock/"+sdk.Version)
	for name, value := range w.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Idempotency-Key", p.key)
	req.Header.Set("Penstock-Generation", w.begun)
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	if signature := w.signer.sign(timestamp, p.body); signature != "" {
		req.Header.Set("Penstock-Timestamp", timestamp)
		req.Header.Set("Penstock-Signature", signature)
	}
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
	case code == http.StatusGone:
		return &failure{error: fmt.Errorf("%w: it is gone for good: remove the loader, or set url to where the rows shall go now", answered(res, text))}
	default:
		return &failure{error: fmt.Errorf("%w: it will not take them the next time either; mend the receiver, or url, headers and secret", answered(res, text))}
	}
}

// answered is an answer with its first line.
func answered(res *http.Response, text []byte) error {
	text, _, _ = bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
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
