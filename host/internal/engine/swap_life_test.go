package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// A path that does not run, or is about to rest, is not swapped, and the error
// says what to do.
func TestSwapOfAPathThatDoesNotRun(t *testing.T) {
	t.Parallel()
	s, other := newLive(t), newLive(t)
	both := s.String() + other.named("q") // which keeps the host from ending
	r := newRig(t, both, on(t, t.TempDir(), nil))
	v := r.version(s.String(), "next")
	wantState := func(err error, state engine.PathState, what string) {
		t.Helper()
		refused(t, err, what)
		if at := (*engine.StateError)(nil); !errors.As(err, &at) || at.State != state {
			t.Errorf("got %v, want that it is %s", err, state)
		}
	}
	wantState(r.swap(v, brief, "sums"), engine.PathInactive, "its host has not started it yet")
	end := r.begin()
	r.waitCommitted(20)
	do(t, "pause", r.Pause(soon(t), "p"))
	wantState(r.swap(v, brief, "sums"), engine.PathPaused, "resume it first")
	do(t, "stop", r.Stop(soon(t), "p"))
	wantState(r.swap(v, brief, "sums"), engine.PathStopped, "resume it first")
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(20)
	refused(t, r.Swap(soon(t), engine.Swap{Plugin: "test"}), "no step of the pipelines that run uses it")
	s.ended(t, r, end, 1)
	refused(t, r.swap(v, brief, "sums"), "the host is ending")
}

// Whoever has not asked for a path in error to begin again is told what to do.
func TestSwapOfAPathInError(t *testing.T) {
	t.Parallel()
	s, other := newLive(t), newLive(t)
	s.sum = "at = 100\n how = \"stop\""
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitState(engine.PathError)
	r.waitCommittedOf("q", 1)
	refused(t, r.swap(r.version(s.String()+other.named("q"), "next"), brief, "sums"), "pipeline p is in error and cannot be given another plugin test: resume it first")
	if err := end(); err == nil {
		t.Error("the failure of p was not told")
	}
	other.want(t, 1, *r.Status()[1].Committed)
}

// Whoever asks a path for something else while a swap is in its probation takes
// the swap back: what has been done since the cut is done again, by the old one.
func TestSwapEndsWithWhatIsAskedOfThePath(t *testing.T) {
	long(t)
	for what, ask := range map[string]func(*testing.T, *rig){
		"pause": func(t *testing.T, r *rig) {
			t.Helper()
			do(t, "pause", r.Pause(soon(t), "p"))
			do(t, "resume", r.Resume(soon(t), "p"))
		},
		"stop": func(t *testing.T, r *rig) {
			t.Helper()
			do(t, "stop", r.Stop(soon(t), "p"))
			do(t, "resume", r.Resume(soon(t), "p"))
		},
		"rewind": func(t *testing.T, r *rig) {
			t.Helper()
			do(t, "rewind", r.Rewind(soon(t), "p", r.oldest()))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, other := newLive(t), newLive(t)
			r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil)) // which keeps the host from ending
			end := r.begin()
			r.waitCommitted(20)
			v := r.version(s.sumsWith("times = %q", filepath.Join(s.dir, "times")), "next")
			swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: v.replace("sums"), Probation: endless})
			r.waitPhase(engine.SwapProbation)
			r.grows()
			ask(t, r)
			rolledBack(t, swapped(), "asked to end, to pause or to go back")
			r.waitCommitted(20)
			if n := len(read(t, filepath.Join(s.dir, "times"))); n != 2 {
				t.Errorf("the new one was opened %d times, want 2: the old one is to go on", n)
			}
			s.ended(t, r, end, 1)
		})
	}
}

// A host that ends in any phase ends in time, with the old one in place, and the
// next one goes on from there.
func TestSwapWhileTheHostEnds(t *testing.T) {
	long(t)
	for phase, version := range map[string]func(s sums, r *rig) version{
		"warm": func(s sums, r *rig) version { return r.version(s.sumsWith("starts = \"hangs\""), "next") },
		"cut": func(s sums, r *rig) version {
			return r.version(s.sumsWith("starts = \"hangs at the cut\"\n times = %q", filepath.Join(s.dir, "times")), "next")
		},
		"probation": func(s sums, r *rig) version { return r.version(s.String(), "second") },
	} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			s, data := newLive(t), t.TempDir()
			r := newRig(t, s.String(), on(t, data, nil))
			end := r.begin()
			r.waitCommitted(20)
			v := version(s, r)
			began := len(r.started())
			swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: v.replace("sums"), Probation: endless})
			switch phase {
			case "warm":
				waitFor(t, "the new one to start", func() bool { return len(r.started()) > began })
			case "cut":
				waitFor(t, "the cut", func() bool {
					return exists(filepath.Join(s.dir, "times")) && len(read(t, filepath.Join(s.dir, "times"))) == 2
				})
			default:
				r.waitPhase(engine.SwapProbation)
				r.grows()
			}
			asked := time.Now()
			if err := end(); err != nil {
				t.Error(err)
			}
			if took := time.Since(asked); took > patience/2 { // of which OpenTimeout is the whole
				t.Errorf("the host took %s to end", took)
			}
			err := swapped()
			if failed := (*engine.SwapError)(nil); !errors.As(err, &failed) || failed.RolledBack != (phase == "probation") {
				t.Errorf("got %v", err)
			}
			r = newRig(t, s.String(), on(t, data, func(c *engine.Config) { c.AcceptChanges = false }))
			end = r.begin()
			r.grows()
			s.ended(t, r, end, 1)
		})
	}
}

// A host that dies in the probation leaves a note, with which the next one goes
// back to the checkpoint of the cut.
func TestSwapOfAHostThatDies(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	r := newRig(t, s.String(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(40)
	v := r.version(s.String(), "second")
	note := []byte(nil)
	swapped := r.beginSwap(engine.Swap{
		Plugin: "test", Number: 3, Replacements: v.replace("sums"), Probation: brief,
		Commit: func() error { note, _ = r.memory.Note("swap"); return nil },
	})
	if err := swapped(); err != nil || note == nil {
		t.Fatalf("the swap: %v, with the note %q", err, note)
	}
	if _, there := r.memory.Note("swap"); there {
		t.Error("the note is still there after the swap was committed")
	}
	r.grows()
	s.ended(t, r, end, 1)
	var left struct{ Checkpoint uint64 }
	if err := json.Unmarshal(note, &left); err != nil {
		t.Fatal(err)
	}

	// So it looks to the next host if this one had died before it was committed:
	// the old version cannot read any state but that of the cut.
	st := openStore(t, data)
	memory, err := st.Domain("p/blocks")
	if err != nil {
		t.Fatal(err)
	}
	do(t, "leave the note", memory.SetNote("swap", note))
	do(t, "close", st.Close())
	r = newRig(t, s.String(), on(t, data, nil))
	kept := r.memory.Kept()
	if at := kept[len(kept)-1]; at.Number != left.Checkpoint || at.States["p/sums"].Version > 1 {
		t.Errorf("it begins at checkpoint %d with a state of version %d, want %d and the first version", at.Number, at.States["p/sums"].Version, left.Checkpoint)
	}
	if _, there := r.memory.Note("swap"); there {
		t.Error("the note is still there after it was followed")
	}
	end = r.begin()
	r.grows()
	s.ended(t, r, end, 1)
}

// Whoever asked for a swap may leave: before the cut that ends it, later it goes
// on.
func TestSwapGoesOnWithoutWhoeverAsked(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	ctx, leave := context.WithCancel(t.Context())
	var phases []string
	hanging := r.version(s.sumsWith("starts = \"hangs\""), "next")
	done := make(chan error, 1)
	go func() { done <- r.Swap(ctx, engine.Swap{Plugin: "test", Replacements: hanging.replace("sums")}) }()
	waitFor(t, "the new one to start", func() bool { return len(r.started()) > 3 })
	leave()
	refused(t, <-done, "context canceled")
	r.unharmed(before)

	ctx, leave = context.WithCancel(t.Context())
	told := make(chan struct{})
	swap := engine.Swap{
		Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief, Timeout: patience,
		Tell: func(phase engine.Phase, _ string) {
			phases = append(phases, string(phase))
			if phase == engine.SwapCommitted {
				close(told)
			}
		},
	}
	held, letGo := hold(&swap)
	defer letGo()
	go func() { done <- r.Swap(ctx, swap) }()
	<-held
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("got %v", err)
	}
	letGo()
	<-told
	if got := strings.Join(phases, " "); got != "warm cut probation committed" {
		t.Errorf("it was told of %s", got)
	}
	s.ended(t, r, end, 1)
}

// What cannot be kept is taken back: the next start would run something else.
func TestSwapThatCannotBeKept(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	rolledBack(t, r.Swap(soon(t), engine.Swap{
		Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: brief,
		Commit: func() error { return errors.New("the disk is full") },
	}), "the disk is full")
	r.grows()
	s.ended(t, r, end, 1)
}

// A path that comes to its end trusts what has brought it there.
func TestSwapOfAPathThatEnds(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.reader = "head = 1\n pause = \"2ms\""
	s.endsAt(t, 100)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	v := r.version(s.String(), "next")
	end := r.begin()
	r.waitCommitted(20)
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: v.replace("sums"), Probation: endless})
	r.waitPhase(engine.SwapProbation)
	s.goesOn(t)
	if err := swapped(); err != nil {
		t.Fatal(err)
	}
	r.waitState(engine.PathStopped)
	refused(t, r.swap(v, endless, "sums"), "")
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
}

// What was rolled back can be tried again, and be rolled back again.
func TestSwapRolledBackTwice(t *testing.T) {
	long(t)
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.process("sums").PID
	for range 2 {
		v := r.version(s.String(), "next")
		v.Processes[1].Step.Settings = fmt.Appendf(nil, `{"how":"death","at":%d}`, r.block()+50)
		rolledBack(t, r.swap(v, endless, "sums"), "was killed by signal 9")
		if now := r.process("sums").PID; now != before {
			t.Errorf("process %d runs, want %d", now, before)
		}
		r.grows()
	}
	// The old one may have died while nobody needed it.
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.String(), "next").replace("sums"), Probation: endless})
	r.waitPhase(engine.SwapProbation)
	for _, pid := range []int{before, r.process("sums").PID} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	rolledBack(t, swapped(), "was killed by signal 9")
	r.grows()
	s.ended(t, r, end, 1)
}

// A plugin whose answers to barriers come much later than before is taken back.
func TestSwapToWhatIsSlow(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	v := r.version(s.sumsWith("waits = %q", s.gate("sums")), "next")
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: v.replace("sums"), Probation: engine.Probation{For: time.Hour, MaxSlower: 0.001}})
	waitFor(t, "the probation", func() bool { // or its end, where the machine is so slow that the new one seems to be
		s := r.path().Swap
		return s != nil && (s.Phase == engine.SwapProbation || s.Phase == engine.SwapRolledBack)
	})
	s.shut(t, "sums")
	waitFor(t, "a checkpoint that waits", func() bool {
		at := r.path()
		return at.Pending != nil && time.Since(at.Pending.Since) > time.Second || at.Swap.Phase == engine.SwapRolledBack
	})
	s.open(t, "sums")
	rolledBack(t, swapped(), "to answer a barrier")
	r.grows()
	s.ended(t, r, end, 1)
}
