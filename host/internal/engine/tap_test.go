package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/transit"
)

// watched is what a tap has shown: rows, and news between them.
type watched struct {
	rows   []record
	first  []uint64 // the number of each row
	missed uint64
	news   []engine.TapNews
	at     []int // rows before each of the news
	typ    transit.Type
}

// next takes one thing more from a tap.
func (w *watched) next(t *testing.T, ctx context.Context, tap *engine.Tap) error { //nolint:revive // t comes first in tests
	t.Helper()
	item, err := tap.Next(ctx)
	switch {
	case err != nil:
		return err
	case item.Type != nil:
		w.typ = *item.Type
	case item.News != nil:
		w.news, w.at = append(w.news, *item.News), append(w.at, len(w.rows))
	default:
		d, err := transit.NewDecoder[record](w.typ)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := d.Append(nil, item.Rows.Body)
		if err != nil || len(rows) != item.Rows.Count {
			t.Fatalf("%d rows, want %d: %v", len(rows), item.Rows.Count, err)
		}
		w.missed += item.Rows.Missed
		for i := range rows {
			w.rows, w.first = append(w.rows, rows[i]), append(w.first, item.Rows.First+uint64(i))
		}
	}
	return nil
}

// until takes from a tap until there is enough.
func (w *watched) until(t *testing.T, tap *engine.Tap, what string, enough func() bool) {
	t.Helper()
	ctx := soon(t)
	for !enough() {
		if err := w.next(t, ctx, tap); err != nil {
			t.Fatalf("wait for %s: %v", what, err)
		}
	}
}

func openTap(t *testing.T, r *rig, step, input string) *engine.Tap {
	t.Helper()
	tap, err := r.Tap(step, input)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	return tap
}

// A tap shows what flows: every row once, in order, numbered, and the loader has
// the same ones.
func TestTapShowsWhatFlows(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(12)
	out, in := openTap(t, r, "sums", ""), openTap(t, r, "p/out", engine.OnlyInput)
	var a, b watched
	a.until(t, out, "rows", func() bool { return len(a.rows) >= 300 })
	b.until(t, in, "rows", func() bool { return len(b.rows) >= 300 })
	out.Close()
	in.Close()
	if seen, given := out.Counts(); seen < given || given < 300 {
		t.Errorf("%d of %d rows were given out, at least 300 were taken", given, seen)
	}
	do(t, "end", end())
	for _, w := range []watched{a, b} {
		if w.typ.Name != "test.number" || len(w.news) > 0 {
			t.Errorf("type %s, news %+v", w.typ, w.news)
		}
		at := 0
		written := lines(t, s.out())
		for i, row := range w.rows {
			for at < len(written) && written[at] != row {
				at++
			}
			if at == len(written) {
				t.Fatalf("row %d, %+v, was never written, or not in this order", i, row)
			}
			if i > 0 && w.first[i] <= w.first[i-1] {
				t.Fatalf("row %d has number %d, the one before %d", i, w.first[i], w.first[i-1])
			}
		}
		if last := w.first[len(w.first)-1]; last+1 != uint64(len(w.rows))+w.missed {
			t.Errorf("the last of %d rows has number %d, and %d were missed", len(w.rows), last, w.missed)
		}
	}
}

// A tap that nobody reads holds nothing up, and knows how much went by.
func TestStuckTapHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	r := newRig(t, s.String(), nil)
	var taps []*engine.Tap
	for range 3 {
		taps = append(taps, openTap(t, r, "sums", ""), openTap(t, r, "sums", "blocks"))
	}
	do(t, "run", r.run(t.Context()))
	s.want(t, 1, 300)
	for _, tap := range taps {
		if seen, given := tap.Counts(); seen != 900 || given != 0 {
			t.Errorf("a tap has seen %d rows and given out %d, want 900 and none", seen, given)
		}
		var w watched
		var err error
		for err == nil {
			err = w.next(t, t.Context(), tap)
		}
		if !errors.Is(err, io.EOF) || uint64(len(w.rows)) > 900 || len(w.rows) > 0 && w.first[0] != w.missed {
			t.Errorf("%d rows, %d missed, %v", len(w.rows), w.missed, err)
		}
		if n := len(w.news); n == 0 || w.news[n-1].State != engine.PathStopped {
			t.Errorf("the tap does not say that the path has ended: %+v", w.news)
		}
	}
}

// Whoever looks is told in its place that the path went back, is paused, and runs
// again.
func TestTapAcrossRewindAndPause(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.endsAt(t, 10)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(10)
	s.reach(t, r, 20)
	tap := openTap(t, r, "sums", "")
	s.goesOn(t)
	var w watched
	w.until(t, tap, "rows", func() bool { return len(w.rows) >= 30 })
	back := *r.path().Committed - 3
	do(t, "rewind", r.Rewind(soon(t), "p", back))
	w.until(t, tap, "a rewind and rows after it", func() bool {
		return len(w.news) > 0 && w.news[len(w.news)-1].Kind == engine.NewsRewound && len(w.rows) > w.at[len(w.at)-1]
	})
	news, at := w.news[len(w.news)-1], w.at[len(w.at)-1]
	first := uint64(1) // where no checkpoint is that old
	if news.Block != nil {
		first = *news.Block + 1
	}
	if first > back+1 || news.Generation != r.path().Generation {
		t.Errorf("the news of the rewind to block %d: %+v", back, news)
	}
	if got := w.rows[at].BlockNumber; w.missed == 0 && got != first {
		t.Errorf("the first row after it is of block %d, want %d", got, first)
	}
	do(t, "pause", r.Pause(soon(t), "p"))
	w.until(t, tap, "the pause", func() bool { return w.news[len(w.news)-1].State == engine.PathPaused })
	do(t, "resume", r.Resume(soon(t), "p"))
	n := len(w.rows)
	w.until(t, tap, "rows after the pause", func() bool { return len(w.rows) > n })
	do(t, "stop", r.Stop(soon(t), "p"))
	var err error
	for err == nil {
		err = w.next(t, soon(t), tap)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("after the path was stopped: %v", err)
	}
	_ = end()
}

// A crash of the step itself is seen as the path going back.
func TestTapAcrossACrash(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.sum = "at = 60\n how = \"kill\""
	s.endsAt(t, 20)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	tap := openTap(t, r, "sums", "")
	s.goesOn(t)
	var w watched
	w.until(t, tap, "rows after the crash", func() bool { return len(w.rows) > 0 && w.rows[len(w.rows)-1].BlockNumber > 70 })
	if len(w.news) == 0 || w.news[len(w.news)-1].Kind != engine.NewsRewound || !strings.Contains(w.news[len(w.news)-1].Cause, "killed") {
		t.Errorf("news: %+v", w.news)
	}
	do(t, "end", end())
}

func TestTapSamples(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	tap := openTap(t, r, "sums", "")
	tap.Sample(50, 0)
	var w watched
	w.until(t, tap, "rows", func() bool { return len(w.rows) >= 10 })
	for i, n := range w.first {
		if n%50 != 0 {
			t.Errorf("row %d has number %d, which is none of every 50", i, n)
		}
	}
	few := openTap(t, r, "sums", "")
	few.Sample(1, 1)
	var one watched
	one.until(t, few, "rows", func() bool { return len(one.rows) >= 5 })
	if one.missed < 2 {
		t.Errorf("one row of each batch is shown of three, and %d are missed", one.missed)
	}
	do(t, "end", end())
}

func TestTapNames(t *testing.T) {
	t.Parallel()
	j := joined{dir: t.TempDir()}
	r := newRig(t, j.String()+strings.Replace(newSums(t).String(), `"p"`, `"q"`, 1), nil)
	for _, c := range []struct{ step, input, want string }{
		{"merge", "", ""},
		{"p/merge", "fast", ""},
		{"p/merge", "left", ""},
		{"pairs", engine.OnlyInput, ""},
		{"merg", "", `there is no step "merg": did you mean "merge"?`},
		{"p/merg", "", `there is no step "p/merg": did you mean "p/merge"?`},
		{"everything", "", `there is no step "everything": this host runs p/fast, p/slow, p/sum, p/merge, p/sums, p/pairs, q/blocks, q/sums, q/out`},
		{"sums", "", `step "sums" is in several pipelines: write p/sums or q/sums`},
		{"pairs", "", `step "pairs" is a loader, and nothing comes out of it: look at its input, with --input`},
		{"merge", engine.OnlyInput, `step "merge" has several inputs: name one of fast, slow`},
		{"merge", "fats", `step "merge" has no input "fats": it reads fast, slow; did you mean "fast"?`},
		{"fast", engine.OnlyInput, `step "fast" is a reader: what goes into it comes from outside`},
	} {
		tap, err := r.Tap(c.step, c.input)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			tap.Close()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %q (-want +got):\n%s", c.step, c.input, diff)
		}
	}
	do(t, "run", r.run(t.Context()))
}

// So many may look at a time, and one that has gone makes room.
func TestTapsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, newSums(t).String(), nil)
	var taps []*engine.Tap
	for range 16 {
		taps = append(taps, openTap(t, r, "sums", ""))
	}
	if _, err := r.Tap("blocks", ""); !errors.Is(err, engine.ErrTaps) {
		t.Errorf("the seventeenth tap: got %v", err)
	}
	if _, err := r.Record("sums", "v9", engine.RecordLimits{}); !errors.Is(err, engine.ErrTaps) {
		t.Errorf("a recording beside sixteen taps: got %v", err)
	}
	taps[3].Close()
	taps[3].Close()
	openTap(t, r, "blocks", "")
	do(t, "run", r.run(t.Context()))
}

// A tap ends with whoever looks.
func TestTapEndsWithItsReader(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	tap := openTap(t, r, "sums", "")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
	defer cancel()
	var err error
	for err == nil {
		_, err = tap.Next(ctx)
	}
	if fmt.Sprint(err) != "enough" {
		t.Errorf("Next: %v", err)
	}
	tap.Close()
	if item, err := tap.Next(t.Context()); !errors.Is(err, io.EOF) && item.News == nil {
		t.Errorf("Next after Close: %+v, %v", item, err)
	}
	do(t, "end", end())
}
