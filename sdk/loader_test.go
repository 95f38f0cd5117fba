package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// table is what a store keeps, shared by all of its copies.
type table struct {
	mu        sync.Mutex
	rows      []value // that were committed
	commits   []sdk.Commit
	committed []int // rows with each commit
}

func (t *table) snapshot() (rows int, commits []sdk.Commit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rows), append([]sdk.Commit(nil), t.commits...)
}

// store is a loader with a transaction.
type store struct {
	Fail  bool `hcl:"fail,optional"`
	table *table
	open  []value // rows of the transaction
	gate  chan struct{}
}

func (s *store) Load(_ context.Context, rows []value) error {
	if s.gate != nil {
		<-s.gate
	}
	s.open = append(s.open, rows...)
	return nil
}

func (s *store) Commit(_ context.Context, commit sdk.Commit) error {
	if s.Fail {
		return errors.New("disk full")
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.table.rows = append(s.table.rows, s.open...)
	s.table.committed = append(s.table.committed, len(s.open))
	s.table.commits = append(s.table.commits, commit)
	s.open = nil
	return nil
}

func openStore(t *testing.T, s *store, settings any) *plugintest.Process {
	t.Helper()
	p := plugintest.Run(t, sdk.Loader("store", s))
	return plugintest.Open(t, p, plugintest.Step{
		Register: "store", Settings: settings, Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	})
}

func TestLoaderLoadsEverything(t *testing.T) {
	s := &store{table: &table{}}
	p := plugintest.Run(t, sdk.Loader("store", s))
	plugintest.Load(t, p, "store", nil, plugintest.In(t, "input", transfers(10)...), plugintest.In(t, "input", transfers(5)...))
	if rows, _ := s.table.snapshot(); rows != 15 {
		t.Errorf("got %d rows, want 15", rows)
	}
}

func TestIdleLoaderCommitsAtEachSafePoint(t *testing.T) {
	s := &store{table: &table{}}
	process := openStore(t, s, nil)
	for b := range uint64(5) {
		plugintest.Send(process, "input", value{BlockNumber: b})
		process.Block("input", b)
		e := process.Expect(plugintest.SafePoint)
		if e.SafePoint.Cursor.Block != b || e.Input != "test.input" {
			t.Fatalf("it says that it has committed block %d of %s, want %d", e.SafePoint.Cursor.Block, e.Input, b)
		}
		if rows, commits := s.table.snapshot(); rows != int(b+1) || commits[b].Cursor.Block != b || commits[b].Checkpoint != 0 {
			t.Fatalf("%d rows are committed with %+v", rows, commits[b])
		}
	}
}

func TestIdleLoaderDoesNotCommitHalfABlock(t *testing.T) {
	s := &store{table: &table{}}
	process := openStore(t, s, nil)
	plugintest.Send(process, "input", value{})
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Errorf("between two safe points it said %s", e.What)
	}
	if rows, _ := s.table.snapshot(); rows != 0 {
		t.Errorf("%d rows are committed, want 0", rows)
	}
}

func TestBusyLoaderGathersSafePoints(t *testing.T) {
	s := &store{table: &table{}, gate: make(chan struct{})}
	process := openStore(t, s, nil)
	const blocks = 1000
	for b := range uint64(blocks) {
		plugintest.Send(process, "input", value{BlockNumber: b})
		process.Block("input", b)
	}
	close(s.gate) // all frames wait by now: in its queue, in the socket, in the window
	last := uint64(0)
	told := 0
	for last != blocks-1 {
		last = process.Expect(plugintest.SafePoint).SafePoint.Cursor.Block
		told++
	}
	rows, commits := s.table.snapshot()
	if rows != blocks || len(commits) != told || told > blocks/2 {
		t.Errorf("%d rows in %d commits, %d of them told; want %d rows in few commits", rows, len(commits), told, blocks)
	}
	sum := 0
	for i, c := range commits {
		sum += s.table.committed[i]
		if uint64(sum) != c.Cursor.Block+1 {
			t.Fatalf("commit %d is of block %d and makes %d rows: it parts a block", i, c.Cursor.Block, sum)
		}
	}
}

func TestLoaderAnswersBarrierAfterItsCommit(t *testing.T) {
	s := &store{table: &table{}}
	process := openStore(t, s, nil)
	plugintest.Send(process, "input", value{}, value{})
	process.Barrier(9)
	if e := process.Expect(plugintest.Barrier); e.Checkpoint != 9 || e.State != nil {
		t.Errorf("got %+v", e)
	}
	rows, commits := s.table.snapshot()
	if want := []sdk.Commit{{Checkpoint: 9}}; rows != 2 || !cmp.Equal(commits, want) {
		t.Errorf("%d rows are committed with %+v, want 2 with %+v", rows, commits, want)
	}
}

func TestDrainedLoaderCommitsWholeBlocksOnly(t *testing.T) {
	for name, half := range map[string]bool{"at a safe point": false, "between two": true} {
		t.Run(name, func(t *testing.T) {
			s := &store{table: &table{}}
			process := openStore(t, s, nil)
			plugintest.Send(process, "input", value{BlockNumber: 1})
			process.Block("input", 1)
			if half {
				process.Until(plugintest.SafePoint) // block 1 is committed: what follows is all there is to drain
				plugintest.Send(process, "input", value{BlockNumber: 2})
			}
			process.Drain()
			process.Until(plugintest.Ended)
			if rows, _ := s.table.snapshot(); rows != 1 {
				t.Errorf("%d rows are committed, want the one of block 1", rows)
			}
		})
	}
}

func TestFailedCommitIsTold(t *testing.T) {
	s := &store{table: &table{}}
	process := openStore(t, s, map[string]any{"fail": true})
	plugintest.Send(process, "input", value{})
	process.Block("input", 1)
	if f := process.Expect(plugintest.Failed).Failure; f.Message != "commit: disk full" || f.Class != "retry" {
		t.Errorf("got %s", f)
	}
}

// strict is a typed loader without a commit that refuses zeros.
type strict struct{ loaded *[]value }

func (s *strict) Load(ctx context.Context, rows []value) error {
	for _, row := range rows {
		if row.Value == 0 {
			return sdk.Poison(errors.New("a zero"))
		}
		if row.Value == 1 {
			sdk.PutAside(ctx, errors.New("a one"))
			continue
		}
		*s.loaded = append(*s.loaded, row)
	}
	return nil
}

func TestLoaderPutsRowsAside(t *testing.T) {
	var loaded []value
	p := plugintest.Run(t, sdk.Loader("strict", &strict{&loaded}))
	process := plugintest.Open(t, p, plugintest.Step{Register: "strict", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}}})
	plugintest.Send(process, "input", value{Value: 2}, value{Value: 1}, value{Value: 3})
	process.Block("input", 1)
	aside := 0
	for _, e := range process.Until(plugintest.SafePoint) {
		aside += e.Count
	}
	if len(loaded) != 2 {
		t.Errorf("loaded %v, want two rows", loaded)
	}
	process.Barrier(1)
	for _, e := range process.Until(plugintest.Barrier) {
		aside += e.Count
	}
	if aside != 1 {
		t.Errorf("%d rows put aside, want 1", aside)
	}
	plugintest.Send(process, "input", value{Value: 2}, value{})
	if f := process.Until(plugintest.Failed); !strings.Contains(f[len(f)-1].Failure.Message, "call sdk.PutAside") {
		t.Errorf("got %s, want advice", f[len(f)-1].Failure)
	}
}

// printer is a loader of any type.
type printer struct {
	lines  *[]string
	cursor *[]*sdk.Cursor
	inputs []sdk.Input
}

func (p *printer) Start(_ context.Context, start sdk.Start) error {
	p.inputs = start.Inputs
	return nil
}

func (p *printer) Load(_ context.Context, input int, batch transit.Batch) error {
	for row := range int(batch.Record.NumRows()) {
		line := fmt.Sprintf("%s %s:", p.inputs[input].Name, batch.Type.Name)
		for col := range int(batch.Record.NumCols()) {
			line += " " + batch.Text(col, row)
		}
		*p.lines = append(*p.lines, line)
	}
	return nil
}

func (p *printer) Commit(_ context.Context, commit sdk.Commit) error {
	*p.cursor = append(*p.cursor, commit.Cursor)
	return nil
}

func TestBatchLoaderTakesStreamsOfAnyType(t *testing.T) {
	var lines []string
	var cursors []*sdk.Cursor
	p := plugintest.Run(t, sdk.BatchLoader("printer", &printer{lines: &lines, cursor: &cursors}))
	left, right := plugintest.Wire[value](t, "input"), plugintest.Wire[note](t, "input")
	left.Name, right.Name = "left", "right"
	process := plugintest.Open(t, p, plugintest.Step{Register: "printer", Start: sdk.Start{Inputs: []sdk.Input{left, right}}})
	plugintest.Send(process, "left", value{BlockNumber: 1, Value: 5})
	plugintest.Send(process, "right", note{Text: []byte("hi")})
	process.Block("left", 4)
	process.Block("right", 3)
	process.Barrier(1)
	process.Until(plugintest.Barrier)
	if want := []string{"left token.transfer: 5 1", "right test.note: 0x6869"}; !cmp.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	if c := cursors[len(cursors)-1]; c == nil || c.Block != 3 {
		t.Errorf("committed up to %v, want the block that both inputs have reached, 3", c)
	}
	process.Block("left", 9)
	e := process.Expect(plugintest.SafePoint)
	if c := cursors[len(cursors)-1]; e.Input != "left" || c.Block != 3 {
		t.Errorf("told %s, committed up to %v, want left and 3", e.Input, c)
	}
	process.End("right")
	process.Block("left", 10)
	process.Expect(plugintest.SafePoint)
	if c := cursors[len(cursors)-1]; c.Block != 10 {
		t.Errorf("committed up to %v, want 10: an input that has ended holds nothing back", c)
	}
}

func TestLoaderOfOneTypeTakesOneInput(t *testing.T) {
	p := plugintest.Run(t, sdk.Loader("store", &store{table: &table{}}))
	left, right := plugintest.Wire[value](t, "input"), plugintest.Wire[value](t, "input")
	right.Name = "other"
	tests := []struct {
		name   string
		inputs []sdk.Input
		want   string
	}{
		{"none", nil, `input "input" of register store is not wired to anything`},
		{"two", []sdk.Input{left, right}, "takes one stream, but test.input and other are wired to it"},
		{"of another name", []sdk.Input{plugintest.Wire[value](t, "rows")}, `register store has no input "rows"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "store", Start: sdk.Start{Inputs: test.inputs}})
			if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, test.want) {
				t.Errorf("got %v, want a stop with %q", failure, test.want)
			}
		})
	}
}
