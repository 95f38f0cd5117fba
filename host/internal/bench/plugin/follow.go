package main

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

// follow reads a chain that is made up: a block at each tick of the clock. With
// every so many blocks it changes its mind about those before, once.
type follow struct {
	Genesis int64         `hcl:"genesis" doc:"when block 0 was made, in Unix milliseconds"`
	Every   time.Duration `hcl:"every" doc:"the time between two blocks"`
	Rows    int           `hcl:"rows" doc:"rows of a block"`
	Reorgs  uint64        `hcl:"reorgs,optional" doc:"blocks from one reorganisation to the next; 0: there are none"`
	Depth   uint64        `hcl:"depth,optional" doc:"how many blocks a reorganisation replaces"`
	Tell    string        `hcl:"tell,optional" doc:"the socket of the benchmark"`
}

// finality is how many blocks lie between the head and the newest final one.
const finality = 64

func (f *follow) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Log]) error {
	rows := sample.Logs(f.Rows)
	at := sdk.Cursor{}
	if start.Cursor != nil {
		at = *start.Cursor
	}
	for at.Block = first(start); ; at.Block++ {
		head, err := f.await(ctx, at.Block)
		if err != nil {
			return err
		}
		if before := at.Block - 1; at.Hash != [32]byte{} && at.Hash != f.hash(before, head) {
			return f.report(start, out, before, head)
		}
		at = sdk.Cursor{ChainID: 1, Block: at.Block, Hash: f.hash(at.Block, head)}
		for i := range rows {
			rows[i].BlockNumber, rows[i].BlockHash = at.Block, at.Hash
		}
		if err := out.EmitAll(rows); err != nil {
			return err
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: at, Head: head, Finalized: head - min(head, finality)}); err != nil {
			return err
		}
	}
}

// await waits for a block and returns the newest one.
func (f *follow) await(ctx context.Context, block uint64) (head uint64, err error) {
	made := time.UnixMilli(f.Genesis).Add(time.Duration(block) * f.Every)
	timer := time.NewTimer(time.Until(made))
	defer timer.Stop()
	if err := await(ctx, timer.C); err != nil {
		return 0, err
	}
	return max(block, uint64(time.Since(time.UnixMilli(f.Genesis))/f.Every)), nil
}

// hash is that of a block on the chain with some head.
func (f *follow) hash(block, head uint64) (h [32]byte) {
	binary.BigEndian.PutUint64(h[:], block+1)
	if replaced := f.replacedAt(block); f.Reorgs > 0 && block+f.Depth >= replaced && head >= replaced {
		h[31] = 1
	}
	return h
}

// replacedAt is the block with which the chain may change its mind about another.
func (f *follow) replacedAt(block uint64) uint64 {
	if f.Reorgs == 0 {
		return 0
	}
	return (block/f.Reorgs + 1) * f.Reorgs
}

// report says that the block that was read last is no longer on the chain.
func (f *follow) report(start sdk.Start, out *sdk.Output[eth.Log], last, head uint64) error {
	teller, err := mark.Dial(f.Tell)
	if err != nil {
		return err
	}
	defer func() { _ = teller.Close() }() // nothing of it is lost
	newest := f.replacedAt(last) - 1
	fork := newest - f.Depth
	if err := teller.Tell(mark.Reorged, start.Generation, newest); err != nil {
		return err
	}
	return out.Reorg(sdk.Cursor{ChainID: 1, Block: fork, Hash: f.hash(fork, head)})
}
