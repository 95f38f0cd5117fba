package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type swap struct {
	BlockNumber uint64
	Pair        common.Address
	Amount      uint256.Int
	Note        *string
}

func (swap) TransitType() string { return "test.swap" }

// swapsOf is a swap in each of the blocks.
func swapsOf(blocks ...uint64) []swap {
	var rows []swap
	for _, b := range blocks {
		rows = append(rows, swap{BlockNumber: b})
	}
	return rows
}

// received is a request as a receiver reads it.
type received struct {
	method, key string
	header      http.Header
	body        []byte

	Domain, Pipeline, Step, Input, Type string
	Checkpoint, Forks                   uint64
	Rows                                []struct {
		Key string
		Row struct {
			BlockNumber uint64 `json:"block_number"`
		}
	}
}

// rows are the rows of requests: blocks by key, in order.
func rows(requests []received) (all []string) {
	for _, r := range requests {
		for _, row := range r.Rows {
			all = append(all, fmt.Sprintf("%s=%d", row.Key, row.Row.BlockNumber))
		}
	}
	return all
}

// receiver gathers requests, and answers each as it is told, or with 204.
type receiver struct {
	mu       sync.Mutex
	requests []received
	answer   func(w http.ResponseWriter, n int) // the n-th request, from 1
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	got := received{method: req.Method, key: req.Header.Get("Idempotency-Key"), header: req.Header, body: body}
	if err := errors.Join(err, json.Unmarshal(body, &got)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.requests = append(r.requests, got)
	n := len(r.requests)
	r.mu.Unlock()
	if r.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answer(w, n)
}

func (r *receiver) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// RoundTrip is a connection without a network, whose time tests can make.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, req)
	return recorder.Result(), nil
}

func startAt(tb testing.TB, checkpoint, forks uint64, steps ...string) sdk.Start {
	tb.Helper()
	start := sdk.Start{Pipeline: "live", Domain: "main", Step: "hook", Checkpoint: checkpoint, Forks: forks}
	for _, name := range steps {
		in := plugintest.Wire[swap](tb, "input")
		in.Name = name
		start.Inputs = append(start.Inputs, in)
	}
	return start
}

// started is a loader that sends to a receiver.
func started(tb testing.TB, r *receiver, start sdk.Start, change func(w *webhook)) *webhook {
	tb.Helper()
	w := defaults()
	w.URL, w.transport = "http://receiver.test/hook/s3cret", r
	if change != nil {
		change(w)
	}
	if err := errors.Join(w.Validate(), w.Start(tb.Context(), start)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.Close() })
	return w
}

func batchOf(tb testing.TB, rows ...swap) transit.Batch {
	tb.Helper()
	e, err := transit.NewEncoder[swap]()
	if err != nil {
		tb.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func load(tb testing.TB, w *webhook, input int, blocks ...uint64) {
	tb.Helper()
	if err := w.Load(tb.Context(), input, batchOf(tb, swapsOf(blocks...)...)); err != nil {
		tb.Fatal(err)
	}
}

func commit(tb testing.TB, w *webhook, checkpoint uint64) {
	tb.Helper()
	if err := w.Commit(tb.Context(), sdk.Commit{Checkpoint: checkpoint}); err != nil {
		tb.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// What a request is, over the wire of hosts and a real connection.
func TestARequest(t *testing.T) {
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	p := plugintest.Run(t, register())
	note := `a "note"`
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "webhook", Start: startAt(t, 12, 3, `swaps["a/b"]`),
		Settings: map[string]any{"url": server.URL + "/hook", "headers": map[string]string{"Authorization": "Bearer x"}},
	})
	plugintest.Send(process, "input", swap{BlockNumber: 1 << 60, Pair: common.Address{19: 1}, Amount: *new(uint256.Int).SetAllOne(), Note: &note}, swap{})
	process.Barrier(13)
	process.Until(plugintest.Barrier)
	process.HangUp()

	requests := r.take()
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	got := requests[0]
	same(t, "method", got.method, "POST")
	same(t, "key", got.key, "main/hook/12/3/swaps%5B%22a%2Fb%22%5D/1-2")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer x", "Penstock-Signature": "", "User-Agent": "penstock/" + sdk.Version,
	} {
		same(t, name, got.header.Get(name), want)
	}
	same(t, "body", string(got.body), `{"domain":"main","pipeline":"live","step":"hook","input":"swaps[\"a/b\"]","type":"test.swap","checkpoint":12,"forks":3,"rows":[`+
		`{"key":"main/hook/12/3/swaps%5B%22a%2Fb%22%5D/1","row":{"block_number":1152921504606846976,"pair":"0x0000000000000000000000000000000000000001",`+
		`"amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935","note":"a \"note\""}},`+
		`{"key":"main/hook/12/3/swaps%5B%22a%2Fb%22%5D/2","row":{"block_number":0,"pair":"0x0000000000000000000000000000000000000000","amount":"0","note":null}}]}`+"\n")
}

func TestRowsComeInOrderAndWithACommit(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, 0, "a", "b"), func(w *webhook) { w.Rows = 3 })
	load(t, w, 0, 1, 2)
	if got := r.take(); got != nil {
		t.Errorf("rows were sent before there is a request full of them: %v", rows(got))
	}
	load(t, w, 0, 3, 4)
	load(t, w, 1, 5)
	commit(t, w, 0)
	load(t, w, 0, 6)
	commit(t, w, 9)
	load(t, w, 0, 7)
	commit(t, w, 0)
	commit(t, w, 0) // there is nothing left
	requests := r.take()
	same(t, "rows", rows(requests), []string{
		"main/hook/0/0/a/1=1", "main/hook/0/0/a/2=2", "main/hook/0/0/a/3=3",
		"main/hook/0/0/a/4=4", "main/hook/0/0/b/1=5", "main/hook/0/0/a/5=6", "main/hook/9/0/a/1=7",
	})
	var keys []string
	for _, request := range requests {
		keys = append(keys, request.key)
	}
	same(t, "keys of requests", keys, []string{
		"main/hook/0/0/a/1-3", "main/hook/0/0/a/4-4", "main/hook/0/0/b/1-1", "main/hook/0/0/a/5-5", "main/hook/9/0/a/1-1",
	})
}

// Rows that come again after a crash have the keys that they had.
func TestKeysOfRowsThatComeAgain(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, 0, "a", "b"), func(w *webhook) { w.Rows = 2 })
	load(t, w, 0, 1)
	commit(t, w, 4)
	r.take()
	load(t, w, 0, 2, 3, 4)
	load(t, w, 1, 5, 6)
	commit(t, w, 5) // which the host did not live to record
	before := rows(r.take())

	again := started(t, r, startAt(t, 4, 0, "a", "b"), nil)
	load(t, again, 0, 2)
	load(t, again, 0, 3, 4)
	load(t, again, 1, 5, 6)
	commit(t, again, 5)
	same(t, "rows", rows(r.take()), before)

	other := started(t, r, startAt(t, 4, 1, "a", "b"), nil)
	load(t, other, 0, 2, 3, 4)
	load(t, other, 1, 5, 6)
	commit(t, other, 6)
	for i, row := range rows(r.take()) {
		if row == before[i] {
			t.Errorf("%s came before the chain was reorganised: it needs another key", row)
		}
	}
}

func TestHugeBatchesAreSplit(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, 0, "a"), func(w *webhook) { w.Rows = 1000 })
	long := strings.Repeat("x", 100_000)
	all := make([]swap, 25)
	for i := range all {
		all[i] = swap{BlockNumber: uint64(i), Note: &long}
	}
	larger := strings.Repeat("y", 2*mostBytes)
	all[7].Note = &larger
	if err := w.Load(t.Context(), 0, batchOf(t, all...)); err != nil {
		t.Fatal(err)
	}
	load(t, w, 0, make([]uint64, 2500)...)
	commit(t, w, 1)
	requests := r.take()
	same(t, "number of rows", len(rows(requests)), 2525)
	for _, request := range requests {
		if n := len(request.Rows); n > 1000 || len(request.body) > mostBytes+1000 && n > 1 {
			t.Errorf("a request has %d rows and %d bytes", n, len(request.body))
		}
	}
}

func TestTheSignatureVerifies(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, 0, "a"), func(w *webhook) { w.Secret = "whisper" })
	load(t, w, 0, 1)
	commit(t, w, 0)
	got := r.take()[0]
	timestamp := got.header.Get("Penstock-Timestamp")
	same(t, "signature", got.header.Get("Penstock-Signature"), sign("whisper", timestamp, got.body))
	// As openssl computes it: printf '1700000000.{}' | openssl dgst -sha256 -hmac whisper
	same(t, "signature of what is known", sign("whisper", "1700000000", []byte("{}")), "sha256=0e1a9dd88d1b68f0aecc922471acff6f7d404fdef7a6b0635f0bbab09105795c")
	for _, other := range []string{
		sign("shout", timestamp, got.body), sign("whisper", timestamp+"1", got.body), sign("whisper", timestamp, got.body[1:]),
	} {
		if other == got.header.Get("Penstock-Signature") {
			t.Errorf("%s is the signature of something else, too", other)
		}
	}
}

func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		retryAfter func() string
		least      time.Duration
	}{
		"503":               {503, nil, 200 * time.Millisecond},
		"500":               {500, nil, 200 * time.Millisecond},
		"408":               {408, nil, 200 * time.Millisecond},
		"425":               {425, nil, 200 * time.Millisecond},
		"429 after seconds": {429, func() string { return "7" }, 7 * time.Second},
		"503 after a date":  {503, func() string { return time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat) }, 19 * time.Second},
		"503 after rubbish": {503, func() string { return "soon" }, 200 * time.Millisecond},
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
				w := started(t, r, startAt(t, 0, 0, "a"), func(w *webhook) { w.Secret = "x" })
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
					same(t, "signature", again.header.Get("Penstock-Signature"), sign("x", again.header.Get("Penstock-Timestamp"), again.body))
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
		w := started(t, nil, startAt(t, 0, 0, "a"), func(w *webhook) { w.transport = u })
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
		w := started(t, r, startAt(t, 0, 0, "a"), nil)
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
		400: {body: "bad\nrow " + strings.Repeat("x", 1000), want: []string{"400 Bad Request", `"bad\nrow xxx`, "…", "mend the receiver"}},
		401: {want: []string{"it answers 401 Unauthorized: it will not", "url, headers and secret"}},
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
				Register: "webhook", Start: startAt(t, 0, 0, "a"), Settings: map[string]any{"url": server.URL + "/s3cret"},
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

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
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
	w := started(t, nil, startAt(t, 0, 0, "a"), func(w *webhook) { w.URL, w.transport, w.Timeout = url, nil, time.Hour })
	load(t, w, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if err := w.Commit(ctx, sdk.Commit{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestWaitingDoesNotOutliveTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t, nil, startAt(t, 0, 0, "a"), func(w *webhook) { w.transport, w.GiveUpAfter = &unreachable{}, 0 })
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
	w := started(t, nil, startAt(t, 0, 0, "a"), func(w *webhook) {
		w.URL, w.transport, w.Timeout, w.GiveUpAfter = url, nil, 20*time.Millisecond, 100*time.Millisecond
	})
	load(t, w, 0, 1)
	says(t, w.Commit(t.Context(), sdk.Commit{}), "no answer within 20ms (timeout)", "given up")
}

func TestMistakes(t *testing.T) {
	p := plugintest.Run(t, register())
	for settings, want := range map[string]string{
		`{}`:                                                                "url: is required",
		`{"url": "hook"}`:                                                   "url is no address of a web server",
		`{"url": "ftp://a/b"}`:                                              "url is no address of a web server",
		`{"url": "https:///b"}`:                                             "url is no address of a web server",
		`{"url": "https://a", "method": "GET"}`:                             `method is "GET": write POST, PUT or PATCH`,
		`{"url": "https://a", "timeout": "0s"}`:                             "timeout is 0s",
		`{"url": "https://a", "rows": 0}`:                                   "rows is 0: write a number from 1 to 10000",
		`{"url": "https://a", "rows": 10001}`:                               "rows is 10001",
		`{"url": "https://a", "give_up_after": "-1s"}`:                      "give_up_after is -1s",
		`{"url": "https://a", "headers": {"a b": "x"}}`:                     `"a b" is no name of a header`,
		`{"url": "https://a", "headers": {"idempotency-key": "x"}}`:         "Idempotency-Key is set by the loader itself",
		`{"url": "https://a", "headers": {"Authorization": "s3cret\r\nX"}}`: "the value of Authorization has a line break",
	} {
		got := plugintest.Mistakes(t, p, "webhook", settings)
		if len(got) != 1 || !strings.Contains(got[0], want) || strings.Contains(got[0], "s3cret") {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
	}
	if got := plugintest.Mistakes(t, p, "webhook", `{"url": "https://a.test:8443/b?c=d", "method": "PUT", "give_up_after": "0s", "headers": {"X-Api-Key": "ü"}}`); got != nil {
		t.Errorf("good settings are refused: %q", got)
	}
}
