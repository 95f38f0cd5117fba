package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
)

// block is what the totals need of a block.
type block struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
}

// TransitType says that a block comes from a reader of blocks.
func (block) TransitType() string { return "eth.block" }

// swapped is what the totals need of a swap.
type swapped struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
	Pair        common.Address
	Amount0In   uint256.Int
	Amount1In   uint256.Int
	Amount0Out  uint256.Int
	Amount1Out  uint256.Int
}

// TransitType says that a swap comes from a subscriber of swaps.
func (swapped) TransitType() string { return "uniswap.swap" }

// span is a tuple of the join: the blocks of a span and the swaps in them.
type span struct {
	Blocks []block   `input:"blocks"`
	Swaps  []swapped `input:"swaps"`
	Span   sdk.Span
}

// pairTotal is what happened in one pair within a span of blocks. Pairs without a swap have no row.
type pairTotal struct {
	// BlockNumber, BlockHash and Timestamp are those of the newest block that the span has: its last one, unless a backtest ends before.
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
	Begin       uint64 // first block of the span
	End         uint64 // last block of the span
	Pair        common.Address
	Swaps       uint64
	// Volume0 is how much of token 0 went through the pair: what it took in and what it paid out. In a plain swap one of the two is zero.
	Volume0 uint256.Int
	Volume1 uint256.Int
}

// TransitType names the type uniswap.pair_total.
func (pairTotal) TransitType() string { return "uniswap.pair_total" }

// pairTotals adds up the swaps of each pair. It keeps nothing between spans.
type pairTotals struct{}

// Aggregate emits the totals of a span, ordered by the pairs' addresses.
func (*pairTotals) Aggregate(ctx context.Context, in span, emit func(pairTotal) error) error {
	if len(in.Swaps) == 0 {
		return nil
	}
	if err := in.sameBranch(); err != nil {
		return err
	}
	for _, t := range in.totals(ctx) {
		if err := emit(t); err != nil {
			return err
		}
	}
	return nil
}

// sameBranch checks that blocks and swaps, which two readers have read, are of the same branch of the chain.
func (in *span) sameBranch() error {
	hashes := make(map[uint64]common.Hash, len(in.Blocks))
	for _, b := range in.Blocks {
		hashes[b.BlockNumber] = b.BlockHash
	}
	for i := range in.Swaps {
		s := &in.Swaps[i]
		if hash, ok := hashes[s.BlockNumber]; ok && hash != s.BlockHash {
			// What the host remembers of the block may be of the branch that is gone.
			return sdk.Rewind(sdk.Cursor{Block: max(s.BlockNumber, 1) - 1},
				fmt.Errorf("join block %d: its hash is %s where blocks are read and %s where swaps are: the chain was reorganised in between, both have to be read again",
					s.BlockNumber, hash, s.BlockHash))
		}
	}
	return nil
}

// totals adds up, in the order of the pairs' addresses. A pair whose volume is beyond 256 bits is put aside: any contract can emit such
// amounts, and they must not take the totals of the others with them.
func (in *span) totals(ctx context.Context) []pairTotal {
	totals := map[common.Address]*pairTotal{} // nil: put aside
	empty := in.empty()
	for i := range in.Swaps {
		s := &in.Swaps[i]
		t, seen := totals[s.Pair]
		if !seen {
			own := empty
			own.Pair, t = s.Pair, &own
		}
		if t != nil && !t.add(s) {
			t = nil
			sdk.PutAside(ctx, fmt.Errorf("add up the swaps of pair %s in blocks %d to %d: the volume is beyond 256 bits: this is no pair of Uniswap, leave it out with the setting pairs of uniswap.swaps",
				s.Pair, in.Span.Begin, in.Span.End))
		}
		totals[s.Pair] = t
	}
	var out []pairTotal
	for _, pair := range slices.SortedFunc(maps.Keys(totals), common.Address.Cmp) {
		if t := totals[pair]; t != nil {
			out = append(out, *t)
		}
	}
	return out
}

// empty is the total of no swaps. Where a span was made without waiting for its blocks, the newest swap tells of the block.
func (in *span) empty() pairTotal {
	t := pairTotal{Begin: in.Span.Begin, End: in.Span.End}
	for i := range in.Swaps {
		t.reach(in.Swaps[i].BlockNumber, in.Swaps[i].BlockHash, in.Swaps[i].Timestamp)
	}
	for _, b := range in.Blocks {
		t.reach(b.BlockNumber, b.BlockHash, b.Timestamp)
	}
	return t
}

func (t *pairTotal) reach(number uint64, hash common.Hash, at time.Time) {
	if number >= t.BlockNumber {
		t.BlockNumber, t.BlockHash, t.Timestamp = number, hash, at
	}
}

// add adds one swap. When it returns false the sum is beyond 256 bits, and the total of no use.
func (t *pairTotal) add(s *swapped) bool {
	t.Swaps++
	return addTo(&t.Volume0, &s.Amount0In) && addTo(&t.Volume0, &s.Amount0Out) &&
		addTo(&t.Volume1, &s.Amount1In) && addTo(&t.Volume1, &s.Amount1Out)
}

func addTo(sum, amount *uint256.Int) bool {
	_, over := sum.AddOverflow(sum, amount)
	return !over
}
