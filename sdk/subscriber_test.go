package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// whales passes on the transfers above a limit.
type whales struct {
	Above uint64 `hcl:"above,optional"`
}

func (w *whales) Transform(_ context.Context, row transfer, emit func(transfer) error) error {
	if row.Value <= w.Above {
		return nil
	}
	return emit(row)
}

func TestSubscriberEmitsRowsInOrder(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("whales", &whales{}))
	in := transfers(5000)
	got := plugintest.Transform[transfer](t, p, "whales", map[string]any{"above": 9}, in)
	if diff := cmp.Diff(in[10:], got); diff != "" {
		t.Errorf("Transform (-want +got):\n%s", diff)
	}
}

// doubled reads two columns, in another order than they are sent in.
type doubled struct{}

func (doubled) Transform(_ context.Context, row value, emit func(value) error) error {
	row.Value *= 2
	return emit(row)
}

func TestSubscriberReadsSubsetOfColumns(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("doubled", doubled{}))
	got := plugintest.Transform[value](t, p, "doubled", nil, []transfer{{BlockNumber: 7, Value: 4, Memo: []byte("x")}})
	if want := []value{{Value: 8, BlockNumber: 7}}; !cmp.Equal(got, want) {
		t.Errorf("Transform: got %v, want %v", got, want)
	}
}

func TestInputThatLacksAColumnIsRefused(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("whales", &whales{}))
	_, failure := plugintest.TryOpen(t, p, plugintest.Step{
		Register: "whales", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	})
	if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, "memo") {
		t.Errorf("opened with a column missing: got %v, want a stop that names memo", failure)
	}
}

// reversed emits each batch backwards.
type reversed struct{ Keep bool }

func (r *reversed) Transform(context.Context, transfer, func(transfer) error) error {
	return errors.New("Transform must not be called where there is TransformBatch")
}

func (r *reversed) TransformBatch(_ context.Context, rows []transfer, emit func(transfer) error) error {
	for i := range rows {
		if err := emit(rows[len(rows)-1-i]); err != nil {
			return err
		}
	}
	return nil
}

func TestTransformBatchTakesWholeBatches(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("reversed", &reversed{}))
	got := plugintest.Transform[transfer](t, p, "reversed", nil, transfers(3))
	in := transfers(3)
	if want := []transfer{in[2], in[1], in[0]}; !cmp.Equal(got, want) {
		t.Errorf("TransformBatch: got %v, want %v", got, want)
	}
}

// pointing is a row that can point into others.
type pointing struct {
	Value *uint64
	Hash  []byte
}

func (pointing) TransitType() string { return "test.pointing" }

type hashed struct {
	Value uint64
	Hash  [32]byte
}

func (hashed) TransitType() string { return "test.hashed" }

// pointer emits rows that point into the batch it was given.
type pointer struct{}

func (pointer) Transform(context.Context, hashed, func(pointing) error) error { return nil }

func (pointer) TransformBatch(_ context.Context, rows []hashed, emit func(pointing) error) error {
	for i := range rows {
		if err := emit(pointing{Value: &rows[i].Value, Hash: rows[i].Hash[:]}); err != nil {
			return err
		}
	}
	return nil
}

func TestEmittedRowsMayPointIntoTheBatch(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("pointer", pointer{}))
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "pointer", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[hashed](t, "input")}},
	})
	const batches, each = 50, 7
	for b := range uint64(batches) {
		var rows []hashed
		for i := range uint64(each) {
			rows = append(rows, hashed{Value: b*each + i, Hash: [32]byte{31: byte(b)}})
		}
		plugintest.Send(process, "input", rows...)
	}
	process.End("input")
	next := uint64(0)
	for _, e := range process.Until(plugintest.Ended) {
		if e.What != plugintest.Rows {
			continue
		}
		for _, row := range plugintest.RowsOf[pointing](t, e) {
			if *row.Value != next || row.Hash[31] != byte(next/each) {
				t.Fatalf("row %d: got value %d and hash %x", next, *row.Value, row.Hash)
			}
			next++
		}
	}
	if next != batches*each {
		t.Errorf("got %d rows, want %d", next, batches*each)
	}
}

func TestSafePointsStandInLineWithRows(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("whales", &whales{}))
	process := openWhales(t, p, nil)
	for block := range uint64(200) {
		plugintest.Send(process, "input", transfer{BlockNumber: block, Value: 1}, transfer{BlockNumber: block, Value: 2})
		process.SafePoint("input", sdk.SafePoint{
			Cursor: sdk.Cursor{ChainID: 5, Block: block, Hash: [32]byte{1}, Position: []byte("p")}, Head: 500, Finalized: 300,
		})
	}
	process.End("input")
	rows, next := 0, uint64(0)
	for _, e := range process.Until(plugintest.Ended) {
		switch e.What { //nolint:exhaustive // the others are of no interest here
		case plugintest.Rows:
			rows += e.Count
		case plugintest.SafePoint:
			want := sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 5, Block: next, Hash: [32]byte{1}, Position: []byte("p")}, Head: 500, Finalized: 300}
			if diff := cmp.Diff(want, e.SafePoint); diff != "" {
				t.Fatalf("safe point (-want +got):\n%s", diff)
			}
			next++
			if rows != 2*int(next) {
				t.Fatalf("at the safe point of block %d %d rows have come, want %d", next-1, rows, 2*next)
			}
		}
	}
	if next != 200 {
		t.Errorf("got %d safe points, want 200", next)
	}
}

func openWhales(t *testing.T, p *plugintest.Plugin, settings any) *plugintest.Process {
	t.Helper()
	return plugintest.Open(t, p, plugintest.Step{
		Register: "whales", Settings: settings,
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
	})
}

func TestSingleRowLeavesAtOnce(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("whales", &whales{}))
	process := openWhales(t, p, nil)
	for i := range uint64(20) {
		plugintest.Send(process, "input", transfer{Value: i + 1})
		if e := process.Expect(plugintest.Rows); e.Count != 1 {
			t.Fatalf("row %d: got a batch of %d rows, want 1", i, e.Count)
		}
	}
}

// fan emits each row many times.
type fan struct {
	Times int `hcl:"times"`
	Size  int `hcl:"size,optional"`
}

func (f *fan) Transform(_ context.Context, row transfer, emit func(note) error) error {
	for range f.Times {
		if err := emit(note{bytes.Repeat([]byte{'x'}, f.Size)}); err != nil {
			return err
		}
	}
	return nil
}

func TestFloodTravelsInFullFrames(t *testing.T) {
	tests := []struct {
		name             string
		times, size      int
		most, everyBytes int
	}{
		{"many small rows are cut by number", 100_000, 10, 100_000/4096 + 1, 1 << 20},
		{"large rows are cut by bytes", 640, 100_000, 640/10 + 1, 1 << 20},
		{"a huge row travels alone", 3, 16 << 20, 3, 16<<20 + 1024},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := plugintest.Run(t, sdk.Subscriber("fan", &fan{}))
			process := plugintest.Open(t, p, plugintest.Step{
				Register: "fan", Settings: map[string]any{"times": test.times, "size": test.size},
				Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
			})
			plugintest.Send(process, "input", transfer{})
			process.End("input")
			rows, frames := 0, 0
			for _, e := range process.Until(plugintest.Ended) {
				if e.What == plugintest.Rows {
					rows, frames = rows+e.Count, frames+1
					if bytes := e.Count * test.size; bytes > test.everyBytes {
						t.Errorf("a frame has %d bytes of rows, want at most %d", bytes, test.everyBytes)
					}
				}
			}
			if rows != test.times || frames > test.most {
				t.Errorf("got %d rows in %d frames, want %d in at most %d", rows, frames, test.times, test.most)
			}
		})
	}
}

func TestRowBeyondTheLimitIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few hundred megabytes")
	}
	p := plugintest.Run(t, sdk.Subscriber("fan", &fan{}))
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "fan", Settings: map[string]any{"times": 1, "size": 256 << 20},
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
	})
	plugintest.Send(process, "input", transfer{})
	failure := process.Expect(plugintest.Failed).Failure
	if failure.Class != "stop" || !strings.Contains(failure.Message, "a row of test.note takes 2684") || !strings.Contains(failure.Message, "split it") {
		t.Errorf("got %s, want a stop that tells the size and what to do", failure)
	}
}

// picky puts rows aside.
type picky struct{ Several bool }

func (picky) Transform(ctx context.Context, row value, emit func(value) error) error {
	switch row.Value % 10 {
	case 3:
		return sdk.Poison(fmt.Errorf("%d is unlucky", row.Value))
	case 4:
		return fmt.Errorf("look at the row: %w", sdk.Poison(errors.New("wrapped")))
	case 5:
		sdk.PutAside(ctx, errors.New("five"))
		return nil
	}
	return emit(row)
}

func TestPoisonRowsArePutAsideAndCounted(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("picky", picky{}))
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "picky", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
	})
	for i := 0; i < 1000; i += 10 {
		plugintest.Send(process, "input", transfers(1000)[i:i+10]...)
	}
	process.Barrier(1)
	rows, aside, reports := 0, 0, 0
	var cause string
	for _, e := range process.Until(plugintest.Barrier) {
		switch e.What { //nolint:exhaustive // the others are of no interest here
		case plugintest.Rows:
			rows += e.Count
		case plugintest.PutAside:
			aside += e.Count
			if e.Cause == "five" { // of the others each comes with its row
				reports++
			}
			cause = e.Cause
		}
	}
	if rows != 700 || aside != 300 {
		t.Errorf("got %d rows and %d put aside before the barrier, want 700 and 300", rows, aside)
	}
	if reports > 10 {
		t.Errorf("100 rows were reported %d times, want a few", reports)
	}
	if cause != "five" {
		t.Errorf("the newest cause is %q, want five", cause)
	}
}

func TestRowsPutAsideAreReportedWithoutABarrier(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("picky", picky{}))
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "picky", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
	})
	for range 2 { // the second report has to wait, and comes all the same
		plugintest.Send(process, "input", transfer{Value: 3})
		if e := process.Expect(plugintest.PutAside); e.Count != 1 || e.Cause != "3 is unlucky" {
			t.Errorf("got %d rows put aside because of %q", e.Count, e.Cause)
		}
	}
}

// wholesale poisons its batches.
type wholesale struct{}

func (wholesale) Transform(context.Context, value, func(value) error) error { return nil }

func (wholesale) TransformBatch(_ context.Context, rows []value, _ func(value) error) error {
	return sdk.Poison(errors.New("one of them is bad"))
}

func TestPoisonOfABatchDoesNotLoseTheOthers(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("wholesale", wholesale{}))
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "wholesale", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[transfer](t, "input")}},
	})
	plugintest.Send(process, "input", transfer{})
	if e := process.Expect(plugintest.PutAside); e.Count != 1 {
		t.Errorf("a batch of one: got %d rows put aside, want 1", e.Count)
	}
	plugintest.Send(process, "input", transfers(2)...)
	failure := process.Expect(plugintest.Failed).Failure
	if failure.Class != "stop" || !strings.Contains(failure.Message, "sdk.PutAside") {
		t.Errorf("a batch of two: got %s, want a stop that names sdk.PutAside", failure)
	}
}

func TestIdleProcessSaysNothing(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("whales", &whales{}))
	if e, ok := openWhales(t, p, nil).Within(50 * time.Millisecond); ok {
		t.Errorf("an idle process said %s", e.What)
	}
}
