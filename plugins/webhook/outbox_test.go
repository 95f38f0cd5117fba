package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// away is a receiver that can be gone.
type away struct {
	receiver
	gone atomic.Bool
}

func (a *away) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.gone.Load() {
		return nil, errors.New("connection refused")
	}
	return a.receiver.RoundTrip(req)
}

// boxed is a loader with an outbox.
func boxed(tb testing.TB, dir string, r http.RoundTripper, start sdk.Start, change func(*webhook)) *webhook {
	tb.Helper()
	w := defaults()
	w.URL, w.transport, w.Outbox = "http://receiver.test/hook", r, &outboxSettings{Path: dir}
	if change != nil {
		change(w)
	}
	if err := errors.Join(w.Validate(), w.Start(tb.Context(), start)); err != nil {
		tb.Fatal(err)
	}
	return w
}

func closed(tb testing.TB, w *webhook) {
	tb.Helper()
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}

// files are the requests that lie in outboxes.
func files(tb testing.TB, dir string) []string {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.request"))
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// numbered are the keys and blocks of rows that come one after the other.
func numbered(input string, blocks ...int) (all []string) {
	for number, block := range blocks {
		all = append(all, fmt.Sprintf("main/hook/%s/%d=%d", input, number, block))
	}
	return all
}

// The receiver is away for an hour, and a process dies meanwhile: nobody waits
// for it, and nothing is lost, twice, or in another order.
func TestAnHourWithoutTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &away{}
		r.gone.Store(true)
		w := boxed(t, dir, r, startAt(t, 0, "a"), nil)
		began := time.Now()
		load(t, w, 0, 1, 2)
		commit(t, w, 1)
		load(t, w, 0, 3)
		commit(t, w, 2)
		load(t, w, 0, 4) // is part of no checkpoint
		commit(t, w, 0)
		if took := time.Since(began); took > 0 {
			t.Errorf("the pipeline waited for %s", took)
		}
		time.Sleep(time.Hour)
		closed(t, w)
		same(t, "requests on the disk", len(files(t, dir)), 3)

		w = boxed(t, dir, r, at(startAt(t, 3, "a"), 2), nil)
		load(t, w, 0, 4, 5)
		commit(t, w, 3)
		r.gone.Store(false)
		time.Sleep(2 * lastPause)
		same(t, "rows", rows(r.take()), numbered("a", 1, 2, 3, 4, 5))
		same(t, "requests on the disk", len(files(t, dir)), 0)
		closed(t, w)
	})
}

func at(start sdk.Start, checkpoint uint64) sdk.Start {
	start.Checkpoint = checkpoint
	return start
}

// What a rewind takes back is not sent if it has not been.
func TestARewindEmptiesTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &away{}
		r.gone.Store(true)
		w := boxed(t, dir, r, startAt(t, 0, "a"), nil)
		load(t, w, 0, 1, 2)
		commit(t, w, 1)
		load(t, w, 0, 3)
		commit(t, w, 2)
		closed(t, w)
		w = boxed(t, dir, r, at(startAt(t, 2, "a"), 1), nil) // the chain has reorganised
		load(t, w, 0, 33)
		commit(t, w, 2)
		closed(t, w)
		anew := startAt(t, 0, "a")
		anew.FromLatest = true
		w = boxed(t, dir, r, anew, nil) // the host has lost what it remembered: these rows do not come again
		r.gone.Store(false)
		time.Sleep(2 * lastPause)
		same(t, "rows", rows(r.take()), numbered("a", 1, 2, 33))
		r.gone.Store(true)
		load(t, w, 0, 7)
		commit(t, w, 1)
		closed(t, w)
		closed(t, boxed(t, dir, r, startAt(t, 0, "a"), nil))
		same(t, "requests on the disk of a pipeline that begins anew", len(files(t, dir)), 0)
	})
}

func TestAFullOutboxHoldsThePipelineBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &away{}
		r.gone.Store(true)
		w := boxed(t, t.TempDir(), r, startAt(t, 0, "a"), func(w *webhook) { w.Outbox.Size, w.Limits = 1<<20, gather.Limits{Rows: 1} })
		note := strings.Repeat("x", 400_000)
		one := plugintest.Batch(t, swap{Note: &note}, swap{Note: &note})
		if err := errors.Join(w.Load(t.Context(), 0, one), w.Load(t.Context(), 0, plugintest.Batch(t, swap{Note: &note}))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		says(t, w.Load(ctx, 0, one), "wait for room in the outbox", "which has its size of 1MiB", "see why the receiver does not take its requests")
		loaded := make(chan error, 1)
		go func() { loaded <- w.Load(t.Context(), 0, plugintest.Batch(t, swap{BlockNumber: 9})) }()
		r.gone.Store(false)
		if err := <-loaded; err != nil {
			t.Error(err)
		}
		closed(t, w)
	})
}

// A receiver that does not want the rows stops the path, and they stay where they
// are.
func TestARefusalIsToldToThePipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &receiver{answer: func(w http.ResponseWriter, _ int) {
			http.Error(w, "no such column\nat all", http.StatusUnprocessableEntity)
		}}
		w := boxed(t, dir, r, startAt(t, 0, "a"), nil)
		load(t, w, 0, 1)
		_ = w.Commit(t.Context(), sdk.Commit{}) // it may be told already
		synctest.Wait()
		says(t, w.Commit(t.Context(), sdk.Commit{}), "422 Unprocessable Entity", `"no such column"`, "mend the receiver")
		load(t, w, 0, 2)
		says(t, w.Commit(t.Context(), sdk.Commit{}), "422 Unprocessable Entity")
		closed(t, w)
		same(t, "requests on the disk", len(files(t, dir)), 1)
	})
}

// Steps do not wait for each other where they need not, and the rows of each come
// in order.
func TestConcurrency(t *testing.T) {
	for name, box := range map[string]bool{"with an outbox": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var under, most atomic.Int32
				r := &receiver{answer: func(http.ResponseWriter, int) {
					n := under.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					time.Sleep(time.Second)
					under.Add(-1)
				}}
				w := boxed(t, t.TempDir(), r, startAt(t, 0, "a", "b", "c"), func(w *webhook) {
					w.Concurrency = 2
					if !box {
						w.Outbox = nil
					}
				})
				began := time.Now()
				for _, input := range []int{0, 1, 0, 2, 1} {
					load(t, w, input, 1, 2)
				}
				commit(t, w, 1)
				load(t, w, 0, 3)
				commit(t, w, 2)
				time.Sleep(10*time.Second - time.Since(began))
				same(t, "requests at once", most.Load(), int32(2))
				each := map[string][]string{}
				for _, request := range r.take() {
					each[request.Input] = append(each[request.Input], rows([]received{request})...)
				}
				same(t, "rows", each, map[string][]string{"a": numbered("a", 1, 2, 1, 2, 3), "b": numbered("b", 1, 2, 1, 2), "c": numbered("c", 1, 2)})
				closed(t, w)
			})
		})
	}
}

func TestOutboxesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := plugintest.Run(t, register())
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "box"): "somebody has removed it, or the directory that it lies in is not there",
		file:                            "change the outbox's path",
		filepath.Join(file, "box"):      "change the outbox's path",
	} {
		_, failure := plugintest.TryOpen(t, p, plugintest.Step{
			Register: "webhook", Start: startAt(t, 0, "a"), Settings: map[string]any{"url": "http://127.0.0.1:1", "outbox": map[string]any{"path": path}},
		})
		if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, want) {
			t.Errorf("%s: got %v, want %q", path, failure, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := &away{}
		r.gone.Store(true)
		w := boxed(t, dir, r, startAt(t, 0, "a"), nil)
		load(t, w, 0, 1)
		commit(t, w, 1)
		closed(t, w)
		if err := os.Truncate(files(t, dir)[0], 30); err != nil {
			t.Fatal(err)
		}
		w = boxed(t, dir, r, at(startAt(t, 1, "a"), 1), nil)
		synctest.Wait()
		says(t, w.Commit(t.Context(), sdk.Commit{}), files(t, dir)[0], "it is damaged: remove it")
		closed(t, w)
	})
}
