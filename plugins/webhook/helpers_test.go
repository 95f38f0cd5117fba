package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

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
	Rows                                []row
}

// row is a row as a receiver reads it.
type row struct {
	Key    string
	Number uint64
	Row    json.RawMessage
}

func (r row) block() uint64 {
	var fields struct {
		BlockNumber uint64 `json:"block_number"`
	}
	if err := json.Unmarshal(r.Row, &fields); err != nil {
		panic(err) // a row that the receiver has read
	}
	return fields.BlockNumber
}

// rows are the rows of requests in order, blocks by key. It leaves the digests out.
func rows(requests []received) (all []string) {
	for _, r := range requests {
		for _, row := range r.Rows {
			all = append(all, fmt.Sprintf("%s=%d", path.Dir(row.Key), row.block()))
		}
	}
	return all
}

// keys are the keys of rows in order.
func keys(requests []received) (all []string) {
	for _, r := range requests {
		for _, row := range r.Rows {
			all = append(all, row.Key)
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

// startAt is a place with so many rows of each step before it.
func startAt(tb testing.TB, before uint64, steps ...string) sdk.Start {
	tb.Helper()
	start := sdk.Start{Pipeline: "live", Domain: "main", Step: "hook", Generation: 1700000001 + before}
	for _, name := range steps {
		in := plugintest.Wire[swap](tb, "input")
		in.Name, in.Rows = name, before
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

func load(tb testing.TB, w *webhook, input int, blocks ...uint64) {
	tb.Helper()
	if err := w.Load(tb.Context(), input, plugintest.Batch(tb, swapsOf(blocks...)...)); err != nil {
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
