package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// away is a pipeline whose loader waits for something, and says so, until back is
// called.
func away(t *testing.T) (s sums, back func()) {
	t.Helper()
	s = newSums(t)
	path := filepath.Join(s.dir, "away")
	do(t, "take the file away", os.WriteFile(path, nil, 0o600))
	s.loader = fmt.Sprintf("away = %q", path)
	return s, func() { do(t, "put it back", os.Remove(path)) }
}

// impatient is an engine that soon takes for hung what does not say that it waits.
func impatient(c *engine.Config) {
	quick(c)
	c.Checkpoint.Timeout = hang
}

// waiting waits until the loader has said that it waits, and returns what the
// status says of it.
func (r *rig) waiting() engine.ProcessStatus {
	r.t.Helper()
	waitFor(r.t, "the loader to say that it waits", func() bool { return r.process("out").Waiting != nil })
	return r.process("out")
}

// A step that says what it waits for is left alone for longer than the time of a
// hang, and so is its checkpoint. The status says so, and events do.
func TestWaiting(t *testing.T) {
	long(t)
	t.Parallel()
	s, back := away(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), impatient))
	end := r.begin()
	first := r.waiting().Waiting
	if first.For != "its file to come back" {
		t.Errorf("it waits for %q", first.For)
	}
	waitFor(t, "more than the time of a hang", func() bool { return time.Since(first.Since) > 2*hang })
	if now := r.process("out"); now.State != engine.ProcessLive || now.Waiting == nil || !now.Waiting.Since.Equal(first.Since) {
		t.Errorf("the step is %s and waits for %+v, and it has waited since %s", now.State, now.Waiting, first.Since)
	}
	if c := r.path().Pending; c == nil || c.Number != 1 {
		t.Errorf("the checkpoint that is under way is %+v, want the first", c)
	}
	back()
	r.waitState(engine.PathStopped)
	do(t, "end", end())
	for _, step := range []string{"blocks", "sums", "out"} {
		r.wantCauses(step)
	}
	if said, over := r.was("out", "waiting"), r.was("out", string(engine.ProcessLive)); said == 0 || over != said+1 {
		t.Errorf("events tell %d times that it waits and %d times that it is live", said, over)
	}
	s.want(t, 1, 300)
}

// A step that waits can hang, die, or wait for too long all the same. What it was
// given comes again.
func TestWaitingEnds(t *testing.T) {
	long(t)
	t.Parallel()
	for name, c := range map[string]struct {
		tune  func(*engine.Config)
		harm  syscall.Signal
		cause string
	}{
		"too long": {tune: func(c *engine.Config) { c.WaitAtMost = time.Second }, cause: "for its file to come back; raise wait_at_most"},
		"hangs":    {harm: syscall.SIGSTOP, cause: "it hangs: it waits for its file to come back, and has not said so again"},
		"dies":     {harm: syscall.SIGKILL, cause: "killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, back := away(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), func(cfg *engine.Config) {
				impatient(cfg)
				if c.tune != nil {
					c.tune(cfg)
				}
			}))
			end := r.begin()
			pid := r.waiting().PID
			if c.harm != 0 {
				do(t, "harm it", syscall.Kill(pid, c.harm))
			}
			waitFor(t, "another process", func() bool { now := r.process("out").PID; return now != 0 && now != pid })
			back()
			r.waitState(engine.PathStopped)
			do(t, "end", end())
			if causes := r.causes("out"); len(causes) == 0 {
				t.Error("the step did not crash")
			}
			r.wantFirstCause("out", c.cause)
			s.want(t, 1, 300)
		})
	}
}

// A path that is to stop does not wait for longer than for one that hangs, and
// goes on with its next start.
func TestWaitingIsNoReasonToStay(t *testing.T) {
	long(t)
	t.Parallel()
	s, back := away(t)
	data := t.TempDir()
	r := newRig(t, s.String(), on(t, data, impatient))
	end := r.begin()
	r.waiting()
	_ = end() // with an error or without: the loader could not commit
	r.wantFirstCause("out", "and the path is to stop")
	back()
	r = newRig(t, s.String(), on(t, data, impatient))
	do(t, "run it again", r.run(t.Context()))
	s.want(t, 1, 300)
}

// wantFirstCause checks what a step crashed of first.
func (r *rig) wantFirstCause(step, cause string) {
	r.t.Helper()
	causes := r.causes(step)
	if len(causes) == 0 || !strings.Contains(causes[0], cause) {
		r.t.Errorf("step %s crashed of %q, want first %q", step, causes, cause)
	}
}
