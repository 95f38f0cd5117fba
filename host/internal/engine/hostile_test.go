package engine_test

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// wantError ends an engine whose path is in error, or will be, and checks what
// is said about it.
func (r *rig) wantError(t *testing.T, end func() error, parts ...string) {
	t.Helper()
	r.waitState(engine.PathError)
	err := end()
	if err == nil {
		t.Fatal("the path ended without an error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, which lacks %q", err, part)
		}
	}
}

// A state that is larger than a checkpoint may hold stops the path, and the
// message says how to go on; then it does.
func TestSnapshotThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	s.sum = "bulk = 1000"
	small := func(c *engine.Config) { c.Checkpoint.MaxState = 1000 }
	r := newRig(t, s.String(), on(t, data, small))
	r.wantError(t, r.begin(), "step sums", "1008 bytes", "raise max_state in the checkpoint block")

	r = newRig(t, s.String(), on(t, data, func(c *engine.Config) { c.Checkpoint.MaxState = 1008 }))
	end := r.begin()
	r.waitCommitted(30)
	s.ended(t, r, end, 1)
}

// A snapshot that a new version of a plugin cannot restore stops the path before
// a row is written, with the ways out. The old version goes on where it was.
func TestSnapshotThatDoesNotRestore(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	r := newRig(t, s.String(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(30)
	s.ended(t, r, end, 1)
	at := *r.path().Committed

	s.sum = "broken = true"
	r = newRig(t, s.String(), on(t, data, nil))
	r.wantError(t, r.begin(), "step sums", "restore", "the snapshot is of another kind", "--fresh")
	s.want(t, 1, at)

	s.sum = ""
	r = newRig(t, s.String(), on(t, data, nil))
	end = r.begin()
	r.waitCommitted(at + 20)
	s.ended(t, r, end, 1)
}

// A process whose snapshot never ends is killed when its time is up, and the
// path goes on.
func TestSnapshotThatNeverEnds(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.sum = "hangs = true"
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.Checkpoint.Timeout = hang }))
	end := r.begin()
	r.waitCommitted(30)
	if n := r.was("sums", string(engine.ProcessCrashed)); n != 1 {
		t.Errorf("the process was seen to crash %d times, want once", n)
	}
	if n := r.Status()[0].Processes[1].Restarts; n != 1 {
		t.Errorf("its plugin was started again %d times, want once", n)
	}
	s.ended(t, r, end, 1)
}

// A host that cannot keep its checkpoints any more says so and stops the path,
// wherever it is; the next one goes on from the last that was kept.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	s, data := newLive(t), t.TempDir()
	r := newRig(t, s.String(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(30)
	r.close()
	r.wantError(t, end, "record checkpoint", data)

	r = newRig(t, s.String(), on(t, data, nil))
	end = r.begin()
	r.waitCommitted(60)
	s.ended(t, r, end, 1)
	if starts := told(t, s.log(), "start"); len(starts) != 2 || starts[1] <= 30 {
		t.Errorf("the reader began at %v, want it to go on after block 30", starts)
	}
}

// What somebody wants of a path whose store fails is refused with the reason,
// not left to wait.
func TestControlWhereTheStoreFails(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.endsAt(t, 15)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(15)
	s.reach(t, r, 30)
	r.close()
	if err := r.Rewind(soon(t), "p", 20); err == nil || !strings.Contains(err.Error(), "rewind to checkpoint") {
		t.Errorf("Rewind: got %v, want that nothing can be kept", err)
	}
	r.wantError(t, end, "data directory")
}
