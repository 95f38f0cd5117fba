package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/remote"
)

// An aggregator goes on with the tuples that it holds back.
func TestSwapOfAnAggregator(t *testing.T) {
	long(t)
	t.Parallel()
	j := joined{dir: t.TempDir()}
	s := sums{dir: j.dir}
	const part = 7 * 14 // its slow reader can only stop at every seventh block
	s.endsAt(t, part)
	r := newRig(t, j.String(), often)
	v := r.version(j.String(), "next")
	end := r.begin()
	waitFor(t, "a checkpoint", func() bool { return r.path().Checkpoint != nil })
	for i := range uint64(3) {
		s.endsAt(t, part*(i+2)) // rows flow, and do not come to their end
		before := r.process("merge").PID
		if err := r.swap(v, brief, "merge"); err != nil {
			t.Fatal(err)
		}
		if now := r.process("merge").PID; now == before || now == 0 {
			t.Errorf("process %d runs where %d did", now, before)
		}
	}
	s.goesOn(t)
	r.waitState(engine.PathStopped)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	j.want(t)
}

// Of a register that only one process at a time can have open the old one ends
// first, and is opened again where the new one does not want to.
func TestSwapOfWhatIsAlone(t *testing.T) {
	long(t)
	t.Parallel()
	s := newLive(t)
	s.sum = fmt.Sprintf("port = %q", filepath.Join(s.dir, "port"))
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	refused(t, r.swap(r.version(s.String(), "next"), brief, "sums"), "somebody else has it") // it does not say that it is alone
	r.unharmed(before)
	refused(t, r.swap(r.version(s.sumsWith("starts = \"fails\""), "alone"), brief, "sums"), "it does not want to")
	r.unharmed(before)
	for range 2 {
		if err := r.swap(r.version(s.String(), "alone"), brief, "sums"); err != nil {
			t.Fatal(err)
		}
		r.grows()
	}
	if now := r.path().Generation; now != before.Generation {
		t.Error("the path began again")
	}
	v := r.version(s.String(), "alone")
	v.Processes[1].Step.Settings = fmt.Appendf(nil, `{"port":%q,"how":"death","at":%d}`, filepath.Join(s.dir, "port"), r.block()+100)
	rolledBack(t, r.swap(v, endless, "sums"), "was killed by signal 9")
	r.grows()
	if !slices.ContainsFunc(r.told(engine.SwapCut), func(ev engine.Event) bool {
		return strings.HasSuffix(ev.Cause, "in which the old one had to end first")
	}) {
		t.Error("nobody said that the pause was a longer one")
	}
	s.ended(t, r, end, 1)
}

// told are the events of a phase.
func (r *rig) told(phase engine.Phase) []engine.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.events), func(ev engine.Event) bool { return ev.To != string(phase) })
}

// All processes that a plugin has in a path are swapped at one checkpoint, or none.
func TestSwapOfSeveralAtOnce(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	half := s.sumsWith("starts = \"fails at the cut\"\n times = %q", filepath.Join(s.dir, "times"))
	refused(t, r.swap(r.version(half, "next"), brief, "blocks", "sums", "out"), "it does not want to any more")
	r.unharmed(before)
	if err := r.swap(r.version(s.String(), "next"), brief, "blocks", "sums", "out"); err != nil {
		t.Fatal(err)
	}
	r.grows()
	now := r.path()
	for i, p := range now.Processes {
		if p.PID == before.Processes[i].PID {
			t.Errorf("step %s was not swapped", p.Step)
		}
	}
	if now.Generation != before.Generation {
		t.Error("the path began again")
	}
	s.ended(t, r, end, 1)
}

// A swap over two pipelines is made in both or in none.
func TestSwapInTwoPipelines(t *testing.T) {
	long(t)
	t.Parallel()
	s, other := newLive(t), newLive(t)
	r := newRig(t, s.String()+other.named("q"), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	waitFor(t, "the other one", func() bool { c := r.Status()[1].Committed; return c != nil && *c > 20 })
	pids := func() (out []int) {
		for _, path := range r.Status() {
			out = append(out, path.Processes[1].PID)
		}
		return out
	}
	before := pids()
	bad := other
	bad.sum = fmt.Sprintf("starts = \"fails at the cut\"\n times = %q", filepath.Join(s.dir, "times"))
	err := r.swap(r.version(s.String()+bad.named("q"), "next"), brief, "sums")
	rolledBack(t, err, "it does not want to any more")
	if now := pids(); !slices.Equal(now, before) {
		t.Errorf("processes %v run, want %v", now, before)
	}
	bad.sum = "how = \"death\"\n at = 100"
	rolledBack(t, r.swap(r.version(s.String()+bad.named("q"), "next"), endless, "sums"), "was killed by signal 9")
	if now := pids(); !slices.Equal(now, before) {
		t.Errorf("processes %v run, want %v", now, before)
	}
	if err := r.swap(r.version(s.String()+other.named("q"), "next"), brief, "sums"); err != nil {
		t.Fatal(err)
	}
	r.grows()
	s.ended(t, r, end, 1)
	other.want(t, 1, *r.Status()[1].Committed)
}

// What gives one column more is swapped with a new generation, because whoever
// reads it has to know.
func TestSwapOfWhatGivesMore(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	before := r.path()
	if err := r.swap(r.version(s.String(), "wide"), brief, "sums"); err != nil {
		t.Fatal(err)
	}
	r.grows()
	now := r.path()
	if now.Generation != before.Generation+1 || now.Processes[1].PID == before.Processes[1].PID {
		t.Errorf("generation %d became %d, and process %d became %d", before.Generation, now.Generation, before.Processes[1].PID, now.Processes[1].PID)
	}
	if now.Swap.Pause <= 0 {
		t.Error("nobody knows how long the pause was")
	}
	for _, p := range r.Processes() {
		if p.Step.Name == "sums" && len(p.Register.Output.Columns()) != 3 {
			t.Errorf("what runs is said to give %s", p.Register.Output)
		}
	}
	v := r.version(s.String(), "next")
	v.Processes[1].Step.Settings = fmt.Appendf(nil, `{"how":"death","at":%d}`, r.block()+100)
	rolledBack(t, r.swap(v, endless, "sums"), "was killed by signal 9")
	r.grows()
	s.ended(t, r, end, 1)
}

// A loader of final rows is swapped, and what waits for it does not come to
// another one twice, or to none.
func TestSwapOfALoaderOfFinalRows(t *testing.T) {
	long(t)
	t.Parallel()
	s := newFinal(t)
	r := newRig(t, s.twoLoaders(), on(t, t.TempDir(), nil))
	end := r.begin()
	waitFor(t, "final rows", func() bool { return lastBlock(t, s.out()) > 20 })
	for _, probation := range []engine.Probation{brief, {For: 300 * time.Millisecond, Batches: 1, MaxSlower: asSlow}} {
		if err := r.swap(r.version(s.twoLoaders(), "next"), probation, "out"); err != nil {
			t.Fatal(err)
		}
		at := r.block()
		waitFor(t, "final rows", func() bool { return lastBlock(t, s.out()) > at })
	}
	swapped := r.beginSwap(engine.Swap{Plugin: "test", Replacements: r.version(s.twoLoaders(), "next").replace("out"), Probation: endless})
	r.waitPhase(engine.SwapProbation)
	r.grows()
	r.grows()
	if err := syscall.Kill(r.process("out").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rolledBack(t, swapped(), "was killed by signal 9")
	at := r.block()
	waitFor(t, "final rows", func() bool { return lastBlock(t, s.out()) > at })
	do(t, "end", end())
	s.wantFinal(t, r, at)
}

// What a reader says that cannot say it again is all taken over before the new
// one begins, which goes on after it.
func TestSwapOfAReaderThatSaysAllOnce(t *testing.T) {
	t.Parallel()
	s, data := newSums(t), t.TempDir()
	s.head = "from = 1"
	r := newRig(t, s.once(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(50)
	generation := r.path().Generation
	for range 3 {
		if err := r.swap(r.version(s.once(), "next"), brief, "blocks"); err != nil {
			t.Fatal(err)
		}
		r.grows()
	}
	if now := r.path().Generation; now != generation {
		t.Error("the path began again")
	}
	v := r.version(s.once(), "next")
	v.Processes[0].Step.Settings = fmt.Appendf(nil, `{"log":%q,"mark":%q,"how":"death","at":%d}`, s.log(), s.dir, r.block()+200)
	rolledBack(t, r.swap(v, endless, "blocks"), "was killed by signal 9")
	r.grows()
	do(t, "end", end())
	rows := lines(t, s.out())
	sum, missing := uint64(0), 0
	for i, row := range rows {
		if i > 0 && row.BlockNumber <= rows[i-1].BlockNumber {
			t.Fatalf("row %d is of block %d, after one of block %d", i, row.BlockNumber, rows[i-1].BlockNumber)
		}
		sum += row.BlockNumber
		if row.Value != sum {
			t.Fatalf("row %d holds the sum %d, want %d", i, row.Value, sum)
		}
		missing = int(row.BlockNumber) - i - 1
	}
	if missing > 8 { // each reader may have taken one that it could not say any more
		t.Errorf("%d numbers never came", missing)
	}
}

// A plugin that a person runs takes its time, and the managed one is back as soon
// as it ends.
func TestSwapToAnAttachedPlugin(t *testing.T) {
	long(t)
	t.Parallel()
	s := newLive(t)
	gate := s.gate("sums")
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) {
		c.HangAfter, c.Checkpoint.Timeout, c.Restart.Max = hang, hang, 1
	}))
	end := r.begin()
	r.waitCommitted(20)
	before := r.process("sums")
	s.sum = fmt.Sprintf("waits = %q", gate)
	v := r.version(s.String(), "next")
	attached := v.replace("sums")
	told := make(chan string, 8)
	attached[0].Attached, attached[0].Detached = true, func(why string) { told <- why }
	plugin := (*remote.Plugin)(nil)
	attached[0].Launch = func(ctx context.Context) (_ *remote.Plugin, err error) {
		if plugin != nil {
			return nil, errors.New("it is not started by the engine")
		}
		plugin, err = v.launch(ctx, attached[0].Spec)
		return plugin, err
	}
	if err := r.Swap(soon(t), engine.Swap{Plugin: "test", Replacements: attached}); err != nil {
		t.Fatal(err)
	}
	r.grows()
	s.shut(t, "sums") // it stands at a breakpoint
	waitFor(t, "a checkpoint to wait for it", func() bool { return r.path().Pending != nil })
	generation, since := r.path().Generation, time.Now()
	waitFor(t, "two deadlines to pass", func() bool { return time.Since(since) > 2*hang })
	if now := r.path().Generation; now != generation {
		t.Error("somebody lost patience with it")
	}
	s.open(t, "sums")
	r.grows()
	if err := syscall.Kill(r.process("sums").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if why := <-told; !strings.Contains(why, "was killed by signal 9") {
		t.Errorf("it was detached because %q", why)
	}
	waitFor(t, "what ran before", func() bool { return r.path().Generation > generation && r.process("sums").PID != 0 })
	r.grows()
	if now := r.process("sums"); now.PID == before.PID || r.path().Generation != generation+1 {
		t.Errorf("process %d runs in generation %d, want another one in generation %d", now.PID, r.path().Generation, generation+1)
	}
	for range 2 { // it can be done once more, and the path may end meanwhile
		plugin = nil
		if err := r.Swap(soon(t), engine.Swap{Plugin: "test", Replacements: attached}); err != nil {
			t.Fatal(err)
		}
		do(t, "pause", r.Pause(soon(t), "p"))
		do(t, "resume", r.Resume(soon(t), "p"))
		r.grows()
	}
	s.ended(t, r, end, 1)
}
