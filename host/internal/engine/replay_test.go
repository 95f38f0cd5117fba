package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// What is replayed after its step was mended is there once, whoever dies and
// however often somebody asks. The letter goes when nothing can undo that.
func TestReplay(t *testing.T) {
	long(t)
	t.Parallel()
	for _, fate := range []string{"poison", "error"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			s, data := newLetters(t, fate, 20001, 21000), t.TempDir()
			s.reader += "\n finality = 1500"
			r := s.letters(t, data)
			end := r.begin()
			r.waitCommitted(30)
			s.mend(t)
			id, before := r.id(20001), *r.path().Committed
			for range 3 {
				do(t, "replay", r.Replay(soon(t), id))
			}
			waitFor(t, "the row", func() bool { return times(soFar(t, s.out()), 20001) == 1 })
			if l := wantLetters(t, r.store, 20001, 21000)[0]; l.State != store.LetterReplaying {
				t.Errorf("the letter is %s before anything is final", l.State)
			}
			for _, pid := range r.started() { // before a checkpoint, or after one
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			r.waitCommitted(r.block() + 30)
			do(t, "rewind", r.Rewind(soon(t), "p", before))
			r.waitCommitted(r.block() + 30)
			r.waitLetters(1)
			wantLetters(t, r.store, 21000)
			do(t, "end", end())
			s.wantOnce(t, *r.path().Committed, []uint64{20001}, 21000)
		})
	}
}

// What is to be replayed while nothing runs is replayed by the next run, also of
// a pipeline that has come to its end.
func TestReplayLater(t *testing.T) {
	t.Parallel()
	for _, sure := range []uint64{0, 1000} {
		t.Run(fmt.Sprint("final ", sure), func(t *testing.T) {
			t.Parallel()
			s, data := newLetters(t, "error", 20001), t.TempDir()
			s.head, s.reader = "from = 1\n to = 60", fmt.Sprintf("sure = %d", sure)
			r := s.letters(t, data)
			do(t, "run", r.run(t.Context()))
			s.mend(t)
			r = s.letters(t, data)
			do(t, "replay", r.Replay(soon(t), r.id(20001)))
			do(t, "run", r.run(t.Context()))
			s.wantOnce(t, 60, []uint64{20001})
			if k := r.path().Checkpoint; sure > 0 {
				leftIn(t, data)
			} else if l := leftIn(t, data, 20001); k == nil || l[0].State != store.LetterReplaying {
				t.Errorf("checkpoint %v, letter %+v", k, l)
			}
			do(t, "run once more", s.letters(t, data).run(t.Context()))
			s.wantOnce(t, 60, []uint64{20001})
		})
	}
}

// A row that breaks its step when it is replayed is a dead letter again, with
// one attempt more, and breaks it no second time. It takes nobody with it.
func TestReplayThatFails(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct{ fate, cause string }{
		{"error", "the fault"}, {"panic", "panic: the fault"}, {"kill", "killed"}, {"hang", "hangs"},
	} {
		t.Run(c.fate, func(t *testing.T) {
			t.Parallel()
			s, data := newLetters(t, c.fate, 20001), t.TempDir()
			r := newRig(t, s.with("test.picky", "test.file"), on(t, data, quick))
			end := r.begin()
			r.waitCommitted(30)
			before := wantLetters(t, r.store, 20001)[0]
			do(t, "end", end())

			s.sum = strings.Replace(s.sum, `fate = "error"`, fmt.Sprintf("fate = %q", c.fate), 1)
			r = newRig(t, s.with("test.picky", "test.file"), on(t, data, quick))
			end = r.begin()
			r.waitState(engine.PathLive)
			do(t, "replay", r.Replay(soon(t), before.ID))
			waitFor(t, "the letter to be dead again", func() bool {
				l := lettersOf(t, r.store)
				return len(l) == 1 && l[0].State == store.LetterDead && l[0].Attempts == before.Attempts+1 && strings.Contains(l[0].Cause, c.cause)
			})
			r.waitCommitted(r.block() + 30)
			if n := len(r.causes("sums")); n != 1 {
				t.Errorf("the step broke %d times by one replay: %q", n, r.causes("sums"))
			}
			if l := wantLetters(t, r.store, 20001)[0]; l.Row != before.Row || !l.First.Equal(before.First) || (l.Stack != "") != (c.fate == "panic") {
				t.Errorf("the letter was %+v and is %+v", before.DeadLetter, l.DeadLetter)
			}
			do(t, "end", end())
			s.wantOnce(t, *r.path().Committed, nil, 20001)
		})
	}
}

// A letter can be discarded, and its row stays out.
func TestDiscard(t *testing.T) {
	t.Parallel()
	s, data := newLetters(t, "error", 20001), t.TempDir()
	r := s.letters(t, data)
	end := r.begin()
	r.waitCommitted(30)
	do(t, "discard", r.Discard(r.id(20001)))
	if err := r.Discard("nothing"); !errors.Is(err, store.ErrNoLetter) {
		t.Errorf("discard what is not there: got %v", err)
	}
	if err := r.Replay(soon(t), "nothing"); !errors.Is(err, store.ErrNoLetter) {
		t.Errorf("replay what is not there: got %v", err)
	}
	do(t, "rewind", r.Rewind(soon(t), "p", 13))
	r.waitCommitted(40)
	wantLetters(t, r.store)
	do(t, "end", end())
	s.wantOnce(t, *r.path().Committed, nil, 20001)
}
