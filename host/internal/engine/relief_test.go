package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// revive is a swap in the first pipeline that takes it along if it is in error.
func (r *rig) revive(v version, probation engine.Probation, steps ...string) error {
	r.t.Helper()
	first := slices.DeleteFunc(v.replace(steps...), func(one engine.Replacement) bool { return one.Spec.Pipeline.Name != "p" })
	return r.Swap(soon(r.t), engine.Swap{Number: 7, Plugin: "test", Replacements: first, Probation: probation, Timeout: patience, Revive: true})
}

// A path that gave up because of a plugin begins again with another, where it
// was. Every kind of step can be replaced so, and nothing is lost or comes twice.
func TestSwapRevivesAPathInError(t *testing.T) {
	for _, step := range []string{"blocks", "sums", "out"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s, other := newLive(t), newLive(t)
			mended := s
			const stops = "\nat = 100\n how = \"stop\""
			switch step {
			case "blocks":
				s.reader += stops
			case "sums":
				s.sum += stops
			case "out":
				s.loader += stops
			}
			r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitState(engine.PathError)
			if pending := r.path().Pending; pending != nil {
				t.Errorf("checkpoint %d is under way, of a path in error", pending.Number)
			}
			if err := r.revive(r.version(mended.String()+other.named("q"), "next"), brief, step); err != nil {
				t.Fatal(err)
			}
			r.waitCommitted(150)
			if cut := r.causeOf(engine.SwapCut); !strings.Contains(cut, "the old one had failed in pipeline p, which went back") {
				t.Errorf("the cut was told as %q", cut)
			}
			s.ended(t, r, end, 1)
		})
	}
}

// causeOf is what was told of a phase of the newest swap.
func (r *rig) causeOf(phase engine.Phase) (cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if ev.Kind == engine.EventSwap && ev.To == string(phase) {
			cause = ev.Cause
		}
	}
	return cause
}

// If the new one fails too, the path is in error as before, for the reason that it
// was, and can be given yet another one.
func TestSwapOfAPathInErrorToWhatFailsToo(t *testing.T) {
	t.Parallel()
	s, other := newLive(t), newLive(t)
	mended, worse := s, s
	s.reader += "\nat = 100\n how = \"outage\""
	worse.reader += "\nat = 100\n how = \"death\""
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitState(engine.PathError)
	was := r.path().Cause
	if !strings.Contains(was, "the fault that was asked for") {
		t.Fatalf("it is in error because %q", was)
	}
	for range 2 {
		rolledBack(t, r.revive(r.version(worse.String()+other.named("q"), "next"), endless, "blocks"), "was killed by signal 9")
		r.waitState(engine.PathError)
		if now := r.path().Cause; now != was {
			t.Errorf("it is in error because %q, want because %q as before", now, was)
		}
	}
	next := r.version(mended.String()+other.named("q"), "next")
	refused(t, r.revive(r.version(mended.sumsWith("starts = %q", "fails")+other.named("q"), "next"), endless, "blocks", "sums"), "it does not want to")
	refused(t, r.revive(next, brief, "sums"), "what it failed in, step blocks, is another plugin's")
	if err := r.revive(next, brief, "blocks"); err != nil {
		t.Fatal(err)
	}
	r.waitCommitted(150)
	s.ended(t, r, end, 1)
}

// A plugin that fails again and again leaves no moment to make a cut at: the new
// one takes over when it has failed once more.
func TestSwapRelievesWhatFailsAgainAndAgain(t *testing.T) {
	for how, step := range map[string]string{"death": "sums", "outage": "blocks", "opening": "sums"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			mended := s
			switch how {
			case "death":
				s.sum = "at = 100\n how = \"death\""
			case "outage":
				s.reader += "\nat = 100\n how = \"outage\""
			case "opening":
				s.sum = "starts = \"dies\"" // before there is a checkpoint
			}
			r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) {
				c.Restart.Max = 1_000_000
				c.Poison.Attempts = 1_000_000
			}))
			end := r.begin()
			waitFor(t, "some failures", func() bool { return r.process(step).Restarts > 3 })
			if err := r.swap(r.version(mended.String(), "next"), brief, step); err != nil {
				t.Fatal(err)
			}
			r.waitCommitted(150)
			s.ended(t, r, end, 1)
		})
	}
}
