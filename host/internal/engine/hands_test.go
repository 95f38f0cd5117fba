package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// Many hands on one path: nobody waits for ever, and whoever asks last gets
// what they ask for.
func TestManyHands(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var hands sync.WaitGroup
	for seed := range uint64(4) {
		hands.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for ctx.Err() == nil {
				r.anything(t, random)
			}
		})
	}
	hands.Wait()
	do(t, "resume", r.Resume(soon(t), "p"))
	at := r.block()
	waitFor(t, "more blocks", func() bool { return r.block() > at+20 || r.block() < at })
	do(t, "pause", r.Pause(soon(t), "p"))
	if state := r.path().State; state != engine.PathPaused {
		t.Errorf("the path is %s after Pause", state)
	}
	s.ended(t, r, end, 1)
}

// anything asks the path for one thing or another, and for an answer in time.
func (r *rig) anything(t *testing.T, random *rand.Rand) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	what := ""
	switch random.IntN(5) {
	case 0:
		what, err = "pause", r.Pause(ctx, "p")
	case 1, 2:
		what, err = "resume", r.Resume(ctx, "p")
	case 3:
		what, err = "rewind", r.Rewind(ctx, "p", 10+random.Uint64N(20))
	case 4:
		what, err = "checkpoint", r.Checkpoint(ctx, "p")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v", what, err)
	}
}

// Whoever asks for a checkpoint of a path that breaks again and again gets an
// answer.
func TestCheckpointOfAPathThatBreaks(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) {
		c.Restart.Max = 1000
		c.Checkpoint.Every = time.Hour
	}))
	end := r.begin()
	r.waitCommitted(10)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var hands sync.WaitGroup
	hands.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if pid := r.path().Processes[i%3].PID; pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(t.Context(), patience)
		if err := r.Checkpoint(asking, "p"); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody answered for %s: %v", patience, err)
		}
		cancel()
	}
	hands.Wait()
	waitFor(t, "a checkpoint", func() bool { return r.Checkpoint(soon(t), "p") == nil })
	s.ended(t, r, end, 1)
}
