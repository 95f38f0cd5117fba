package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// newLive is a pipeline that follows the head, a block every four milliseconds: no
// faster than a busy machine takes them.
func newLive(t *testing.T) sums {
	t.Helper()
	s := newSums(t)
	s.head = "from = 1"
	s.reader = "head = 10\n pause = \"4ms\""
	return s
}

// block is the newest one that the first reader has told.
func (r *rig) block() uint64 {
	if b := r.path().Processes[0].Block; b != nil {
		return *b
	}
	return 0
}

// oldest is the block of the oldest checkpoint that is kept.
func (r *rig) oldest() uint64 {
	for _, c := range r.memory.Kept() {
		return c.Readers["p/blocks"].Block
	}
	return 0
}

// ended ends the engine, and checks that the loader holds the chain as it is
// now, up to where the last checkpoint is.
func (s sums) ended(t *testing.T, r *rig, end func() error, from uint64) {
	t.Helper()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.want(t, from, *r.path().Committed)
}

// However often the chain changes its mind, also while what it has changed is
// being read again: only the rows of the chain as it is at last are there, and
// sums over them.
func TestReorgsInARow(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.reader = "pause = \"1ms\"\n forks = [40, 150, 151, 152, 230]\n depth = 20"
	s.endsAt(t, 100)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(100) // to which the later ones can go back
	s.goesOn(t)
	r.waitState(engine.PathStopped)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
	if n := r.path().Forks; n != 5 {
		t.Errorf("%d reorganisations were counted, want 5", n)
	}
	starts := told(t, s.log(), "start")
	if len(starts) != 6 || starts[0] != 1 || slices.Contains(starts[2:], 1) {
		t.Errorf("the reader began at %v, want it to go back to checkpoints", starts)
	}
	for i, fork := range []uint64{20, 130, 131, 132, 210} {
		if i+1 < len(starts) && starts[i+1] > fork+1 {
			t.Errorf("after the fork of block %d it began at %d, which is beyond it", fork, starts[i+1])
		}
	}
}

// A checkpoint that is under way when the chain changes its mind is given up
// with the rows that it would have kept.
func TestReorgWhileACheckpointIsTaken(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.loader = fmt.Sprintf("eager = true\n waits = %q", s.gate("out"))
	s.endsAt(t, 20)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	s.shut(t, "out")
	s.endsAt(t, 40)
	waitFor(t, "a checkpoint that only waits for the loader", func() bool {
		p := r.path().Pending
		return r.block() == 40 && p != nil && slices.Equal(p.Waiting, []string{"out"})
	})
	do(t, "reorganise", reorganise(s.dir, 35))
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
	if at := *r.path().Committed; at > 35 {
		t.Errorf("there is a checkpoint of block %d, which is on the chain no more", at)
	}
	s.open(t, "out")
	s.reach(t, r, 150)
	s.ended(t, r, end, 1)
}

// What happened to the chain while no host was running is noticed by the next
// one, before a row is written.
func TestReorgBetweenTwoRuns(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	s.endsAt(t, 30)
	r := newRig(t, s.String(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(30)
	s.reach(t, r, 60)
	s.goesOn(t)
	s.ended(t, r, end, 1)
	last := *r.path().Committed
	if err := reorganise(s.dir, last-7); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, s.String(), on(t, data, nil))
	end = r.begin()
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
	r.waitCommitted(last + 20)
	s.ended(t, r, end, 1)
	starts := told(t, s.log(), "start")
	if len(starts) != 3 || starts[1] != last+1 || starts[2] > last-6 || starts[2] == 1 {
		t.Errorf("the reader began at %v, want 1, %d, and at most %d", starts, last+1, last-6)
	}
}

// A fork before the first block of a pipeline that began at the head takes it
// back to its first block, not to wherever the head is by then.
func TestReorgBeforeTheFirstBlock(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint("restarted ", restarted), func(t *testing.T) {
			t.Parallel()
			s, data := newLive(t), t.TempDir()
			s.head = `from = "latest"`
			s.reader = "head = 50\n pause = \"2ms\""
			r := newRig(t, s.String(), on(t, data, nil))
			end := r.begin()
			r.waitCommitted(60)
			if restarted {
				s.ended(t, r, end, 50)
				s.reader = "head = 1000\n pause = \"2ms\""
			}
			if err := reorganise(s.dir, 45); err != nil {
				t.Fatal(err)
			}
			if restarted {
				r = newRig(t, s.String(), on(t, data, nil))
				end = r.begin()
			}
			waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
			waitFor(t, "what was read again", func() bool { return r.block() > 70 && r.path().Committed != nil })
			s.ended(t, r, end, 50)
		})
	}
}

// With finality a path forgets what it can never go back to, and still goes
// back as far as the chain may.
func TestReorgAboveWhatIsFinal(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.reader += "\n finality = 30"
	s.endsAt(t, 45)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(45)
	s.reach(t, r, 80)
	waitFor(t, "old checkpoints to be forgotten", func() bool { return r.oldest() >= 40 })
	const fork = 80 - 30
	do(t, "reorganise", reorganise(s.dir, fork))
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
	s.goesOn(t)
	r.waitCommitted(fork + 60)
	s.ended(t, r, end, 1)
	m, err := readMarks(s.out())
	if err != nil {
		t.Fatal(err)
	}
	if kept := r.memory.Kept(); m.Final == 0 || m.Final > kept[0].Number {
		t.Errorf("the loader was told that checkpoint %d is final, and the oldest kept is %d", m.Final, kept[0].Number)
	}
	if starts := told(t, s.log(), "start"); len(starts) != 2 || starts[1] < 40 {
		t.Errorf("the reader began at %v, want it to go back to a checkpoint", starts)
	}
}

// A reorganisation of blocks that were called final is not obeyed, also after a
// restart, and also if the node takes its word back: the path stops with the
// way out, and what the loader holds stays.
func TestReorgBelowWhatIsFinal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reader string
		restarted    bool
	}{
		{name: "live"},
		{name: "restarted", restarted: true},
		{name: "word taken back", reader: "moves_back = 100"},
		{name: "word taken back before a restart", reader: "moves_back = 100", restarted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, data := newLive(t), t.TempDir()
			s.reader += "\n finality = 10\n" + c.reader
			s.endsAt(t, 45)
			r := newRig(t, s.String(), on(t, data, nil))
			end := r.begin()
			r.waitCommitted(45)
			s.reach(t, r, 60)
			s.goesOn(t)
			waitFor(t, "old checkpoints to be forgotten", func() bool { return r.oldest() >= 40 && r.block() > 110 })
			if c.restarted {
				s.ended(t, r, end, 1)
			}
			if err := reorganise(s.dir, 20); err != nil {
				t.Fatal(err)
			}
			if c.restarted {
				r = newRig(t, s.String(), on(t, data, nil))
				end = r.begin()
			}
			waitFor(t, "the end of the path", func() bool { return r.path().State == engine.PathError || r.path().Forks > 0 })
			err := end()
			for _, want := range []string{"reorganised after block 20", "final", "endpoint", "--fresh"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v, which lacks %q", err, want)
				}
			}
			if rows := lines(t, s.out()); len(rows) < 3*40 {
				t.Errorf("the loader has %d rows left, want those of what is final at least", len(rows))
			}
		})
	}
}
