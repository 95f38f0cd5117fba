package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestRestingReaderAnswersBarrierAtOnce(t *testing.T) {
	tests := []struct {
		name  string
		start sdk.Start
		rest  *sdk.Cursor // a safe point before it rests
		want  *sdk.Cursor
	}{
		{"before its first row it stands where it began", sdk.Start{Cursor: at(41)}, nil, at(41)},
		{"without a cursor it stands at the beginning", sdk.Start{From: 7}, nil, nil},
		{"after a safe point it stands there", sdk.Start{Cursor: at(41)}, at(50), at(50)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			process := openReader(t, test.start, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
				if test.rest != nil {
					if err := out.SafePoint(sdk.SafePoint{Cursor: *test.rest}); err != nil {
						return err
					}
				}
				<-ctx.Done()
				return ctx.Err()
			})
			if test.rest != nil {
				process.Expect(plugintest.SafePoint)
			}
			process.Barrier(7)
			got := process.Expect(plugintest.Barrier)
			if diff := cmp.Diff(test.want, got.Cursor); got.Checkpoint != 7 || diff != "" {
				t.Errorf("barrier %d, cursor (-want +got):\n%s", got.Checkpoint, diff)
			}
		})
	}
}

func TestReaderAtTheHeadHasNoPlaceBeforeItsFirstSafePoint(t *testing.T) {
	mark := make(chan struct{})
	process := openReader(t, sdk.Start{FromLatest: true}, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		<-mark
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: 99}}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	process.Barrier(1)
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Fatalf("before the first safe point it said %s", e.What)
	}
	close(mark)
	process.Expect(plugintest.SafePoint)
	if e := process.Expect(plugintest.Barrier); e.Cursor == nil || e.Cursor.Block != 99 {
		t.Errorf("barrier at %v, want 99", e.Cursor)
	}
}

func TestBusyReaderAnswersBarrierAtItsNextSafePoint(t *testing.T) {
	proceed := make(chan struct{})
	process := openReader(t, sdk.Start{}, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		for b := uint64(1); ; b++ {
			if err := out.Emit(value{Value: b}); err != nil {
				return err
			}
			select {
			case <-proceed:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}}); err != nil {
				return err
			}
		}
	})
	process.Expect(plugintest.Rows)
	process.Barrier(3)
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Fatalf("between two safe points it said %s", e.What)
	}
	proceed <- struct{}{}
	process.Expect(plugintest.SafePoint)
	if e := process.Expect(plugintest.Barrier); e.Checkpoint != 3 || e.Cursor.Block != 1 {
		t.Errorf("got barrier %d at block %d, want 3 at 1", e.Checkpoint, e.Cursor.Block)
	}
	process.Expect(plugintest.Rows)
}

func TestBarriersDuringAFloodNeverPartABlock(t *testing.T) {
	process := openReader(t, sdk.Start{}, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		for b := uint64(1); ; b++ {
			for range 10 {
				if err := out.Emit(value{BlockNumber: b}); err != nil {
					return err
				}
			}
			if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}}); err != nil {
				return err
			}
		}
	})
	rows := 0
	for k := uint64(1); k <= 50; k++ {
		process.Barrier(k)
		for _, e := range process.Until(plugintest.Barrier) {
			rows += e.Count
			if e.What == plugintest.Barrier && (e.Checkpoint != k || uint64(rows) != 10*e.Cursor.Block) {
				t.Fatalf("barrier %d at block %d after %d rows, want barrier %d after %d", e.Checkpoint, e.Cursor.Block, rows, k, 10*e.Cursor.Block)
			}
		}
	}
}

func TestEndedReaderStillAnswersBarriers(t *testing.T) {
	process := openReader(t, sdk.Start{From: 1, To: to(3)}, blocks)
	process.Until(plugintest.Ended)
	for k := range uint64(2) {
		process.Barrier(k + 1)
		if e := process.Expect(plugintest.Barrier); e.Checkpoint != k+1 || e.Cursor.Block != 3 {
			t.Errorf("got barrier %d at %v, want %d at 3", e.Checkpoint, e.Cursor, k+1)
		}
	}
	process.Drain()
	process.Expect(plugintest.HungUp)
}

func TestReaderThatMarksNothingIsSafeAtItsLastBlock(t *testing.T) {
	process := openReader(t, sdk.Start{To: to(8), Network: sdk.Network{ChainID: 3}}, func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		return out.Emit(value{Value: 1})
	})
	process.Expect(plugintest.Rows)
	if e := process.Expect(plugintest.SafePoint); e.SafePoint.Cursor.Block != 8 || e.SafePoint.Cursor.ChainID != 3 {
		t.Errorf("got %+v, want block 8 of chain 3", e.SafePoint)
	}
	process.Expect(plugintest.Ended)
}

func TestBarrierWithoutAPlaceIsRefused(t *testing.T) {
	process := openReader(t, sdk.Start{}, func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		return out.Emit(value{Value: 1})
	})
	process.Until(plugintest.Ended)
	process.Barrier(1)
	if f := process.Expect(plugintest.Failed).Failure; f.Class != "stop" || !strings.Contains(f.Message, "call SafePoint before it returns") {
		t.Errorf("got %s, want a stop that says what to do", f)
	}
}

func TestDrainedReaderSendsWhatItHas(t *testing.T) {
	tests := []struct {
		name string
		end  func(ctx context.Context, out *sdk.Output[value]) error
	}{
		{"and returns what ctx says", func(ctx context.Context, _ *sdk.Output[value]) error { <-ctx.Done(); return ctx.Err() }},
		{"and returns nil", func(ctx context.Context, _ *sdk.Output[value]) error { <-ctx.Done(); return nil }},
		{"and returns what Emit says", func(ctx context.Context, out *sdk.Output[value]) error {
			<-ctx.Done()
			for {
				if err := out.Emit(value{}); err != nil {
					return err
				}
			}
		}},
		{"and returns some error", func(ctx context.Context, _ *sdk.Output[value]) error { <-ctx.Done(); return errors.New("broken off") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			emitted := make(chan struct{})
			process := openReader(t, sdk.Start{To: to(1000)}, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
				for i := range uint64(100) {
					if err := out.Emit(value{Value: i + 1}); err != nil {
						return err
					}
				}
				close(emitted)
				return test.end(ctx, out)
			})
			<-emitted
			process.Barrier(1)
			process.Drain()
			rows := 0
			for _, e := range process.Until(plugintest.Ended) {
				if e.What == plugintest.Barrier || e.What == plugintest.SafePoint {
					t.Errorf("it said %s at a place that is none", e.What)
				}
				rows += e.Count
			}
			if rows < 100 {
				t.Errorf("got %d rows, want all 100 that were emitted", rows)
			}
			process.Expect(plugintest.HungUp)
		})
	}
}

func TestReorgLeadsToRewind(t *testing.T) {
	var starts []sdk.Start
	after := make(chan error, 1)
	process := openReader(t, sdk.Start{From: 1}, func(ctx context.Context, start sdk.Start, out *sdk.Output[value]) error {
		starts = append(starts, start)
		if len(starts) > 1 {
			return blocks(ctx, sdk.Start{Cursor: start.Cursor, To: to(6)}, out)
		}
		if err := blocks(ctx, sdk.Start{From: 1, To: to(4)}, out); err != nil {
			return err
		}
		if err := out.Reorg(sdk.Cursor{Block: 2}); err != nil {
			return err
		}
		after <- out.Emit(value{})
		return nil
	})
	events := process.Until(plugintest.Reorg)
	if fork := events[len(events)-1].Cursor; fork == nil || fork.Block != 2 {
		t.Fatalf("fork at %v, want 2", fork)
	}
	if <-after == nil {
		t.Error("Emit after Reorg: got no error")
	}
	process.Barrier(1) // may come in between, and is not answered
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Fatalf("between a reorg and its rewind it said %s", e.What)
	}
	process.Rewind(at(2), nil)
	var values []uint64
	for _, e := range process.Until(plugintest.Ended) {
		if e.What == plugintest.Rows {
			for _, row := range plugintest.RowsOf[value](t, e) {
				values = append(values, row.Value)
			}
		}
	}
	if want := []uint64{3, 4, 5, 6}; !cmp.Equal(values, want) {
		t.Errorf("after the rewind: got %v, want %v", values, want)
	}
	if len(starts) != 2 || starts[1].Cursor == nil || starts[1].Cursor.Block != 2 || starts[1].From != 1 {
		t.Errorf("Read was given %+v", starts)
	}
}

func TestRewindOfAReaderInFullFlow(t *testing.T) {
	p := plugintest.Run(t, reader(blocks))
	process := plugintest.Open(t, p, plugintest.Step{Register: "script", Start: sdk.Start{From: 1}})
	for range 20 {
		process.Until(plugintest.SafePoint)
		process.Rewind(at(500), nil)
		row := plugintest.RowsOf[value](t, process.Expect(plugintest.Rows))[0]
		if row.Value != 501 {
			t.Fatalf("the first row after the rewind is %d, want 501", row.Value)
		}
	}
	process.Rewind(nil, nil)
	if row := plugintest.RowsOf[value](t, process.Expect(plugintest.Rows))[0]; row.Value != 1 {
		t.Errorf("the first row after a rewind to the beginning is %d, want 1", row.Value)
	}
}

func TestEmitAfterReadHasReturnedIsRefused(t *testing.T) {
	leaked := make(chan *sdk.Output[value], 1)
	process := openReader(t, sdk.Start{}, func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		leaked <- out
		return nil
	})
	process.Expect(plugintest.Ended)
	out := <-leaked
	for name, err := range map[string]error{
		"Emit": out.Emit(value{}), "EmitAll": out.EmitAll(make([]value, 3)),
		"SafePoint": out.SafePoint(sdk.SafePoint{}), "Reorg": out.Reorg(sdk.Cursor{}),
	} {
		if err == nil {
			t.Errorf("%s after Read has returned: got no error", name)
		}
	}
}

func TestReaderTakesNoRows(t *testing.T) {
	p := plugintest.Run(t, reader(blocks))
	_, failure := plugintest.TryOpen(t, p, plugintest.Step{
		Register: "script", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	})
	if failure == nil || !strings.Contains(failure.Message, `no input "input"`) {
		t.Errorf("got %v, want a refusal of the input", failure)
	}
}
