package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// A pipeline whose new process does not open is put back as it was and goes on;
// what else was changed at the same time stays.
func TestApplyPutsBack(t *testing.T) {
	long(t)
	t.Parallel()
	s, other := newCalm(t), newCalm(t)
	other.endsAt(t, 200)
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(40)
	r.waitCommittedOf("q", 20)
	bad, better := s, other
	bad.head, bad.sum = "from = 1\n to = 100000", "broken = true"
	better.head = "from = 1\n to = 400"
	failed, err := r.try(r.reconfiguration(bad.String()+better.named("q"),
		engine.Change{Pipeline: "p", How: engine.Rebuild}, engine.Change{Pipeline: "q", How: engine.Rebuild}))
	if err != nil || len(failed) != 1 || failed["p"] == nil || !strings.Contains(failed["p"].Error(), "the snapshot is of another kind") ||
		!strings.Contains(failed["p"].Error(), "put back as it was, and goes on from its checkpoint") {
		t.Fatalf("Apply: %v, %v", failed, err)
	}
	at := *r.path().Committed
	r.waitCommitted(at + 40)
	other.goesOn(t)
	waitFor(t, "the other pipeline to come to its end", func() bool { return r.pathOf("q").State == engine.PathStopped })
	s.ended(t, r, end, 1)
	other.want(t, 1, 400)
}

// A pipeline that opens and then breaks at once is put back too.
func TestApplyPutsBackWhatBreaksAtOnce(t *testing.T) {
	long(t)
	t.Parallel()
	s := newCalm(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(40)
	bad := s
	bad.sum = "how = \"outage\""
	reconfiguration := r.reconfiguration(bad.String(), engine.Change{Pipeline: "p", How: engine.Rebuild})
	reconfiguration.Settle = time.Minute // which ends when it breaks
	failed, err := r.try(reconfiguration)
	if err != nil || failed["p"] == nil || !strings.Contains(failed["p"].Error(), "the fault that was asked for") {
		t.Fatalf("Apply: %v, %v", failed, err)
	}
	r.waitCommitted(*r.path().Committed + 40)
	s.ended(t, r, end, 1)
}

// A new pipeline that does not begin is taken out again, and may be tried once
// more.
func TestApplyTakesOutWhatDoesNotBegin(t *testing.T) {
	long(t)
	t.Parallel()
	s, other := newCalm(t), newCalm(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	good := other.dir
	other.dir = filepath.Join(other.dir, "missing")
	add := engine.Change{Pipeline: "q", How: engine.Add}
	failed, err := r.try(r.reconfiguration(s.String()+other.named("q"), add))
	if err != nil || failed["q"] == nil || !strings.Contains(failed["q"].Error(), "taken out again") {
		t.Fatalf("Apply: %v, %v", failed, err)
	}
	if n := len(r.Status()); n != 1 {
		t.Errorf("%d paths run, want one", n)
	}
	other.dir = good
	r.apply(s.String()+other.named("q"), add)
	r.waitCommittedOf("q", 20)
	s.ended(t, r, end, 1)
	other.want(t, 1, *r.pathOf("q").Committed)
}

// A host that is asked to stop in the middle ends, with everything at a
// checkpoint, and the next one goes on with what it is given.
func TestApplyWhileTheHostStops(t *testing.T) {
	t.Parallel()
	for _, when := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			s, data := newCalm(t), t.TempDir()
			r := newRig(t, s.String(), on(t, data, nil))
			end := r.begin()
			r.waitCommitted(40)
			longer := s
			longer.head = "from = 1\n to = 100000"
			reconfiguration := r.reconfiguration(longer.String(), engine.Change{Pipeline: "p", How: engine.Rebuild})
			var applied sync.WaitGroup
			var failed map[string]error
			var err error
			applied.Go(func() { failed, err = r.try(reconfiguration) })
			select {
			case <-time.After(when): // the moment that the test is about
			case <-t.Context().Done():
			}
			if ended := end(); ended != nil {
				t.Error(ended)
			}
			applied.Wait()
			for _, why := range []error{failed["p"], err} {
				if why != nil && !strings.Contains(why.Error(), "ending") {
					t.Errorf("Apply: %v", why)
				}
			}
			r = newRig(t, longer.String(), on(t, data, nil))
			end = r.begin()
			r.waitCommitted(*r.path().Committed + 40)
			s.ended(t, r, end, 1)
		})
	}
}

// The last pipeline stays where what was to run instead cannot.
func TestApplyLeavesSomethingThatRuns(t *testing.T) {
	long(t)
	t.Parallel()
	s, other := newCalm(t), newCalm(t)
	other.dir = filepath.Join(other.dir, "missing")
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	failed, err := r.try(r.reconfiguration(other.named("q"),
		engine.Change{Pipeline: "q", How: engine.Add}, engine.Change{Pipeline: "p", How: engine.Remove}))
	if err != nil || failed["q"] == nil || failed["p"] == nil || !strings.Contains(failed["p"].Error(), "pipeline p stays") {
		t.Fatalf("Apply: %v, %v", failed, err)
	}
	r.waitCommitted(*r.path().Committed + 20)
	s.ended(t, r, end, 1)
}

// Who acts on a pipeline while it changes acts on what it has become, and an
// engine that has ended takes nothing over.
func TestApplyInLine(t *testing.T) {
	t.Parallel()
	s := newCalm(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	var beside sync.WaitGroup
	stop := make(chan struct{})
	enough := sync.OnceFunc(func() {
		close(stop)
		beside.Wait()
	})
	defer enough()
	beside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			state := (*engine.StateError)(nil)
			if err := r.Checkpoint(soon(t), "p"); err != nil && !errors.As(err, &state) && !strings.Contains(err.Error(), "ending") && !strings.Contains(err.Error(), "just broken") {
				t.Errorf("checkpoint: %v", err)
				return
			}
			_ = r.Status()
		}
	})
	for i := range 4 {
		s.head = fmt.Sprintf("from = 1\n to = %d", 100_000+i)
		r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Rebuild})
		do(t, "pause", r.Pause(soon(t), "p"))
		if state := r.path().State; state != engine.PathPaused {
			t.Errorf("after Pause the path is %s", state)
		}
		do(t, "resume", r.Resume(soon(t), "p"))
	}
	enough()
	r.waitCommitted(*r.path().Committed + 20)
	s.ended(t, r, end, 1)
	if _, err := r.Apply(context.Background(), r.reconfiguration(s.String())); err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("Apply after the end: %v", err)
	}
	if _, err := os.Stat(s.out()); err != nil {
		t.Error(err)
	}
}
