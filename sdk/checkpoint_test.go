package sdk_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// archive is a loader that writes down what it is told of checkpoints.
type archive struct {
	diary  *diary
	starts *starts
	gate   chan struct{} // nil: it closes at once; otherwise when this is closed
}

// starts is what all copies of an archive have been told at their start.
type starts struct {
	mu  sync.Mutex
	all []sdk.Start
}

func (a *archive) Start(_ context.Context, start sdk.Start) error {
	if a.starts != nil {
		a.starts.mu.Lock()
		defer a.starts.mu.Unlock()
		a.starts.all = append(a.starts.all, start)
	}
	a.diary.add(fmt.Sprint("start at ", start.Checkpoint))
	return nil
}

func (a *archive) Load(_ context.Context, rows []value) error {
	a.diary.add(fmt.Sprint("load ", len(rows)))
	return nil
}

func (a *archive) Commit(_ context.Context, commit sdk.Commit) error {
	a.diary.add(fmt.Sprint("commit ", commit.Checkpoint))
	return nil
}

func (a *archive) Final(_ context.Context, checkpoint uint64) error {
	if checkpoint == 13 {
		return fmt.Errorf("no %d", checkpoint)
	}
	a.diary.add(fmt.Sprint("final ", checkpoint))
	return nil
}

func (a *archive) Close() error {
	if a.gate != nil {
		<-a.gate
	}
	a.diary.add("close")
	return nil
}

func archiveStep(t *testing.T, start sdk.Start) plugintest.Step {
	t.Helper()
	start.Inputs = []sdk.Input{plugintest.Wire[value](t, "input")}
	return plugintest.Step{Register: "archive", Start: start}
}

func TestFinalReachesALoader(t *testing.T) {
	d := &diary{}
	p := plugintest.Run(t, sdk.Loader("archive", &archive{diary: d}))
	process := plugintest.Open(t, p, archiveStep(t, sdk.Start{}))
	process.Barrier(1)
	plugintest.Send(process, "input", value{})
	process.Final(1)
	process.Barrier(2)
	process.Final(2)
	process.End("input")
	process.Until(plugintest.Ended)
	want := []string{"start at 0", "commit 1", "load 1", "final 1", "commit 2", "final 2", "commit 0", "close"}
	if diff := cmp.Diff(want, d.take()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestAFinalThatFailsIsTold(t *testing.T) {
	p := plugintest.Run(t, sdk.Loader("archive", &archive{diary: &diary{}}))
	process := plugintest.Open(t, p, archiveStep(t, sdk.Start{}))
	process.Final(13)
	if f := process.Expect(plugintest.Failed).Failure; f.Message != "seal checkpoint 13: no 13" || f.Class != "retry" {
		t.Errorf("got %s", f)
	}
}

// Those who want to know nothing of final checkpoints are not disturbed.
func TestFinalIsNothingToOthers(t *testing.T) {
	p := plugintest.Run(t, sdk.Loader("strict", &strict{new([]value)}), witnessed(&diary{}))
	for _, register := range []string{"strict", "witness"} {
		process := plugintest.Open(t, p, plugintest.Step{Register: register, Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}}})
		process.Final(1)
		process.Probe()
		process.Expect(plugintest.Probed)
	}
}

func TestLoadersAreToldWhereTheyBegin(t *testing.T) {
	s := &starts{}
	p := plugintest.Run(t, sdk.Loader("archive", &archive{diary: &diary{}, starts: s}))
	want := sdk.Start{
		Pipeline: "swaps", Step: `store["a"]`, Network: sdk.Network{Name: "mainnet", ChainID: 1},
		Domain: "swaps.pairs", Generation: 1 << 40, Checkpoint: 77, Forks: 3, Cursor: &sdk.Cursor{ChainID: 1, Block: 19_000_000, Hash: [32]byte{7}},
		From: 18_000_000,
	}
	step := archiveStep(t, want)
	step.Start.Inputs[0].Rows = 12
	want.Inputs = step.Start.Inputs
	process := plugintest.Open(t, p, step)
	process.RewindTo(76, at(18_500_000), nil)
	process.Rewind(nil, nil)
	after := want
	after.Generation, after.Checkpoint, after.Cursor = want.Generation+1, 76, at(18_500_000)
	anew := want
	anew.Generation, anew.Checkpoint, anew.Cursor = want.Generation+2, 0, nil
	types := cmp.Comparer(func(x, y sdk.Input) bool {
		return x.Name == y.Name && x.Port == y.Port && x.Type.Name == y.Type.Name
	})
	if diff := cmp.Diff([]sdk.Start{want, after, anew}, s.all, types); diff != "" {
		t.Errorf("what the loader is told (-want +got):\n%s", diff)
	}
	if got := s.all[0].Inputs[0].Rows; got != 12 {
		t.Errorf("it is told of %d rows before the checkpoint, want 12", got)
	}
}

// A host that opens a process again has hung up on the one before, which may be
// about to write to the same place.
func TestAProcessWaitsForTheOneBeforeItToClose(t *testing.T) {
	d := &diary{}
	gate := make(chan struct{})
	p := plugintest.Run(t, sdk.Loader("archive", &archive{diary: d, gate: gate}))
	first := plugintest.Open(t, p, archiveStep(t, sdk.Start{Domain: "swaps", Checkpoint: 1}))
	first.HangUp()
	for _, other := range []sdk.Start{{Domain: "pairs", Checkpoint: 2}, {Domain: "swaps", Step: "other", Checkpoint: 3}, {Checkpoint: 4}} {
		plugintest.Open(t, p, archiveStep(t, other)) // which waits for nobody
	}
	opened := make(chan *plugintest.Process, 1)
	again := archiveStep(t, sdk.Start{Domain: "swaps", Checkpoint: 5})
	go func() { opened <- plugintest.Open(t, p, again) }()
	select {
	case process := <-opened:
		t.Error("it was opened while the process before it was closing")
		opened <- process
	case <-time.After(30 * time.Millisecond):
	}
	close(gate)
	(<-opened).HangUp()
	calls := strings.Join(d.take(), ", ")
	if want := "start at 1, start at 2, start at 3, start at 4, close, start at 5"; !strings.HasPrefix(calls, want) {
		t.Errorf("got %s, want %s", calls, want)
	}
}

func TestAProbeIsAnsweredAfterAllBeforeIt(t *testing.T) {
	gate := make(chan struct{})
	slow := &store{table: &table{}, gate: gate}
	p := plugintest.Run(t, sdk.Loader("store", slow))
	process := plugintest.Open(t, p, plugintest.Step{Register: "store", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}}})
	plugintest.Send(process, "input", value{}, value{})
	process.Probe()
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Errorf("while rows are being loaded it said %s", e.What)
	}
	close(gate)
	process.Expect(plugintest.Probed)
	process.Barrier(1)
	process.Probe()
	process.Expect(plugintest.Barrier)
	process.Expect(plugintest.Probed)
	if rows, commits := slow.table.snapshot(); rows != 2 || len(commits) != 1 {
		t.Errorf("%d rows are committed in %d commits, want 2 in 1: a probe changes nothing", rows, len(commits))
	}
}

func TestASubscriberAnswersAProbeInLineWithItsRows(t *testing.T) {
	d := &diary{}
	process, _ := openWitness(t, d, nil, nil)
	plugintest.Send(process, "input", value{})
	process.Block("input", 1)
	process.Probe()
	var said []plugintest.What
	for _, e := range process.Until(plugintest.Probed) {
		said = append(said, e.What)
	}
	if want := []plugintest.What{plugintest.Rows, plugintest.SafePoint, plugintest.Probed}; !cmp.Equal(said, want) {
		t.Errorf("it said %v, want %v", said, want)
	}
}

func TestAReaderAnswersAProbeWhileItReads(t *testing.T) {
	p := plugintest.Run(t, sdk.Reader("waiting", waiting{}))
	process := plugintest.Open(t, p, plugintest.Step{Register: "waiting"})
	process.Probe()
	process.Expect(plugintest.Probed)
}

// waiting reads from a source that has nothing.
type waiting struct{}

func (waiting) Read(ctx context.Context, _ sdk.Start, _ *sdk.Output[value]) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestPromisesThatARegisterCannotMake(t *testing.T) {
	_, err := serve(
		sdk.Loader("store", &store{}).Truncates(),
		sdk.Reader("pool", waiting{}).Unrepeatable(),
	)
	if err != nil {
		t.Errorf("promises that can be made are refused: %v", err)
	}
	tests := []struct {
		register sdk.Register
		want     string
	}{
		{sdk.Reader("pool", waiting{}).Truncates(), "register pool: Truncates is for loaders"},
		{sdk.Subscriber("witness", &witness{}).Truncates(), "register witness: Truncates is for loaders"},
		{sdk.Loader("store", &store{}).Unrepeatable(), "register store: Unrepeatable is for readers"},
		{sdk.Subscriber("witness", &witness{}).Unrepeatable(), "register witness: Unrepeatable is for readers"},
	}
	for _, tt := range tests {
		if _, err := serve(tt.register); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestPromisesAreTold(t *testing.T) {
	service, err := serve(
		sdk.Loader("store", &store{}).Truncates(), sdk.Loader("archive", &archive{}),
		sdk.Reader("pool", waiting{}).Unrepeatable(), sdk.Reader("chain", waiting{}),
	)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]bool{}
	for _, r := range service.Description().Registers {
		got[r.Name] = [2]bool{r.Truncates, r.Unrepeatable}
	}
	want := map[string][2]bool{"store": {true, false}, "archive": {}, "pool": {false, true}, "chain": {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("truncates, unrepeatable (-want +got):\n%s", diff)
	}
}
