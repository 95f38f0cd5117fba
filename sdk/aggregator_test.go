package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

type a struct{ BlockNumber, Value uint64 }

func (a) TransitType() string { return "test.a" }

type b struct{ BlockNumber, Value uint64 }

func (b) TransitType() string { return "test.b" }

// pair is a tuple in which A is one row and B several.
type pair struct {
	A    *a  `input:"A"`
	B    []b `input:"B"`
	Span sdk.Span
}

// joined tells what was in a tuple.
type joined struct {
	Begin, End uint64
	Complete   bool
	A          *uint64
	B          []uint64
	Calls      uint64 // of Aggregate so far
}

func (joined) TransitType() string { return "test.joined" }

func (j joined) String() string {
	left := "nil"
	if j.A != nil {
		left = fmt.Sprint(*j.A)
	}
	text := fmt.Sprintf("%d-%d A=%s B=%v", j.Begin, j.End, left, j.B)
	if !j.Complete {
		text += " incomplete"
	}
	return text
}

func texts(rows []joined) []string {
	var all []string
	for _, row := range rows {
		all = append(all, row.String())
	}
	return all
}

// join emits one row for each tuple, and remembers how many there were.
type join struct {
	kept  []pair
	calls uint64
}

func (j *join) Aggregate(_ context.Context, in pair, emit func(joined) error) error {
	j.calls++
	j.kept = append(j.kept, in) // a tuple is the author's
	row := joined{Begin: in.Span.Begin, End: in.Span.End, Complete: in.Span.Complete, Calls: j.calls}
	if in.A != nil {
		row.A = &in.A.Value
	}
	for _, x := range in.B {
		row.B = append(row.B, x.Value)
	}
	if len(in.B) == 1 && in.B[0].Value == 666 {
		return sdk.Poison(errors.New("beast"))
	}
	return emit(row)
}

func (j *join) Snapshot() ([]byte, error) { return []byte{byte(j.calls)}, nil }

func (j *join) Restore(state []byte) error {
	if len(state) != 1 {
		return fmt.Errorf("want a byte, not %v", state)
	}
	j.calls = uint64(state[0])
	return nil
}

func as(values ...uint64) []a {
	var rows []a
	for _, v := range values {
		rows = append(rows, a{BlockNumber: v / 10, Value: v})
	}
	return rows
}

func bs(values ...uint64) []b {
	var rows []b
	for _, v := range values {
		rows = append(rows, b{BlockNumber: v / 10, Value: v})
	}
	return rows
}

func TestPolicies(t *testing.T) {
	in := func(rows ...uint64) plugintest.Input { return plugintest.In(t, "A", as(rows...)...) }
	bIn := func(rows ...uint64) plugintest.Input { return plugintest.In(t, "B", bs(rows...)...) }
	tests := []struct {
		name   string
		policy plugintest.Policy
		inputs []plugintest.Input
		want   []string
	}{
		{
			"block: rows of a block meet, in order of blocks, whatever order inputs come in",
			plugintest.Policy{},
			[]plugintest.Input{bIn(10, 11, 21, 35), in(10, 20), in(30, 31)},
			[]string{"1-1 A=10 B=[10 11]", "2-2 A=20 B=[21]", "3-3 A=31 B=[35]"},
		},
		{
			"block: what one input lacks is empty",
			plugintest.Policy{},
			[]plugintest.Input{in(10), bIn(20)},
			[]string{"1-1 A=10 B=[]", "2-2 A=nil B=[20]"},
		},
		{
			"block: no rows, no tuples",
			plugintest.Policy{},
			[]plugintest.Input{in(), bIn()},
			nil,
		},
		{
			"epoch: counted from first, blocks before it are one span",
			plugintest.Policy{Size: 3, First: 2},
			[]plugintest.Input{in(5, 20, 40, 50), bIn(15, 41, 42, 91)},
			[]string{"0-1 A=5 B=[15]", "2-4 A=40 B=[41 42]", "5-7 A=50 B=[]", "8-10 A=nil B=[91]"},
		},
		{
			"epoch: from 0",
			plugintest.Policy{Size: 10},
			[]plugintest.Input{in(99), bIn(0, 100)},
			[]string{"0-9 A=99 B=[0]", "10-19 A=nil B=[100]"},
		},
		{
			"trigger: the faster chain",
			plugintest.Policy{Trigger: "B"},
			[]plugintest.Input{bIn(1), in(2), bIn(3), bIn(4)},
			[]string{"0-0 A=nil B=[1]", "0-0 A=2 B=[3]", "0-0 A=nil B=[4]"},
		},
		{
			"trigger: the slower chain",
			plugintest.Policy{Trigger: "A"},
			[]plugintest.Input{bIn(1), bIn(2, 3), in(14)},
			[]string{"1-1 A=14 B=[1 2 3]"},
		},
		{
			"trigger: several triggers in one batch, empty buckets",
			plugintest.Policy{Trigger: "A"},
			[]plugintest.Input{bIn(1), in(2, 3), bIn(4)},
			[]string{"0-0 A=2 B=[1]", "0-0 A=3 B=[]"},
		},
		{
			"trigger: the latest of the others is kept",
			plugintest.Policy{Trigger: "A", Latest: true},
			[]plugintest.Input{bIn(1, 2), in(3, 4), bIn(5), in(6)},
			[]string{"0-0 A=3 B=[2]", "0-0 A=4 B=[2]", "0-0 A=6 B=[5]"},
		},
		{
			"trigger: where all are required triggers wait",
			plugintest.Policy{Trigger: "A", Require: true},
			[]plugintest.Input{in(1, 2), bIn(3, 4), bIn(5)},
			[]string{"0-0 A=1 B=[3 4]", "0-0 A=2 B=[5]"},
		},
		{
			"trigger: at the end they do not wait any longer",
			plugintest.Policy{Trigger: "A", Require: true},
			[]plugintest.Input{in(1, 2), bIn(3)},
			[]string{"0-0 A=1 B=[3]", "0-0 A=2 B=[] incomplete"},
		},
	}
	p := plugintest.Run(t, sdk.Aggregator("join", &join{}))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inputs := append([]plugintest.Input{plugintest.In[a](t, "A"), plugintest.In[b](t, "B")}, test.inputs...)
			got := texts(plugintest.Aggregate[joined](t, p, "join", nil, test.policy, inputs...))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("tuples (-want +got):\n%s", diff)
			}
		})
	}
}

// openJoin opens a join of both inputs.
func openJoin(t *testing.T, policy plugintest.Policy, state []byte) *plugintest.Process {
	t.Helper()
	return plugintest.Open(t, plugintest.Run(t, sdk.Aggregator("join", &join{})), joinStep(t, policy, state))
}

func joinStep(t *testing.T, policy plugintest.Policy, state []byte) plugintest.Step {
	t.Helper()
	return plugintest.Step{
		Register: "join", Policy: policy, State: state,
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[a](t, "A"), plugintest.Wire[b](t, "B")}},
	}
}

// until gathers rows and safe points as texts, up to something.
func until(t *testing.T, process *plugintest.Process, what plugintest.What) (all []string, last plugintest.Event) {
	t.Helper()
	for _, e := range process.Until(what) {
		last = e
		switch e.What { //nolint:exhaustive // the others are of no interest here
		case plugintest.Rows:
			all = append(all, texts(plugintest.RowsOf[joined](t, e))...)
		case plugintest.SafePoint:
			all = append(all, fmt.Sprintf("safe %d", e.SafePoint.Cursor.Block))
		case plugintest.PutAside:
			all = append(all, fmt.Sprintf("aside %d", e.Count))
		}
	}
	return all, last
}

func TestHeldRowsAreBounded(t *testing.T) {
	for name, policy := range map[string]plugintest.Policy{
		"block":   {Max: 5},
		"trigger": {Max: 5, Trigger: "B"},
		"require": {Max: 5, Trigger: "A", Require: true},
	} {
		t.Run(name, func(t *testing.T) {
			process := openJoin(t, policy, nil)
			plugintest.Send(process, "A", as(10, 20, 30)...)
			plugintest.Send(process, "A", as(40, 50)...)
			plugintest.Send(process, "A", as(60)...)
			failure := process.Expect(plugintest.Failed).Failure
			if failure.Class != "retry" || !strings.Contains(failure.Message, `input "A" has 6 rows waiting`) || !strings.Contains(failure.Message, "raise max") {
				t.Errorf("got %s", failure)
			}
		})
	}
}

func TestRowsOutOfOrderAreTheProducersMistake(t *testing.T) {
	tests := []struct {
		name string
		send func(*plugintest.Process)
		want string
	}{
		{"within a batch", func(p *plugintest.Process) { plugintest.Send(p, "A", as(20, 10)...) }, "a row of block 1 came after one of block 2"},
		{"between batches", func(p *plugintest.Process) {
			plugintest.Send(p, "A", as(20)...)
			plugintest.Send(p, "A", as(10)...)
		}, "a row of block 1 came after one of block 2"},
		{"after the tuple was made", func(p *plugintest.Process) {
			plugintest.Send(p, "A", as(20)...)
			p.Block("A", 5)
			p.Block("B", 5)
			plugintest.Send(p, "A", as(10)...)
		}, "a row of block 1 came after one of block 2"},
		{"after its safe point", func(p *plugintest.Process) {
			p.Block("A", 5)
			p.Block("B", 5)
			plugintest.Send(p, "A", as(40)...)
		}, "a row of block 4 came when its producer had said that it was past block 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			process := openJoin(t, plugintest.Policy{}, nil)
			test.send(process)
			events := process.Until(plugintest.Failed)
			failure := events[len(events)-1].Failure
			if failure.Class != "stop" || !strings.Contains(failure.Message, test.want) || !strings.Contains(failure.Message, `input "A"`) {
				t.Errorf("got %s, want a stop with %q", failure, test.want)
			}
		})
	}
}

func TestPoisonTupleIsPutAside(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Trigger: "B"}, nil)
	plugintest.Send(process, "B", bs(666, 7)...)
	process.Barrier(1)
	got, _ := until(t, process, plugintest.Barrier)
	if diff := cmp.Diff([]string{"0-0 A=nil B=[7]", "aside 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// drop leaves out what a test does not care about.
func drop(all []string, what string) []string {
	var rest []string
	for _, text := range all {
		if text != what {
			rest = append(rest, text)
		}
	}
	return rest
}

func TestBadPolicyIsRefused(t *testing.T) {
	p := plugintest.Run(t, sdk.Aggregator("join", &join{}), sdk.Aggregator("blind", &blind{}))
	_, failure := plugintest.TryOpen(t, p, joinStep(t, plugintest.Policy{Trigger: "C"}, nil))
	if failure == nil || !strings.Contains(failure.Message, `on "C", which is no input of this register: its inputs are ["A" "B"]`) {
		t.Errorf("a trigger that is no input: got %v", failure)
	}
	_, failure = plugintest.TryOpen(t, p, plugintest.Step{
		Register: "blind", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[note](t, "notes")}},
	})
	if failure == nil || !strings.Contains(failure.Message, `test.note has no column block_number`) {
		t.Errorf("rows without blocks under the block policy: got %v", failure)
	}
}

// blind joins rows that do not know their block.
type blind struct{}

func (blind) Aggregate(_ context.Context, in struct {
	Notes []note `input:"notes"`
}, emit func(note) error,
) error {
	return emit(in.Notes[0])
}

func TestRowsWithoutBlocksCanTrigger(t *testing.T) {
	p := plugintest.Run(t, sdk.Aggregator("blind", blind{}))
	got := plugintest.Aggregate[note](t, p, "blind", nil, plugintest.Policy{Trigger: "notes"}, plugintest.In(t, "notes", note{Text: []byte("x")}))
	if len(got) != 1 || string(got[0].Text) != "x" {
		t.Errorf("got %v", got)
	}
}

// keeper keeps every tuple and checks at the end that nobody wrote to them.
type keeper struct {
	kept *[]pair
}

func (k *keeper) Aggregate(_ context.Context, in pair, _ func(joined) error) error {
	*k.kept = append(*k.kept, in)
	return nil
}

func TestTuplesAreTheAuthorsToKeep(t *testing.T) {
	var kept []pair
	p := plugintest.Run(t, sdk.Aggregator("keeper", &keeper{&kept}))
	var inputs []plugintest.Input
	for block := uint64(0); block < 1000; block += 10 {
		var left []a
		var right []b
		for i := range uint64(10) {
			left = append(left, a{block + i, block + i})
			right = append(right, b{block + i, 2 * (block + i)}, b{block + i, 2*(block+i) + 1})
		}
		inputs = append(inputs, plugintest.In(t, "A", left...), plugintest.In(t, "B", right...))
	}
	plugintest.Aggregate[joined](t, p, "keeper", nil, plugintest.Policy{}, inputs...)
	if len(kept) != 1000 {
		t.Fatalf("got %d tuples, want 1000", len(kept))
	}
	for i, tuple := range kept {
		n := uint64(i)
		if want := []b{{n, 2 * n}, {n, 2*n + 1}}; tuple.A.Value != n || !cmp.Equal(tuple.B, want) {
			t.Fatalf("tuple %d has become A=%v B=%v", i, *tuple.A, tuple.B)
		}
	}
}
