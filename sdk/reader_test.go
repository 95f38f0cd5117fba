package sdk_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// script is a reader that does what a test tells it to.
type script struct {
	Note string `hcl:"note,optional"`
	run  func(ctx context.Context, start sdk.Start, out *sdk.Output[value]) error
}

func (s *script) Read(ctx context.Context, start sdk.Start, out *sdk.Output[value]) error {
	return s.run(ctx, start, out)
}

func reader(run func(ctx context.Context, start sdk.Start, out *sdk.Output[value]) error) sdk.Register {
	return sdk.Reader("script", &script{run: run})
}

func openReader(t *testing.T, start sdk.Start, run func(ctx context.Context, start sdk.Start, out *sdk.Output[value]) error) *plugintest.Process {
	t.Helper()
	return plugintest.Open(t, plugintest.Run(t, reader(run)), plugintest.Step{Register: "script", Start: start})
}

// blocks emits a row and a safe point for each block.
func blocks(_ context.Context, start sdk.Start, out *sdk.Output[value]) error {
	b := start.From
	if start.Cursor != nil {
		b = start.Cursor.Block + 1
	}
	for ; start.To == nil || b <= *start.To; b++ {
		if err := out.Emit(value{BlockNumber: b, Value: b}); err != nil {
			return err
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}, Head: b}); err != nil {
			return err
		}
	}
	return nil
}

func TestReaderIsToldWhereToBegin(t *testing.T) {
	want := sdk.Start{
		Pipeline: "swaps", Step: "logs", From: 5, FromLatest: true, To: to(9),
		Domain: "swaps", Generation: 7, Checkpoint: 3, Forks: 2,
		Cursor:  &sdk.Cursor{ChainID: 1, Block: 6, Hash: [32]byte{1, 2}, Position: []byte("x")},
		Network: sdk.Network{Name: "mainnet", ChainID: 1, Finality: "safe", Endpoints: []sdk.Endpoint{{Name: "a", URL: "http://a", Rate: "25/s"}}},
	}
	var got sdk.Start
	p := plugintest.Run(t, reader(func(_ context.Context, start sdk.Start, _ *sdk.Output[value]) error {
		got = start
		return nil
	}))
	plugintest.Read[value](t, p, "script", nil, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Start (-want +got):\n%s", diff)
	}
}

func TestReaderFromFirstToLast(t *testing.T) {
	p := plugintest.Run(t, reader(blocks))
	got := plugintest.Read[value](t, p, "script", nil, sdk.Start{From: 3, To: to(1002)})
	if n := len(got.Rows); n != 1000 || got.Rows[0].Value != 3 || got.Rows[999].Value != 1002 {
		t.Errorf("got %d rows, want 1000 from 3 to 1002", n)
	}
	if n := len(got.SafePoints); n != 1000 || got.SafePoints[999].Cursor.Block != 1002 {
		t.Errorf("got %d safe points, want 1000 up to 1002", n)
	}
}

func TestEmitAtQuietTimeLeavesAtOnce(t *testing.T) {
	next := make(chan uint64)
	process := openReader(t, sdk.Start{}, func(ctx context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		for {
			select {
			case v := <-next:
				if err := out.Emit(value{Value: v}); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for i := range uint64(20) {
		next <- i
		rows := plugintest.RowsOf[value](t, process.Expect(plugintest.Rows))
		if len(rows) != 1 || rows[0].Value != i {
			t.Fatalf("got %v, want the one row %d", rows, i)
		}
	}
}

func TestEmittedFloodTravelsInLargeFrames(t *testing.T) {
	const n = 100_000
	process := openReader(t, sdk.Start{}, func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		for i := range uint64(n) {
			if err := out.Emit(value{Value: i}); err != nil {
				return err
			}
		}
		return nil
	})
	frames, next := 0, uint64(0)
	for _, e := range process.Until(plugintest.Ended) {
		if e.What != plugintest.Rows {
			continue
		}
		frames++
		for _, row := range plugintest.RowsOf[value](t, e) {
			if row.Value != next {
				t.Fatalf("got row %d, want %d", row.Value, next)
			}
			next++
		}
	}
	// A frame leaves each 200 microseconds at most: 2000 would take 0.4 s.
	if next != n || frames > 2000 {
		t.Errorf("got %d rows in %d frames, want %d in fewer than 2000", next, frames, n)
	}
	t.Logf("%d rows in %d frames", next, frames)
}

// large is a reader of big rows.
type large struct{}

func (large) Read(_ context.Context, _ sdk.Start, out *sdk.Output[note]) error {
	rows := make([]note, 1024)
	for i := range rows {
		rows[i].Text = make([]byte, 64<<10)
		rows[i].Text[0] = byte(i)
	}
	if err := out.EmitAll(rows); err != nil {
		return err
	}
	clear(rows) // they are ours again
	return nil
}

func TestEmitAllOfManyMegabytesIsSplit(t *testing.T) {
	process := plugintest.Open(t, plugintest.Run(t, sdk.Reader("large", large{})), plugintest.Step{Register: "large"})
	rows, frames := 0, 0
	for _, e := range process.Until(plugintest.Ended) {
		if e.What != plugintest.Rows {
			continue
		}
		frames++
		for _, row := range plugintest.RowsOf[note](t, e) {
			if len(row.Text) != 64<<10 || row.Text[0] != byte(rows) {
				t.Fatalf("row %d is not what was emitted", rows)
			}
			rows++
		}
	}
	if rows != 1024 || frames < 64 || frames > 80 {
		t.Errorf("got %d rows in %d frames, want 1024 in about 64", rows, frames)
	}
}

func TestFewRowsAtOnceAreGathered(t *testing.T) {
	p := plugintest.Run(t, reader(func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		rows := make([]value, 3)
		for i := range uint64(100) {
			for j := range rows {
				rows[j] = value{Value: 3*i + uint64(j)}
			}
			if err := errors.Join(out.EmitAll(rows), out.EmitAll(nil)); err != nil {
				return err
			}
			clear(rows) // they are ours again
		}
		return nil
	}))
	for i, row := range plugintest.Read[value](t, p, "script", nil, sdk.Start{}).Rows {
		if row.Value != uint64(i) {
			t.Fatalf("row %d: got %d", i, row.Value)
		}
	}
}

func TestOutputIsSafeForConcurrentUse(t *testing.T) {
	p := plugintest.Run(t, reader(func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		var wg sync.WaitGroup
		errs := make(chan error, 4)
		for g := range uint64(4) {
			wg.Go(func() {
				for i := range uint64(1000) {
					if err := out.Emit(value{BlockNumber: g, Value: i}); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		return <-errs
	}))
	next := map[uint64]uint64{}
	for _, row := range plugintest.Read[value](t, p, "script", nil, sdk.Start{}).Rows {
		if row.Value != next[row.BlockNumber] {
			t.Fatalf("goroutine %d: got %d, want %d", row.BlockNumber, row.Value, next[row.BlockNumber])
		}
		next[row.BlockNumber]++
	}
	for g := range uint64(4) {
		if next[g] != 1000 {
			t.Errorf("goroutine %d: got %d rows, want 1000", g, next[g])
		}
	}
}
