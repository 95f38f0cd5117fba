// Command plugin is the plugin that is measured: it does what any author's
// does, rows of structs in and rows of structs out, and nothing besides.
package main

import (
	"context"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

func main() {
	sdk.Serve(
		sdk.Reader("bench.logs", &logs{Rows: sample.FrameRows}),
		sdk.Reader("bench.ticks", &ticks{Every: 10 * time.Millisecond}),
		sdk.Reader("bench.headers", &headers{}),
		sdk.Reader("bench.follow", &follow{}),
		sdk.Reader("bench.paced", &paced{}),
		sdk.Subscriber("bench.copies", &copies{}),
		sdk.Aggregator("bench.counts", &counts{}),
		sdk.Loader("bench.drop", &drop{}),
		sdk.Loader("bench.keep", &keep{}),
		sdk.Loader("bench.pulse", &pulse{}),
		sdk.BatchLoader("bench.discard", &discard{}),
	)
}

// logs reads as fast as its consumers can, a block of rows at a time, up to the
// head, and from there on a block a second.
type logs struct {
	Rows int    `hcl:"rows,optional" doc:"rows of a block"`
	Head uint64 `hcl:"head,optional" doc:"the newest block at the start; 0: it is never reached"`
}

func (l *logs) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Log]) error {
	rows := sample.Logs(l.Rows)
	return blocks(ctx, start, l.Head, out.SafePoint, func(block uint64) error {
		for i := range rows {
			rows[i].BlockNumber = block
		}
		return out.EmitAll(rows)
	})
}

// headers is logs for a type of another size, a row a block.
type headers struct {
	Head uint64 `hcl:"head,optional" doc:"the newest block at the start"`
}

func (h *headers) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Header]) error {
	return blocks(ctx, start, h.Head, out.SafePoint, func(block uint64) error {
		return out.Emit(eth.Header{BlockNumber: block, LogsBloom: make([]byte, 256), ExtraData: make([]byte, 32)})
	})
}

// blocks emits block after block to the last, or until something returns an
// error. Up to the head safe points are rare, after it there is one with every
// block.
func blocks(ctx context.Context, start sdk.Start, head uint64, mark func(sdk.SafePoint) error, emit func(block uint64) error) error {
	block := first(start)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for ; start.To == nil || block <= *start.To; block++ {
		live := head > 0 && block > head
		if live {
			if err := await(ctx, second.C); err != nil {
				return err
			}
		}
		if err := emit(block); err != nil {
			return err
		}
		if block%sample.SafeEvery != 0 && !live {
			continue
		}
		if err := mark(sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 1, Block: block}, Head: max(block, head)}); err != nil {
			return err
		}
	}
	return nil // the last block is a safe point by itself
}

// ticks emits single rows at a quiet rate; the timestamp says when.
type ticks struct {
	Every time.Duration `hcl:"every,optional" doc:"the time between rows"`
}

func (t *ticks) Read(ctx context.Context, _ sdk.Start, out *sdk.Output[eth.Log]) error {
	row := sample.Logs(1)[0]
	tick := time.NewTicker(t.Every)
	defer tick.Stop()
	for {
		row.BlockNumber++
		row.Timestamp = time.Now()
		if err := out.Emit(row); err != nil {
			return err
		}
		if err := await(ctx, tick.C); err != nil {
			return err
		}
	}
}

// first is the first block to read.
func first(start sdk.Start) uint64 {
	if start.Cursor != nil {
		return start.Cursor.Block + 1
	}
	return start.From
}

// await waits for a tick of a clock.
func await(ctx context.Context, tick <-chan time.Time) error {
	select {
	case <-tick:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// copies emits every row again.
type copies struct {
	Refuse bool `hcl:"refuse,optional" doc:"do not even begin"`
}

func (*copies) Transform(_ context.Context, row eth.Log, emit func(eth.Log) error) error {
	return emit(row)
}

// drop looks at every row and keeps none.
type drop struct{ data int }

func (d *drop) Load(_ context.Context, rows []eth.Log) error {
	for i := range rows {
		d.data += len(rows[i].Data)
	}
	return nil
}

// discard takes columns.
type discard struct{ rows int64 }

func (d *discard) Load(_ context.Context, _ int, batch transit.Batch) error {
	d.rows += batch.Record.NumRows()
	return nil
}

// count is how many logs a block has.
type count struct {
	BlockNumber uint64
	Logs        uint64
}

func (count) TransitType() string { return "bench.count" }

type pair struct {
	Headers []eth.Header `input:"headers"`
	Logs    []eth.Log    `input:"logs"`
}

// counts joins two streams block by block.
type counts struct{}

func (*counts) Aggregate(_ context.Context, in pair, emit func(count) error) error {
	for _, h := range in.Headers {
		if err := emit(count{BlockNumber: h.BlockNumber, Logs: uint64(len(in.Logs))}); err != nil {
			return err
		}
	}
	return nil
}
