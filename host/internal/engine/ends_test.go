package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// endless is the pipeline without an end.
func (j joined) endless() string {
	return strings.Replace(j.String(), fmt.Sprintf("to      = %d", joinedTo), "", 1)
}

// A reader that ends although nobody asked it to leaves the other alone: tuples
// are made without it, checkpoints are taken, and what breaks is mended.
func TestReaderThatEndsBeforeTheOther(t *testing.T) {
	t.Parallel()
	j := joined{dir: t.TempDir()}
	j.slow = "last = 60"
	j.fast = "pause = \"1ms\"\n until = 300"
	j.sum = "at = 200\n how = \"kill\""
	data := t.TempDir()
	r := newRig(t, j.endless(), on(t, data, often))
	end := r.begin()
	fast := func() uint64 {
		for _, c := range r.memory.Kept() {
			if at := c.Readers["p/fast"].Block; at == 300 {
				return at
			}
		}
		return 0
	}
	waitFor(t, "a checkpoint of the last block", func() bool { return fast() == 300 })
	if err := end(); err != nil {
		t.Fatal(err)
	}
	// The next run begins where both are, and has nothing to do.
	r = newRig(t, j.endless(), on(t, data, often))
	end = r.begin()
	r.waitState(engine.PathBackfill)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	wantAll(t, lines(t, j.path("sums")), summed(rowsOf(t, j.dir, 1, 300, 20)))
	var tuples []uint64
	for _, row := range lines(t, j.path("pairs")) {
		tuples = append(tuples, row.Value%mergeWeight)
	}
	var want []uint64
	for n := uint64(1); n <= 300; n++ {
		want = append(want, n)
	}
	if diff := cmp.Diff(want, tuples); diff != "" {
		t.Errorf("tuples (-want +got):\n%s", diff)
	}
}

// A reader that ends with rows after its last safe point could never be part of
// a checkpoint again: its path stops and says so, whenever that is.
func TestReaderThatEndsWithoutASafePoint(t *testing.T) {
	t.Parallel()
	j := joined{dir: t.TempDir()}
	j.slow = "last = 60\n loose = true"
	j.fast = "pause = \"1ms\""
	r := newRig(t, j.endless(), often)
	end := r.begin()
	r.waitState(engine.PathError)
	if err := end(); err == nil || !strings.Contains(err.Error(), "step slow") || !strings.Contains(err.Error(), "call SafePoint before it returns") {
		t.Errorf("got %v, want it to say which step has to do what", err)
	}
}

// A reader that hangs between two safe points is ended without another one when
// its path is to stop; the rest of the path still ends by itself.
func TestPauseWhileAReaderHangsBetweenSafePoints(t *testing.T) {
	long(t)
	t.Parallel()
	j := joined{dir: t.TempDir()}
	j.slow = "until = 60"
	j.fast = "pause = \"1ms\""
	r := newRig(t, j.endless(), often)
	end := r.begin()
	waitFor(t, "a checkpoint that waits for a reader that hangs", func() bool {
		s := r.path()
		return s.Processes[1].RowsOut == 60 && s.Pending != nil && slices.Contains(s.Pending.Waiting, "slow")
	})
	if err := r.Pause(soon(t), "p"); err != nil {
		t.Errorf("pause: %v; it waits for %+v", err, r.path().Pending)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if n := r.was("", string(engine.PathPaused)); n != 1 {
		t.Errorf("the path became paused %d times, want once", n)
	}
}
