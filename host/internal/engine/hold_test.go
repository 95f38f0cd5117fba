package engine_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// twoLoaders is the pipeline with a loader of final rows, and one beside it that
// gets all.
func (s sums) twoLoaders() string {
	beside := fmt.Sprintf("\n  loader \"test.file\" \"live\" {\n    input = sums\n    path = %q\n  }\n}", s.live())
	return strings.TrimSuffix(s.String(), "\n}") + beside
}

func (s sums) live() string { return filepath.Join(s.dir, "live") }

// newFinal is such a pipeline. What is final lies thirty blocks behind the head.
func newFinal(t *testing.T) sums {
	t.Helper()
	s := newLive(t)
	s.reader = "head = 3\n pause = \"2ms\"\n finality = 30"
	s.loader = "after = \"final\""
	return s
}

// lastBlock is the last one of which a loader has rows.
func lastBlock(t *testing.T, path string) uint64 {
	t.Helper()
	rows := soFar(t, path)
	if len(rows) == 0 {
		return 0
	}
	return rows[len(rows)-1].BlockNumber
}

// wantFinal checks that the loader of final rows holds the chain up to some
// block, and the one beside it all.
func (s sums) wantFinal(t *testing.T, r *rig, atLeast uint64) {
	t.Helper()
	last := lastBlock(t, s.out())
	if committed := *r.path().Committed; last < atLeast || last > committed-30 {
		t.Errorf("the last final row is of block %d, want one from block %d to %d", last, atLeast, committed-30)
	}
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, last, 3)))
	wantAll(t, lines(t, s.live()), summed(rowsOf(t, s.dir, 1, *r.path().Committed, 3)))
}

// A loader of final rows never sees one that a reorganisation takes back, and
// gets all others once, in order. The one beside it gets rows at once.
func TestFinalRows(t *testing.T) {
	t.Parallel()
	s, data := newFinal(t), t.TempDir()
	s.endsAt(t, 0)
	r := newRig(t, s.twoLoaders(), on(t, data, nil))
	end := r.begin()
	var seen []record
	at := uint64(10)
	for forks := uint64(1); forks <= 6; forks++ {
		at += 20
		s.endsAt(t, at)
		waitFor(t, "more blocks", func() bool { return r.block() == at })
		seen = append(seen, soFar(t, s.out())...)
		do(t, "reorganise", reorganise(s.dir, at-(5*forks-2))) // which the reader sees before another block is final
		waitFor(t, "the reorganisation", func() bool { return r.path().Forks == forks })
	}
	s.goesOn(t)
	waitFor(t, "final rows", func() bool { return lastBlock(t, s.out()) > at })
	if lastBlock(t, s.live()) < lastBlock(t, s.out())+20 {
		t.Error("the loader beside it has to wait as well")
	}
	do(t, "end", end())
	s.wantFinal(t, r, at)
	rows := lines(t, s.out())
	for _, row := range seen {
		if !slices.Contains(rows, row) {
			t.Fatalf("row %+v was there, and was not final", row)
		}
	}
}

// So it is when any process dies, and over restarts of the host, also where it
// is cut off: what waits in the journal comes in the next run.
func TestFinalRowsWhateverDies(t *testing.T) {
	long(t)
	t.Parallel()
	s, data := newFinal(t), t.TempDir()
	at := uint64(0)
	for run := range 5 {
		r := newRig(t, s.twoLoaders(), on(t, data, func(c *engine.Config) {
			if run%2 == 1 {
				c.HardTerminateAfter = time.Nanosecond
			}
		}))
		end := r.begin()
		r.waitState(engine.PathLive)
		for i := range len(r.path().Processes) {
			p := r.path().Processes[(i+run)%len(r.path().Processes)]
			at = r.block()
			if p.PID > 0 {
				_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may have ended
			}
			waitFor(t, "more blocks", func() bool { return r.block() > at+8 })
		}
		at = r.block() + 40
		s.endsAt(t, at)
		waitFor(t, "the blocks until then", func() bool { return r.block() == at })
		do(t, "reorganise", reorganise(s.dir, at-5))
		s.goesOn(t)
		waitFor(t, "final rows", func() bool { return lastBlock(t, s.out()) > at-10 })
		if err := end(); err != nil && run%2 == 0 {
			t.Fatal(err)
		}
	}
	r := newRig(t, s.twoLoaders(), on(t, data, nil))
	end := r.begin()
	waitFor(t, "the last rows", func() bool { return lastBlock(t, s.out()) > at+10 })
	do(t, "end", end())
	s.wantFinal(t, r, at+10)
}

// A backtest whose end is final gives out everything. One whose end is not
// keeps the rest until it is; begun anew nothing of it is left.
func TestFinalRowsOfABacktest(t *testing.T) {
	t.Parallel()
	s, data := newFinal(t), t.TempDir()
	run := func(head, reader string, tune func(*engine.Config)) {
		t.Helper()
		s.head, s.reader = head, reader
		r := newRig(t, s.twoLoaders(), on(t, data, tune))
		do(t, "run", r.run(t.Context()))
	}
	run("from = 1\n to = 100", "sure = 1000", nil)
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, 100, 3)))

	run("from = 1\n to = 200", "finality = 30", nil)
	wantAll(t, lines(t, s.live()), summed(rowsOf(t, s.dir, 1, 200, 3)))
	last := lastBlock(t, s.out())
	if last < 100 || last > 170 {
		t.Errorf("the last final row is of block %d, want one from 100 to 170", last)
	}
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, last, 3)))

	run("from = 1\n to = 300", "finality = 30\n sure = 1000", nil)
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, 300, 3)))

	run("from = 1\n to = 50", "finality = 500", func(c *engine.Config) { c.Fresh = true })
	if rows := lines(t, s.out()); len(rows) != 0 {
		t.Errorf("begun anew there are %d final rows, want none", len(rows))
	}
	run("from = 1\n to = 60", "sure = 60", nil)
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, 60, 3)))
}

// Rows that a loader of final rows refuses have a letter each, and one that is
// replayed is there once.
func TestBadFinalRows(t *testing.T) {
	t.Parallel()
	s, data := newFinal(t), t.TempDir()
	s.head, s.reader, s.sum = "from = 1\n to = 100", "per_block = 1\n sure = 1000\n pause = \"1ms\"", "plain = true"
	s.loader += fmt.Sprintf("\n bad = [20000, 40000, 60000]\n fate = \"poison\"\n mend = %q", s.dir+"/mend")
	source := strings.ReplaceAll(s.twoLoaders(), "test.running", "test.picky")
	do(t, "run", newRig(t, source, on(t, data, nil)).run(t.Context()))
	letters := leftIn(t, data, 20000, 40000, 60000)
	for i, row := range []uint64{19, 39, 59} {
		if letters[i].Row != row || letters[i].Step != "out" {
			t.Errorf("a letter is of row %d of step %s, want %d", letters[i].Row, letters[i].Step, row)
		}
	}
	s.mend(t)
	for range 2 {
		r := newRig(t, source, on(t, data, nil))
		if len(lettersOf(t, r.store)) == 3 {
			do(t, "replay", r.Replay(soon(t), r.id(40000)))
		}
		do(t, "run", r.run(t.Context()))
		leftIn(t, data, 20000, 60000)
		if n := times(lines(t, s.out()), 40000); n != 1 {
			t.Errorf("the row that was replayed is there %d times, want once", n)
		}
	}
	wantAll(t, without(lines(t, s.out()), 40000), without(rowsOf(t, s.dir, 1, 100, 1), 20000, 40000, 60000))
}
