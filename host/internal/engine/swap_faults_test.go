package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// newPast is a pipeline that reads history, of which no checkpoint is taken unless
// somebody asks for one. Snapshots of the step in its middle wait while there is a
// file, and so does the loader.
func newPast(t *testing.T) (s sums, tune func(*engine.Config)) {
	t.Helper()
	s = newSums(t)
	s.head = "from = 1"
	s.reader = "head = 1000000\n pace = \"2ms\""
	s.sum = fmt.Sprintf("waits = %q", s.gate("sums"))
	s.loader = fmt.Sprintf("waits = %q", s.gate("out"))
	return s, on(t, t.TempDir(), func(c *engine.Config) { c.Checkpoint.Every = time.Hour })
}

// gate is the file that a step waits for to go.
func (s sums) gate(step string) string { return filepath.Join(s.dir, "gate-"+step) }

func (s sums) shut(t *testing.T, step string) {
	t.Helper()
	if err := os.WriteFile(s.gate(step), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s sums) open(t *testing.T, step string) {
	t.Helper()
	if err := os.Remove(s.gate(step)); err != nil {
		t.Fatal(err)
	}
}

// with is the pipeline with another setting of the step in the middle.
func (s sums) sumsWith(setting string, args ...any) string {
	s.sum += "\n" + fmt.Sprintf(setting, args...)
	return s.String()
}

// The old one is killed while the cut waits for its answer: it is started again,
// and the swap is refused. A second try works.
func TestSwapOldKilledDuringTheCut(t *testing.T) {
	t.Parallel()
	s, tune := newPast(t)
	r := newRig(t, s.String(), tune)
	end := r.begin()
	r.grows()
	s.shut(t, "sums")
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief})
	waitFor(t, "the cut", func() bool { return r.path().Pending != nil })
	if err := syscall.Kill(r.process("sums").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	refused(t, swapped(), "the path broke before the cut was done")
	s.open(t, "sums")
	r.grows()
	if err := r.swap(r.version(s.String(), "next"), brief, "sums"); err != nil {
		t.Fatal(err)
	}
	s.ended(t, r, end, 1)
}

// A new one that dies, or does not want to open, is not let near the rows.
func TestSwapNewDiesInWarm(t *testing.T) {
	for how, why := range map[string]string{"dies": "exited with code 3", "fails": "it does not want to"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitCommitted(20)
			before := r.path()
			refused(t, r.swap(r.version(s.sumsWith("starts = %q", how), "next"), brief, "sums"), why)
			r.unharmed(before)
			s.ended(t, r, end, 1)
		})
	}
}

// unharmed checks that a path goes on as if nothing had been tried.
func (r *rig) unharmed(before engine.PathStatus) {
	r.t.Helper()
	r.grows()
	now := r.path()
	if now.Generation != before.Generation {
		r.t.Errorf("the path began again")
	}
	for i, p := range now.Processes {
		if p.PID != before.Processes[i].PID {
			r.t.Errorf("step %s is another process", p.Step)
		}
	}
}

// What dies of the first row that it is given was not swapped in the end.
func TestSwapNewDiesAtItsFirstBatch(t *testing.T) {
	for _, step := range []string{"blocks", "sums", "out"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitCommitted(20)
			before := r.process(step).PID
			deadly := s
			switch step {
			case "blocks":
				deadly.reader += "\n how = \"death\""
			case "sums":
				deadly.sum = "how = \"death\""
			case "out":
				deadly.loader = "how = \"death\""
			}
			rolledBack(t, r.swap(r.version(deadly.String(), "next"), endless, step), "was killed by signal 9")
			if now := r.process(step).PID; now != before {
				t.Errorf("process %d runs, want %d, which was still there", now, before)
			}
			r.grows()
			if n := r.path().Processes[1].Restarts; n != 0 {
				t.Errorf("it cost %d restarts", n)
			}
			s.ended(t, r, end, 1)
		})
	}
}

// Whatever goes wrong in the probation, and only there, takes the swap back: what
// the new one has done since the cut is undone, and the old one does it again.
func TestSwapNewFailsInProbation(t *testing.T) {
	long(t)
	for name, c := range map[string]struct{ how, why string }{
		"dies":      {"death", "was killed by signal 9"},
		"fails":     {"outage", "the fault that was asked for"},
		"puts away": {"refusal", "aside"},
		"hangs":     {"standstill", "it hangs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), quick))
			end := r.begin()
			r.waitCommitted(20)
			before := r.process("sums").PID
			v := r.version(s.String(), "next")
			v.Processes[1].Step.Settings = fmt.Appendf(nil, `{"how":%q,"at":%d}`, c.how, r.block()+300)
			rolledBack(t, r.swap(v, endless, "sums"), c.why)
			if now := r.process("sums").PID; now != before {
				t.Errorf("process %d runs, want %d, which was still there", now, before)
			}
			if n := r.process("sums").Poisoned; n != 0 {
				t.Errorf("%d rows count as put aside that the old one can do", n)
			}
			r.grows()
			waitFor(t, "the dead letters of the new one to go", func() bool {
				letters, err := r.DeadLetters()
				return err == nil && len(letters) == 0
			})
			s.ended(t, r, end, 1)
		})
	}
}

// The loader cannot do with what the new one gives: it is the new one that goes.
func TestSwapNewBreaksWhatReadsFromIt(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.loader = fmt.Sprintf("bad = %q", "none")
	s.loader = ""
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: endless})
	r.waitPhase(engine.SwapProbation)
	if err := syscall.Kill(r.process("out").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rolledBack(t, swapped(), "step out")
	r.grows()
	s.ended(t, r, end, 1)
}

// What breaks before the new one is none of its doing.
func TestSwapOutlivesWhatBreaksElsewhere(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	letGo, swapped := r.beginHeld(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief})
	if err := syscall.Kill(r.process("blocks").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its death to be noticed", func() bool { return r.was("blocks", string(engine.ProcessCrashed)) == 1 })
	r.grows()
	letGo()
	if err := swapped(); err != nil {
		t.Error(err)
	}
	s.ended(t, r, end, 1)
}

// A new one that hangs when it opens is given up in time: while it rehearses
// nobody waits for it, and at the cut the old one goes on.
func TestSwapNewHangsInOpen(t *testing.T) {
	for _, when := range []string{"hangs", "hangs at the cut"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.OpenTimeout = 2 * hang }))
			end := r.begin()
			r.waitCommitted(20)
			before := r.path()
			hanging := s.sumsWith("starts = %q\n times = %q", when, filepath.Join(s.dir, "times"))
			refused(t, r.swap(r.version(hanging, "next"), brief, "sums"), "did not open the process in time")
			r.unharmed(before)
			s.ended(t, r, end, 1)
		})
	}
}

// Types that do not fit are refused with both side by side, before anything is
// started.
func TestSwapOfAnIncompatibleType(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before, started := r.path(), len(r.started())
	v := r.version(s.String(), "next")
	other := r.version(strings.ReplaceAll(s.String(), "test.file", "test.columns"), "other")
	for _, p := range other.Processes {
		if p.Step.Name == "sums" {
			v.Processes[1].Register.Output = p.Register.Output
		}
	}
	refused(t, r.swap(v, brief, "sums"), "! value")
	if n := len(r.started()); n != started {
		t.Errorf("%d plugins were started for it", n-started)
	}
	r.unharmed(before)
	s.ended(t, r, end, 1)
}

// Settings that the new one does not understand are refused by itself.
func TestSwapOfAnIncompatibleConfiguration(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	v := r.version(s.String(), "next")
	v.Processes[1].Step.Settings = []byte(`{"bulk":"many"}`)
	refused(t, r.swap(v, brief, "sums"), "bulk")
	r.unharmed(before)
	s.ended(t, r, end, 1)
}

// A state of an older version is upgraded; what cannot be upgraded, or is of a
// newer version than the plugin knows, is refused with the versions named.
func TestSwapUpgradesTheState(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	refused(t, r.swap(r.version(s.String(), "clumsy"), brief, "sums"), "nobody remembers what the first version meant")
	refused(t, r.swap(r.version(s.String(), "third"), brief, "sums"), "its state is of version 1, and the new one, which writes version 3, can begin with version 3 or later")
	r.unharmed(before)
	if err := r.swap(r.version(s.String(), "second"), brief, "sums"); err != nil {
		t.Fatal(err)
	}
	r.grows()
	waitFor(t, "a checkpoint with the new state", func() bool {
		kept := r.memory.Kept()
		return kept[len(kept)-1].States["p/sums"].Version == 2
	})
	refused(t, r.swap(r.version(s.String(), ""), brief, "sums"), "its state is of version 2, and the new one only knows versions up to 1")
	r.grows()
	s.ended(t, r, end, 1)
}

// Where what comes after it takes nothing no barrier comes through: the swap is
// refused in time, or is made when rows flow again.
func TestSwapWhileDownstreamIsBlocked(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.loader = fmt.Sprintf("waits = %q", s.gate("out"))
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.grows()
	s.shut(t, "out")
	waitFor(t, "a checkpoint to wait for the loader", func() bool {
		p := r.path().Pending
		return p != nil && slices.Equal(p.Waiting, []string{"out"})
	})
	refused(t, r.Swap(soon(t), engine.Swap{
		Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief, Timeout: 2 * hang,
	}), "has not come to its cut within 6s")
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief})
	r.waitPhase(engine.SwapWarm)
	s.open(t, "out")
	if err := swapped(); err != nil {
		t.Fatal(err)
	}
	r.grows()
	s.ended(t, r, end, 1)
}

// A reorganisation while the cut is under way delays it, and one in the probation
// does not end it. One that goes back to before the cut takes the way back with
// it.
func TestSwapWithReorgs(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.sum = fmt.Sprintf("waits = %q", s.gate("sums"))
	s.endsAt(t, 30)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(30)
	s.shut(t, "sums")
	v := r.version(s.String(), "next")
	swap := engine.Swap{Plugin: "test", Replacements: v.replace("sums"), Probation: brief}
	held, letGo := hold(&swap)
	defer letGo()
	swapped := r.beginSwap(swap)
	waitFor(t, "the cut", func() bool { return r.path().Pending != nil })
	s.endsAt(t, 40)
	waitFor(t, "more blocks", func() bool { return r.block() == 40 })
	do(t, "reorganise", reorganise(s.dir, 37))
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
	s.open(t, "sums")
	select {
	case <-held:
	case <-soon(t).Done():
		t.Fatalf("waited in vain for the probation: %+v", r.path().Swap)
	}
	s.reach(t, r, 60)
	do(t, "reorganise", reorganise(s.dir, 40))
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 2 })
	letGo()
	if err := swapped(); err != nil {
		t.Fatal(err)
	}
	s.goesOn(t)
	r.grows()

	s.sum = ""
	swapped = r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: endless})
	r.waitPhase(engine.SwapProbation)
	cut := r.block()
	do(t, "reorganise", reorganise(s.dir, cut-15))
	waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 3 })
	waitFor(t, "the blocks to come again", func() bool { return r.block() > cut+20 })
	if err := syscall.Kill(r.process("sums").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rolledBack(t, swapped(), "was killed by signal 9")
	r.grows()
	s.ended(t, r, end, 1)
}

// Two swaps stand in line, and one that does not want to wait is told for what.
func TestSwapsInLine(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	v := r.version(s.String(), "next")
	letGo, first := r.beginHeld(engine.Swap{Plugin: "one", Replacements: v.replace("sums"), Probation: brief})
	second := r.beginSwap(engine.Swap{Plugin: "two", Replacements: v.replace("out"), Probation: brief})
	refused(t, r.Swap(soon(t), engine.Swap{Plugin: "three", Replacements: v.replace("sums"), Timeout: 50 * time.Millisecond}),
		"it waited in vain for the swap of plugin one (probation since")
	letGo()
	if err := first(); err != nil {
		t.Error(err)
	}
	if err := second(); err != nil {
		t.Error(err)
	}
	s.ended(t, r, end, 1)
}
