package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// named is the same pipeline under another name.
func (s sums) named(name string) string {
	return strings.Replace(s.String(), `"p"`, `"`+name+`"`, 1)
}

// soon bounds what somebody asks of an engine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// do asks an engine for something that it has to do.
func do(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// A path that was paused stays so over restarts of its host, reads nothing
// meanwhile, and goes on where it was.
func TestPauseIsRemembered(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	r := newRig(t, s.String(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(40)
	do(t, "pause", r.Pause(soon(t), "p"))
	do(t, "pause once more", r.Pause(soon(t), "p"))
	if state := r.path().State; state != engine.PathPaused {
		t.Fatalf("the path is %s after Pause", state)
	}
	waitFor(t, "the plugins to end", func() bool { return r.path().Processes[0].PID == 0 })
	s.ended(t, r, end, 1)
	at := *r.path().Committed

	r = newRig(t, s.String(), on(t, data, nil))
	end = r.begin()
	r.waitState(engine.PathPaused)
	if n := len(r.started()); n != 0 {
		t.Errorf("%d plugins were started for a path that is paused", n)
	}
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(at + 20)
	s.ended(t, r, end, 1)
	at2 := *r.path().Committed

	r = newRig(t, s.String(), on(t, data, nil))
	end = r.begin()
	r.waitCommitted(at2 + 20)
	s.ended(t, r, end, 1)
	if diff := cmp.Diff([]uint64{1, at + 1, at2 + 1}, told(t, s.log(), "start")); diff != "" {
		t.Errorf("where the reader began (-want +got):\n%s", diff)
	}
}

// A path that was stopped begins anew when it is resumed, and also with the
// next host.
func TestStopForgets(t *testing.T) {
	t.Parallel()
	s, other, data := newLive(t), newLive(t), t.TempDir()
	both := s.String() + other.named("q")
	r := newRig(t, both, on(t, data, nil))
	end := r.begin()
	r.waitCommitted(40)
	do(t, "stop", r.Stop(soon(t), "p"))
	if p := r.path(); p.State != engine.PathStopped || p.Committed != nil || p.Kept != 0 {
		t.Errorf("after Stop the path is %s at block %v with %d checkpoints", p.State, p.Committed, p.Kept)
	}
	waitFor(t, "the other path to be live", func() bool { return r.Status()[1].State == engine.PathLive })
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(20)
	do(t, "pause", r.Pause(soon(t), "p"))
	do(t, "stop a path that is paused", r.Stop(soon(t), "p"))
	s.endedBoth(t, r, end)

	r = newRig(t, both, on(t, data, nil))
	end = r.begin()
	r.waitCommitted(20)
	s.ended(t, r, end, 1)
	if diff := cmp.Diff([]uint64{1, 1, 1}, told(t, s.log(), "start")); diff != "" {
		t.Errorf("where the reader began (-want +got):\n%s", diff)
	}
}

func (s sums) endedBoth(t *testing.T, r *rig, end func() error) {
	t.Helper()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if committed := r.path().Committed; committed != nil {
		t.Errorf("a path that was stopped is at block %d", *committed)
	}
}

// A path in error leaves the other one alone, and goes on from its last
// checkpoint as soon as it is resumed.
func TestResumeAfterAnError(t *testing.T) {
	t.Parallel()
	s, other := newLive(t), newLive(t)
	s.sum = "at = 400\n how = \"stop\""
	s.endsAt(t, 100)
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(100)
	r.waitCommittedOf("q", 1)
	s.goesOn(t)
	r.waitState(engine.PathError)
	before := r.Status()[1].Generation
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(420)
	if now := r.Status()[1].Generation; now != before {
		t.Errorf("the other path began again: its generation was %d and is %d", before, now)
	}
	s.ended(t, r, end, 1)
	other.want(t, 1, *r.Status()[1].Committed)
	if starts := told(t, s.log(), "start"); len(starts) != 2 || starts[1] == 1 {
		t.Errorf("the reader began at %v, want it to go on from a checkpoint", starts)
	}
}

// A checkpoint can be taken at any time, once.
func TestCheckpointNow(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.head = "from = 1\n epoch { size = 1000000 }"
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.Checkpoint.Every = time.Hour }))
	end := r.begin()
	waitFor(t, "block 40", func() bool { return r.block() > 40 })
	before := len(r.memory.Kept())
	if before > 1 {
		t.Errorf("%d checkpoints were taken unasked, want the first at most", before)
	}
	do(t, "checkpoint", r.Checkpoint(soon(t), "p"))
	if n := len(r.memory.Kept()); n != before+1 {
		t.Errorf("%d checkpoints are kept, want %d", n, before+1)
	}
	if at := *r.path().Committed; at < 40 {
		t.Errorf("the checkpoint is of block %d, want one after 40", at)
	}
	s.ended(t, r, end, 1)
}

// A path can be set back to a block, whether it runs or rests: it reads again
// from the newest checkpoint at or before it, and its rows are there once.
func TestRewind(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.endsAt(t, 30)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(30)
	s.reach(t, r, 60)
	do(t, "rewind a path that runs", r.Rewind(soon(t), "p", 30))
	s.reach(t, r, 80)
	s.goesOn(t)
	do(t, "pause", r.Pause(soon(t), "p"))
	do(t, "rewind a path that is paused", r.Rewind(soon(t), "p", 50))
	if p := r.path(); p.State != engine.PathPaused || p.Committed == nil || *p.Committed > 50 {
		t.Errorf("after Rewind the path is %s at block %v, want paused at 50 at most", p.State, p.Committed)
	}
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(100)
	first := r.oldest()
	if err := r.Rewind(soon(t), "p", 0); err == nil || !strings.Contains(err.Error(), "stop and resume it, which begins anew") {
		t.Errorf("Rewind to before block %d: got %v, want the way out", first, err)
	}
	s.ended(t, r, end, 1)
	starts := told(t, s.log(), "start")
	if len(starts) != 3 || starts[1] > 31 || starts[2] > 51 {
		t.Errorf("the reader began at %v, want 1, at most 31, and at most 51", starts)
	}
	if n := r.path().Forks; n != 0 {
		t.Errorf("what somebody asked for was counted as %d reorganisations", n)
	}
}

// What cannot be done is refused with its reason, and changes nothing.
func TestIllegalMoves(t *testing.T) {
	t.Parallel()
	s, other := newLive(t), newLive(t)
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	ctx := soon(t)
	refused := func(what string, err error) {
		t.Helper()
		if at := (*engine.StateError)(nil); !errors.As(err, &at) || at.Pipeline != "p" {
			t.Errorf("%s: got %v, want a StateError of p", what, err)
		}
	}
	refused("pause before Run", r.Pause(ctx, "p"))
	refused("stop before Run", r.Stop(ctx, "p"))
	refused("resume before Run", r.Resume(ctx, "p"))
	refused("checkpoint before Run", r.Checkpoint(ctx, "p"))
	refused("rewind before Run", r.Rewind(ctx, "p", 1))
	end := r.begin()
	r.waitCommitted(20)
	r.waitCommittedOf("q", 1)
	do(t, "resume a path that runs", r.Resume(ctx, "p"))
	for what, err := range map[string]error{
		"pause": r.Pause(ctx, "nobody"), "stop": r.Stop(ctx, "nobody"), "resume": r.Resume(ctx, "nobody"),
		"checkpoint": r.Checkpoint(ctx, "nobody"), "rewind": r.Rewind(ctx, "nobody", 1),
	} {
		at := (*engine.UnknownError)(nil)
		if !errors.As(err, &at) || !slices.Equal(at.Known, []string{"p", "q"}) {
			t.Errorf("%s of no pipeline: got %v, want an UnknownError with the names that there are", what, err)
		}
	}
	do(t, "pause", r.Pause(ctx, "p"))
	refused("checkpoint of a path that is paused", r.Checkpoint(ctx, "p"))
	do(t, "stop", r.Stop(ctx, "p"))
	do(t, "stop once more", r.Stop(ctx, "p"))
	refused("pause of a path that is stopped", r.Pause(ctx, "p"))
	refused("rewind of a path that is stopped", r.Rewind(ctx, "p", 1))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	other.want(t, 1, *r.Status()[1].Committed)
}
