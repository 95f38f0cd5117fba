package sdk_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Swap names the columns that the examples need of a decentralised exchange.
type Swap struct {
	BlockNumber uint64
	Pair        string
	Amount      uint64
}

func (Swap) TransitType() string { return "dex.swap" }

// Alert is what a subscriber makes of a swap.
type Alert struct{ Text string }

func (Alert) TransitType() string { return "dex.alert" }

// whale reports large swaps.
type whale struct {
	Above uint64 `hcl:"above,optional" doc:"Smaller swaps are not reported."`
}

func (w *whale) Transform(_ context.Context, s Swap, emit func(Alert) error) error {
	if s.Amount <= w.Above {
		return nil
	}
	return emit(Alert{Text: fmt.Sprintf("%d on %s", s.Amount, s.Pair)})
}

// A subscriber turns each row of a stream into others, here into none or one.
func ExampleSubscriber() {
	register := sdk.Subscriber("dex.whales", &whale{Above: 1000}).Doc("Reports large swaps.")

	t := newExample()
	defer t.end()
	p := plugintest.Run(t, register)
	alerts := plugintest.Transform[Alert](t, p, "dex.whales", map[string]any{"above": 50}, []Swap{
		{BlockNumber: 1, Pair: "WETH/USDC", Amount: 40},
		{BlockNumber: 2, Pair: "WETH/USDC", Amount: 60},
	})
	fmt.Println(alerts)
	// Output: [{60 on WETH/USDC}]
}

// counter makes up a swap for each block.
type counter struct{}

func (counter) Read(ctx context.Context, start sdk.Start, out *sdk.Output[Swap]) error {
	next := start.From
	if start.Cursor != nil {
		next = start.Cursor.Block + 1
	}
	for ; start.To == nil || next <= *start.To; next++ {
		if err := out.Emit(Swap{BlockNumber: next, Pair: "A/B", Amount: next * next}); err != nil {
			return err
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: next}, Head: next}); err != nil {
			return err
		}
	}
	return nil
}

// A reader collects rows from somewhere outside, and marks the places it can
// start again from.
func ExampleReader() {
	register := sdk.Reader("dex.swaps", counter{})

	t := newExample()
	defer t.end()
	p := plugintest.Run(t, register)
	last := uint64(12)
	got := plugintest.Read[Swap](t, p, "dex.swaps", nil, sdk.Start{From: 10, To: &last})
	fmt.Println(got.Rows)
	fmt.Println("safe at", got.SafePoints[len(got.SafePoints)-1].Cursor.Block)
	// Output:
	// [{10 A/B 100} {11 A/B 121} {12 A/B 144}]
	// safe at 12
}

// Block is what an aggregator needs to know of a block.
type Block struct {
	BlockNumber uint64
	Time        time.Time
}

func (Block) TransitType() string { return "dex.block" }

// Volume is what was swapped in a block.
type Volume struct {
	BlockNumber uint64
	Time        time.Time
	Amount      uint64
}

func (Volume) TransitType() string { return "dex.volume" }

// volumes adds the swaps of each block up.
type volumes struct{ total uint64 }

func (v *volumes) Aggregate(_ context.Context, in struct {
	Block *Block `input:"blocks"`
	Swaps []Swap `input:"swaps"`
	Span  sdk.Span
}, emit func(Volume) error,
) error {
	out := Volume{BlockNumber: in.Span.End}
	if in.Block != nil {
		out.Time = in.Block.Time
	}
	for _, s := range in.Swaps {
		out.Amount += s.Amount
	}
	v.total += out.Amount
	return emit(out)
}

// Snapshot and Restore make what an author remembers survive a restart.
func (v *volumes) Snapshot() ([]byte, error) { return binary.AppendUvarint(nil, v.total), nil }

func (v *volumes) Restore(state []byte) error {
	v.total, _ = binary.Uvarint(state)
	return nil
}

// An aggregator joins streams, here block by block.
func ExampleAggregator() {
	register := sdk.Aggregator("dex.volumes", &volumes{}).Reads("dex.blocks", "dex.swaps")

	t := newExample()
	defer t.end()
	p := plugintest.Run(t, register)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, v := range plugintest.Aggregate[Volume](t, p, "dex.volumes", nil, plugintest.Policy{},
		plugintest.In(t, "swaps", Swap{1, "A/B", 5}, Swap{1, "A/B", 6}, Swap{2, "A/B", 7}),
		plugintest.In(t, "blocks", Block{1, noon}, Block{2, noon.Add(12 * time.Second)}),
	) {
		fmt.Println(v.BlockNumber, v.Time.Format(time.TimeOnly), v.Amount)
	}
	// Output:
	// 1 12:00:00 11
	// 2 12:00:12 7
}

// console prints rows when they are committed.
type console struct{ pending []Alert }

func (c *console) Load(_ context.Context, rows []Alert) error {
	c.pending = append(c.pending, rows...)
	return nil
}

func (c *console) Commit(context.Context, sdk.Commit) error {
	for _, a := range c.pending {
		fmt.Println(a.Text)
	}
	c.pending = c.pending[:0]
	return nil
}

// A loader ends a path. What it is given between two commits belongs together.
func ExampleLoader() {
	register := sdk.Loader("console", &console{})

	t := newExample()
	defer t.end()
	p := plugintest.Run(t, register)
	plugintest.Load(t, p, "console", nil, plugintest.In(t, "input", Alert{"one"}, Alert{"two"}))
	// Output:
	// one
	// two
}

// csv prints rows of any type, column by column.
type csv struct{}

func (csv) Load(_ context.Context, _ int, batch transit.Batch) error {
	for row := range int(batch.Record.NumRows()) {
		var cells []string
		for column := range int(batch.Record.NumCols()) {
			cells = append(cells, batch.Text(column, row))
		}
		fmt.Println(strings.Join(cells, ","))
	}
	return nil
}

// A batch loader takes streams of any type, and sees columns.
func ExampleBatchLoader() {
	register := sdk.BatchLoader("csv", csv{})

	t := newExample()
	defer t.end()
	p := plugintest.Run(t, register)
	plugintest.Load(t, p, "csv", nil, plugintest.In(t, "input", Swap{1, "A/B", 5}, Swap{2, "A/B", 7}))
	// Output:
	// 1,A/B,5
	// 2,A/B,7
}

// parser puts rows aside that it cannot read.
type parser struct{}

func (parser) Transform(_ context.Context, a Alert, emit func(Swap) error) error {
	var s Swap
	if _, err := fmt.Sscanf(a.Text, "%d on %s", &s.Amount, &s.Pair); err != nil {
		return sdk.Poison(fmt.Errorf("read %q: %w", a.Text, err))
	}
	return emit(s)
}

// A row that is bad does not end the path: it is counted, and reported.
func ExamplePoison() {
	t := newExample()
	defer t.end()
	p := plugintest.Run(t, sdk.Subscriber("parser", parser{}))
	fmt.Println(plugintest.Transform[Swap](t, p, "parser", nil, []Alert{{"60 on A/B"}, {"nonsense"}, {"70 on A/B"}}))
	// Output: [{0 A/B 60} {0 A/B 70}]
}

// example stands in for a *testing.T, which examples do not have.
type example struct{ cleanups []func() }

func newExample() *example { return &example{} }

func (e *example) Helper()                           {}
func (e *example) Cleanup(f func())                  { e.cleanups = append(e.cleanups, f) }
func (e *example) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (e *example) Output() io.Writer                 { return io.Discard }
func (e *example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (e *example) end() {
	for len(e.cleanups) > 0 {
		last := len(e.cleanups) - 1
		e.cleanups[last]()
		e.cleanups = e.cleanups[:last]
	}
}
