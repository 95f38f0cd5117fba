package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		retryAfter func() string
		least      time.Duration
	}{
		"503":               {503, nil, 0},
		"500":               {500, nil, 0},
		"408":               {408, nil, 0},
		"425":               {425, nil, 0},
		"429 after seconds": {429, func() string { return "7" }, 7 * time.Second},
		"503 after a date":  {503, func() string { return time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat) }, 19 * time.Second},
		"503 after rubbish": {503, func() string { return "soon" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answer: func(w http.ResponseWriter, n int) {
					if n > 2 {
						return
					}
					if tt.retryAfter != nil {
						w.Header().Set("Retry-After", tt.retryAfter())
					}
					w.WriteHeader(tt.status)
				}}
				w := started(t, r, startAt(t, 0, "a"), func(w *webhook) { w.Secret = "x" })
				began := time.Now()
				load(t, w, 0, 1, 2)
				commit(t, w, 1)
				if took := time.Since(began); took < 2*tt.least || took > 2*tt.least+5*time.Second {
					t.Errorf("it took %s, want twice %s and a little", took, tt.least)
				}
				requests := r.take()
				if len(requests) != 3 {
					t.Fatalf("%d requests, want 3", len(requests))
				}
				for _, again := range requests[1:] {
					same(t, "key", again.key, requests[0].key)
					same(t, "body", string(again.body), string(requests[0].body))
					same(t, "signature", again.header.Get("Penstock-Signature"), "sha256="+authenticate([]byte("x"), again.header.Get("Penstock-Timestamp"), again.body))
				}
			})
		})
	}
}

// unreachable is a receiver that nobody can connect to.
type unreachable struct{ attempts int }

func (u *unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	u.attempts++
	return nil, errors.New("connection refused")
}

func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unreachable{}
		w := started(t, nil, startAt(t, 0, "a"), func(w *webhook) { w.transport = u })
		load(t, w, 0, 1, 2)
		began := time.Now()
		err := w.Commit(t.Context(), sdk.Commit{})
		if took := time.Since(began); err == nil || took > time.Minute || took < 10*time.Second {
			t.Errorf("it took %s, want less than a minute, and many attempts: %v", took, err)
		}
		says(t, err, "2 rows from a to http://receiver.test: ", "connection refused", fmt.Sprintf("given up after %d attempts", u.attempts))
	})
}

func TestGivingUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}}
		w := started(t, r, startAt(t, 0, "a"), nil)
		load(t, w, 0, 1)
		began := time.Now()
		err := w.Commit(t.Context(), sdk.Commit{})
		if took := time.Since(began); took > 0 {
			t.Errorf("it waited for %s, which could not help", took)
		}
		says(t, err, "429 Too Many Requests, and asks to wait for 1h0m0s; given up after 1 attempts")
	})
}

// A receiver that does not want the rows stops the path.
func TestAnswersThatStop(t *testing.T) {
	for status, tt := range map[int]struct {
		body, location string
		want           []string
	}{
		400: {body: "\nbad row " + strings.Repeat("x", 1000) + "\nand more", want: []string{"400 Bad Request", `"bad row xxx`, "…", "mend the receiver"}},
		401: {want: []string{"it answers 401 Unauthorized: it will not", "url, headers and secret"}},
		410: {body: "closed", want: []string{"410 Gone", "closed", "it is gone for good: remove the loader, or set url"}},
		404: {body: "nothing here", want: []string{"404 Not Found", "nothing here"}},
		413: {want: []string{"413 Request Entity Too Large"}},
		301: {location: "https://elsewhere.test/t0ken", want: []string{"301 Moved Permanently", "https://elsewhere.test: redirects are not followed", "set url"}},
		307: {want: []string{"another address"}},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			r := &receiver{answer: func(w http.ResponseWriter, _ int) {
				w.Header().Set("Location", tt.location)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, tt.body)
			}}
			server := httptest.NewServer(r)
			defer server.Close()
			process := plugintest.Open(t, plugintest.Run(t, register()), plugintest.Step{
				Register: "webhook", Start: startAt(t, 0, "a"), Settings: map[string]any{"url": server.URL + "/s3cret"},
			})
			plugintest.Send(process, "input", swapsOf(1)...)
			process.Barrier(1)
			failure := process.Expect(plugintest.Failed).Failure
			if failure.Class != "stop" {
				t.Errorf("the failure is of class %s, want stop", failure.Class)
			}
			says(t, errors.New(failure.Message), append(tt.want, "1 rows from a to "+server.URL)...)
			if strings.Contains(failure.Message, "s3cret") || strings.Contains(failure.Message, "t0ken") || len(failure.Message) > 600 {
				t.Errorf("it says too much: %s", failure.Message)
			}
			if n := len(r.take()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// slow answers when it is let, or when nobody waits any more.
func slow(t *testing.T) (url string, arrived <-chan struct{}) {
	t.Helper()
	came, let := make(chan struct{}, 10), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		came <- struct{}{}
		select {
		case <-let:
		case <-req.Context().Done():
		}
	}))
	t.Cleanup(func() { close(let); server.Close() })
	return server.URL, came
}

func TestASlowReceiverDoesNotOutliveTheContext(t *testing.T) {
	url, arrived := slow(t)
	w := started(t, nil, startAt(t, 0, "a"), func(w *webhook) { w.URL, w.transport, w.Timeout = url, nil, time.Hour })
	load(t, w, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if err := w.Commit(ctx, sdk.Commit{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestWaitingDoesNotOutliveTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t, nil, startAt(t, 0, "a"), func(w *webhook) { w.transport, w.GiveUpAfter = &unreachable{}, 0 })
		load(t, w, 0, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		if err := w.Commit(ctx, sdk.Commit{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("got %v after %s, want %v after an hour: nothing else ends it", err, time.Since(began), context.DeadlineExceeded)
		}
	})
}

func TestNoAnswerWithinTheTimeout(t *testing.T) {
	url, _ := slow(t)
	w := started(t, nil, startAt(t, 0, "a"), func(w *webhook) {
		w.URL, w.transport, w.Timeout, w.GiveUpAfter = url, nil, 20*time.Millisecond, 100*time.Millisecond
	})
	load(t, w, 0, 1)
	says(t, w.Commit(t.Context(), sdk.Commit{}), "no answer within 20ms (timeout)", "given up")
}
