package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// newCalm is newLive with so few rows that a machine which does much else keeps up.
func newCalm(t *testing.T) sums {
	t.Helper()
	s := newLive(t)
	s.reader = "head = 10\n pause = \"10ms\""
	return s
}

// reconfiguration is what changes into a pipeline file bring about.
func (r *rig) reconfiguration(source string, changes ...engine.Change) engine.Reconfiguration {
	r.t.Helper()
	v := r.version(source, "")
	for _, p := range v.Processes { // as the host does it
		for _, old := range r.Processes() {
			if old.Name() == p.Name() {
				p.ID = old.ID
			}
		}
	}
	return engine.Reconfiguration{Graph: v.Graph, Launch: v.launch, Changes: changes, Settle: 50 * time.Millisecond}
}

// try gives an engine its time once it is known what is to change.
func (r *rig) try(c engine.Reconfiguration) (failed map[string]error, err error) {
	return r.Apply(soon(r.t), c)
}

// apply has the engine run another file, which has to succeed.
func (r *rig) apply(source string, changes ...engine.Change) {
	r.t.Helper()
	failed, err := r.try(r.reconfiguration(source, changes...))
	if err != nil || len(failed) > 0 {
		r.t.Fatalf("Apply: %v, %v", failed, err)
	}
}

// pathOf is the first path of a pipeline.
func (r *rig) pathOf(pipeline string) engine.PathStatus {
	r.t.Helper()
	for _, p := range r.Status() {
		if p.Pipeline == pipeline {
			return p
		}
	}
	r.t.Fatalf("pipeline %s does not run", pipeline)
	return engine.PathStatus{}
}

func (r *rig) waitCommittedOf(pipeline string, block uint64) {
	r.t.Helper()
	waitFor(r.t, fmt.Sprintf("a checkpoint of block %d of %s", block, pipeline), func() bool {
		s := r.pathOf(pipeline)
		return s.Committed != nil && *s.Committed >= block
	})
}

// untouched is what must stay the same of a path that nobody has changed.
type untouched struct {
	Generation uint64
	IDs        []string
	PIDs       []int
	Restarts   []uint64
}

func (r *rig) picture(pipeline string) untouched {
	r.t.Helper()
	p := r.pathOf(pipeline)
	out := untouched{Generation: p.Generation}
	for _, s := range p.Processes {
		out.IDs, out.PIDs, out.Restarts = append(out.IDs, s.ID.String()), append(out.PIDs, s.PID), append(out.Restarts, s.Restarts)
	}
	return out
}

// Pipelines come and go while another one runs, which notices nothing: its
// processes, its generation and its counters are those that it had, and rows go
// on.
func TestApplyAddsAndRemoves(t *testing.T) {
	t.Parallel()
	p, q, n := newCalm(t), newCalm(t), newCalm(t)
	r := newRig(t, p.String()+q.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	r.waitCommittedOf("q", 20)
	before, rows := r.picture("p"), r.pathOf("p").Processes[0].RowsOut
	r.apply(n.named("new")+p.String(), engine.Change{Pipeline: "new", How: engine.Add}, engine.Change{Pipeline: "q", How: engine.Remove})
	var names []string
	for _, s := range r.Status() {
		names = append(names, s.Pipeline)
	}
	if diff := cmp.Diff([]string{"new", "p"}, names); diff != "" {
		t.Errorf("what runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, r.picture("p")); diff != "" {
		t.Errorf("a pipeline that was not changed (-before +after):\n%s", diff)
	}
	if now := r.pathOf("p").Processes[0].RowsOut; now < rows {
		t.Errorf("its reader has given %d rows, and had given %d", now, rows)
	}
	if unknown := (*engine.UnknownError)(nil); !errors.As(r.Pause(soon(t), "q"), &unknown) {
		t.Errorf("a pipeline that is gone can still be paused")
	}
	r.waitCommittedOf("new", 20)
	at := *r.pathOf("p").Committed
	r.waitCommittedOf("p", at+20)
	do(t, "pause", r.Pause(soon(t), "new"))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	p.want(t, 1, *r.pathOf("p").Committed)
	n.want(t, 1, *r.pathOf("new").Committed)
	if got := lines(t, q.out()); len(got) == 0 || len(got)%3 != 0 {
		t.Errorf("the pipeline that is gone has %d rows, want all of its last block", len(got))
	}
	q.want(t, 1, uint64(len(lines(t, q.out()))/3))
}

// A pipeline that is gone goes on from its checkpoint when it is there again.
func TestApplyRemembersWhatIsGone(t *testing.T) {
	long(t)
	t.Parallel()
	p, q := newCalm(t), newCalm(t)
	both := p.String() + q.named("q")
	r := newRig(t, both, on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommittedOf("q", 20)
	r.apply(p.String(), engine.Change{Pipeline: "q", How: engine.Remove})
	r.apply(both, engine.Change{Pipeline: "q", How: engine.Add})
	r.waitCommittedOf("q", 60)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	q.want(t, 1, *r.pathOf("q").Committed)
	if starts := told(t, q.log(), "start"); len(starts) != 2 || starts[1] == 1 {
		t.Errorf("the reader began at %v, want it to go on", starts)
	}
}

// A pipeline with another shape ends at a checkpoint and goes on from there; its
// processes keep their IDs, and no row is missing or there twice.
func TestApplyRestarts(t *testing.T) {
	long(t)
	t.Parallel()
	s, other := newCalm(t), newCalm(t)
	s.endsAt(t, 200)
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(40)
	r.waitCommittedOf("q", 1)
	before, others := r.picture("p"), r.picture("q")
	s.head = "from = 1\n to = 300"
	r.apply(s.String()+other.named("q"), engine.Change{Pipeline: "p", How: engine.Rebuild})
	s.goesOn(t)
	r.waitState(engine.PathStopped) // it has an end now
	after := r.picture("p")
	if diff := cmp.Diff(before.IDs, after.IDs); diff != "" {
		t.Errorf("IDs (-before +after):\n%s", diff)
	}
	if after.Generation <= before.Generation {
		t.Errorf("the generation was %d and is %d", before.Generation, after.Generation)
	}
	if diff := cmp.Diff(others, r.picture("q")); diff != "" {
		t.Errorf("a pipeline that was not changed (-before +after):\n%s", diff)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
	if starts := told(t, s.log(), "start"); len(starts) != 2 || starts[1] < 40 {
		t.Errorf("the reader began at %v, want the second time after block 40", starts)
	}
	if r.was("", string(engine.PathPaused)) != 1 {
		t.Errorf("the path has not ended at a checkpoint: %v", r.events)
	}
}

// What can be changed while everything runs is, at once, and nothing else
// happens.
func TestApplyLive(t *testing.T) {
	t.Parallel()
	s := newCalm(t)
	s.head = "from = 1\n epoch { size = 1000000 }\n checkpoint { every = \"1h\" }"
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	waitFor(t, "block 40", func() bool { return r.block() > 40 })
	before, kept := r.picture("p"), len(r.memory.Kept())
	s.head = "from = 1\n epoch { size = 1000000 }\n checkpoint { every = \"5ms\" }"
	r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Retune})
	do(t, "checkpoint", r.Checkpoint(soon(t), "p"))
	if diff := cmp.Diff(before, r.picture("p")); diff != "" {
		t.Errorf("the pipeline (-before +after):\n%s", diff)
	}
	s.head = "from = 1\n epoch { size = 1000000 }\n checkpoint { max_state = \"1B\" }"
	r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Retune})
	if err := r.Checkpoint(soon(t), "p"); err == nil || !strings.Contains(err.Error(), "raise max_state") {
		t.Errorf("a checkpoint that is too large now, after %d: %v", kept, err)
	}
	r.waitState(engine.PathError)
	_ = end() // it tells of the path in error
}

// The time between checkpoints of history is another one at once, even where the
// next was to come in an hour.
func TestApplyLiveCheckpoints(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.reader = "head = 1000\n until = 60" // it stays in history
	s.head = "from = 1\n checkpoint { every = \"1h\" }"
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	waitFor(t, "block 60", func() bool { return r.block() >= 60 })
	if r.path().Committed != nil {
		t.Fatal("a checkpoint was taken that was not due")
	}
	s.head = "from = 1\n checkpoint { every = \"10ms\" }"
	r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Retune})
	r.waitCommitted(60)
	s.ended(t, r, end, 1)
}

// A setting changes in place: one process is another one, those beside it are
// not, and rows go on without a break.
func TestApplySwaps(t *testing.T) {
	long(t)
	t.Parallel()
	s := newCalm(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.AcceptChanges = false }))
	end := r.begin()
	r.waitCommitted(40)
	before := r.picture("p")
	s.loader = "slow = \"1ms\""
	r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Replace, Steps: []string{"out"}})
	after := r.picture("p")
	if after.Generation != before.Generation || after.PIDs[0] != before.PIDs[0] || after.PIDs[1] != before.PIDs[1] || after.PIDs[2] == before.PIDs[2] {
		t.Errorf("only the loader is to be another process: before %+v, after %+v", before, after)
	}
	if diff := cmp.Diff(before.IDs, after.IDs); diff != "" {
		t.Errorf("IDs (-before +after):\n%s", diff)
	}
	s.sum = "how = \"poison\"\n at = 1"
	r.apply(s.String(), engine.Change{Pipeline: "p", How: engine.Replace, Steps: []string{"sums"}})
	r.waitCommitted(*r.path().Committed + 20)
	s.ended(t, r, end, 1)
	// The checkpoints go with what was changed: nobody has to accept anything.
	r = newRig(t, s.String(), on(t, r.store.Dir(), func(c *engine.Config) { c.AcceptChanges = false }))
	end = r.begin()
	r.waitCommitted(*r.path().Committed + 20)
	s.ended(t, r, end, 1)
}

// What does not go with the checkpoints of a pipeline is refused before anything
// happens to it, unless somebody says how it is to go on.
func TestApplyChecksTheCheckpoints(t *testing.T) {
	long(t)
	t.Parallel()
	s := newCalm(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.AcceptChanges = false }))
	end := r.begin()
	r.waitCommitted(40)
	before := r.picture("p")
	rebuild := engine.Change{Pipeline: "p", How: engine.Rebuild}
	s.head = "from = 2"
	failed, err := r.try(r.reconfiguration(s.String(), rebuild))
	changed := (*engine.ChangedError)(nil)
	if err != nil || !errors.As(failed["p"], &changed) || changed.Fresh || !strings.Contains(changed.Error(), "from is not what it was") {
		t.Fatalf("another beginning: %v, %v", failed, err)
	}
	told := (*engine.ChangedError)(nil)
	if got := r.Fits(r.version(s.String(), "").Graph, "p"); len(got) != 1 || !errors.As(got[0], &told) {
		t.Errorf("Fits: got %v, want what has changed", got)
	} else if diff := cmp.Diff(changed.Changes, told.Changes); diff != "" {
		t.Errorf("Fits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, r.picture("p")); diff != "" {
		t.Errorf("a change that is refused (-before +after):\n%s", diff)
	}
	rebuild.AcceptChanges = true
	r.apply(s.String(), rebuild)
	r.waitCommitted(*r.path().Committed + 20)

	more := s.twoLoaders()
	failed, err = r.try(r.reconfiguration(more, rebuild))
	if err != nil || !errors.As(failed["p"], &changed) || !changed.Fresh {
		t.Fatalf("a new loader: %v, %v", failed, err)
	}
	final := s
	final.loader = "after = \"final\""
	failed, err = r.try(r.reconfiguration(final.String(), rebuild))
	if err != nil || !errors.As(failed["p"], &changed) || !changed.Fresh || !strings.Contains(changed.Error(), "step out: after is not what it was") {
		t.Fatalf("a loader of final rows: %v, %v", failed, err)
	}
	renamed := strings.NewReplacer(`"blocks"`, `"other"`, "input = blocks", "input = other").Replace(s.String())
	failed, err = r.try(r.reconfiguration(renamed, rebuild))
	if err != nil || !errors.As(failed["p"], &changed) || !changed.Fresh || !strings.Contains(changed.Error(), "step sums belongs to what begins with other now") {
		t.Fatalf("another first step: %v, %v", failed, err)
	}
	rebuild.Fresh = true
	r.apply(more, rebuild)
	r.waitCommitted(20)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 2, *r.path().Committed, 3)))
	wantAll(t, lines(t, s.live()), summed(rowsOf(t, s.dir, 2, *r.path().Committed, 3)))
}

// A pipeline that is paused stays so and is what it is to be when it is resumed;
// one in error begins again.
func TestApplyWhereNothingRuns(t *testing.T) {
	long(t)
	t.Parallel()
	s, broken, other := newCalm(t), newCalm(t), newCalm(t)
	broken.sum = "at = 60\n how = \"stop\""
	file := func() string { return s.String() + broken.named("broken") + other.named("q") }
	r := newRig(t, file(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(40)
	do(t, "pause", r.Pause(soon(t), "p"))
	waitFor(t, "the error", func() bool { return r.pathOf("broken").State == engine.PathError })
	s.loader, broken.sum = "slow = \"1ms\"", ""
	r.apply(file(), engine.Change{Pipeline: "p", How: engine.Replace, Steps: []string{"out"}},
		engine.Change{Pipeline: "broken", How: engine.Replace, Steps: []string{"sums"}})
	if state := r.path().State; state != engine.PathPaused {
		t.Errorf("the pipeline that was paused is %s", state)
	}
	r.waitCommittedOf("broken", 80)
	do(t, "resume", r.Resume(soon(t), "p"))
	r.waitCommitted(80)
	do(t, "pause", r.Pause(soon(t), "p"))
	r.apply(s.String()+other.named("q"), engine.Change{Pipeline: "broken", How: engine.Remove})
	s.ended(t, r, end, 1)
	broken.want(t, 1, uint64(len(lines(t, broken.out()))/3))
}
