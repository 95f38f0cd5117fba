package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/remote"
)

// asSlow allows for a machine that holds anybody up at any moment.
const asSlow = 1e6

// brief is a probation that is over as soon as something has happened.
var brief = engine.Probation{For: time.Millisecond, Batches: 1, MaxSlower: asSlow}

// endless is one that only a failure ends.
var endless = engine.Probation{For: time.Hour, MaxSlower: asSlow}

// replace are the replacements of steps of the first pipeline.
func (v version) replace(steps ...string) []engine.Replacement {
	var out []engine.Replacement
	for _, p := range v.Processes {
		if slices.Contains(steps, p.Step.Name) {
			out = append(out, engine.Replacement{
				Spec: p, Launch: func(ctx context.Context) (*remote.Plugin, error) { return v.launch(ctx, p) },
			})
		}
	}
	return out
}

// swap puts a version in the place of steps.
func (r *rig) swap(v version, probation engine.Probation, steps ...string) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	return r.Swap(ctx, engine.Swap{Number: 7, Plugin: "test", Replacements: v.replace(steps...), Probation: probation, Timeout: patience})
}

// hold keeps a swap at the beginning of its probation, however short that is, from
// when held is closed until letGo is called.
func hold(s *engine.Swap) (held <-chan struct{}, letGo func()) {
	reached, on, tell := make(chan struct{}), make(chan struct{}), s.Tell
	s.Tell = func(phase engine.Phase, cause string) {
		if tell != nil {
			tell(phase, cause)
		}
		if phase == engine.SwapProbation {
			close(reached)
			<-on
		}
	}
	return reached, sync.OnceFunc(func() { close(on) })
}

// beginHeld is beginSwap where the swap is held in its probation, which it has to
// come to.
func (r *rig) beginHeld(s engine.Swap) (letGo func(), end func() error) {
	r.t.Helper()
	held, letGo := hold(&s)
	r.t.Cleanup(letGo)
	end = r.beginSwap(s)
	select {
	case <-held:
	case <-time.After(patience):
		r.t.Fatalf("waited in vain for the probation: %+v", r.path().Swap)
	}
	return letGo, end
}

// begun is a swap that goes on beside the test until its end is waited for.
func (r *rig) beginSwap(s engine.Swap) (end func() error) {
	done := make(chan error, 1)
	if s.Timeout == 0 {
		s.Timeout = patience
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	go func() { done <- r.Swap(ctx, s) }()
	return func() error {
		defer cancel()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			r.t.Fatalf("the swap did not come to an end: %+v", r.path().Swap)
			return nil
		}
	}
}

// process is one of the first path.
func (r *rig) process(step string) engine.ProcessStatus {
	for _, p := range r.path().Processes {
		if p.Step == step {
			return p
		}
	}
	r.t.Fatalf("there is no step %s", step)
	return engine.ProcessStatus{}
}

// phases are those that events have told of.
func (r *rig) phases() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, ev := range r.events {
		if ev.Kind == engine.EventSwap {
			out = append(out, ev.To)
		}
	}
	return out
}

// grows waits until the path has come further.
func (r *rig) grows() {
	r.t.Helper()
	at := r.block()
	waitFor(r.t, "more blocks", func() bool { return r.block() > at+20 })
}

// phase waits until the swap has come to a phase.
func (r *rig) waitPhase(phase engine.Phase) {
	r.t.Helper()
	waitFor(r.t, "the swap to be "+string(phase), func() bool {
		s := r.path().Swap
		return s != nil && s.Phase == phase
	})
}

// refused checks that a swap was refused for a reason.
func refused(t *testing.T, err error, why string) {
	t.Helper()
	failed := (*engine.SwapError)(nil)
	if !errors.As(err, &failed) || failed.RolledBack || !strings.Contains(err.Error(), why) {
		t.Fatalf("got %v, want that it is refused because %q", err, why)
	}
}

// rolledBack checks that a swap was taken back for a reason.
func rolledBack(t *testing.T, err error, why string) {
	t.Helper()
	failed := (*engine.SwapError)(nil)
	if !errors.As(err, &failed) || !failed.RolledBack || !strings.Contains(err.Error(), why) {
		t.Fatalf("got %v, want that it is taken back because %q", err, why)
	}
}

// Whatever step is replaced, the rows are those of a run in which none was: the
// state is handed over, and nothing is lost or comes twice.
func TestSwap(t *testing.T) {
	for _, step := range []string{"blocks", "sums", "out"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitCommitted(20)
			generation := r.path().Generation
			for range 3 {
				before := r.process(step).PID
				if err := r.swap(r.version(s.String(), "next"), brief, step); err != nil {
					t.Fatal(err)
				}
				now := r.process(step).PID
				if now == before || now == 0 {
					t.Errorf("process %d runs where %d did", now, before)
				}
				if syscall.Kill(before, 0) == nil {
					t.Errorf("process %d is still there after the swap", before)
				}
				if s := r.path().Swap; s == nil || s.Phase != engine.SwapCommitted || s.Pause <= 0 || !slices.Equal(s.Steps, []string{step}) {
					t.Errorf("the status is %+v", s)
				}
				r.grows()
			}
			if now := r.path().Generation; now != generation {
				t.Errorf("it began again %d times", now-generation)
			}
			want := slices.Repeat([]string{"warm", "cut", "probation", "committed"}, 3)
			if diff := cmp.Diff(want, r.phases()); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
			s.ended(t, r, end, 1)
		})
	}
}

// What a swapped step is set to is what it goes on with, also when it has to be
// started again.
func TestSwapOfSettings(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	s.sum = "bulk = 10"
	bulky := r.version(s.String(), "")
	refusedFor := r.swap(bulky, brief, "sums") // its state begins elsewhere
	refused(t, refusedFor, "would not open")
	s.sum = fmt.Sprintf("times = %q", s.out()+".times")
	if err := r.swap(r.version(s.String(), ""), brief, "sums"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.process("sums").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its death to be noticed", func() bool { return r.was("sums", string(engine.ProcessCrashed)) == 1 })
	r.grows()
	if n := len(read(t, s.out()+".times")); n != 3 {
		t.Errorf("it was opened %d times with its new settings, want 3: to rehearse, at the cut, and after its death", n)
	}
	s.ended(t, r, end, 1)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
