package main

import (
	"context"
	"errors"
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
	// BlockNumber, BlockHash and Timestamp are those of the newest block of the span.
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
	Begin       uint64 // first block of the span
	End         uint64 // last block; a span that a backtest cuts short ends after its newest block
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
	totals := map[common.Address]*pairTotal{}
	for i := range in.Swaps {
		s := &in.Swaps[i]
		if totals[s.Pair] == nil {
			totals[s.Pair] = in.empty(s.Pair)
		}
		t := totals[s.Pair]
		if t.Swaps == skipped {
			continue
		}
		if err := t.add(s); err != nil {
			// Any contract can emit such amounts. They must not take the other pairs' totals with them.
			sdk.PutAside(ctx, err)
			t.Swaps = skipped
		}
	}
	for _, pair := range slices.SortedFunc(maps.Keys(totals), common.Address.Cmp) {
		if totals[pair].Swaps == skipped {
			continue
		}
		if err := emit(*totals[pair]); err != nil {
			return err
		}
	}
	return nil
}

// skipped stands for the count of a pair whose volume is beyond 256 bits.
const skipped = ^uint64(0)

// sameBranch checks that blocks and swaps, which two readers have read, are of the same branch of the chain.
func (in *span) sameBranch() error {
	hashes := make(map[uint64]common.Hash, len(in.Blocks))
	for _, b := range in.Blocks {
		hashes[b.BlockNumber] = b.BlockHash
	}
	for i := range in.Swaps {
		s := &in.Swaps[i]
		if hash, ok := hashes[s.BlockNumber]; ok && hash != s.BlockHash {
			return fmt.Errorf("join block %d: its hash is %s where blocks are read and %s where swaps are: the chain was reorganised in between, read both again",
				s.BlockNumber, hash, s.BlockHash)
		}
	}
	return nil
}

// empty is the total of a pair without swaps. Where a span was made without waiting for its blocks, the newest swap tells of the block.
func (in *span) empty(pair common.Address) *pairTotal {
	t := &pairTotal{Begin: in.Span.Begin, End: in.Span.End, Pair: pair}
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

// add adds one swap. After an error the totals are of no use.
func (t *pairTotal) add(s *swapped) error {
	t.Swaps++
	err0 := addAll(&t.Volume0, &s.Amount0In, &s.Amount0Out)
	err1 := addAll(&t.Volume1, &s.Amount1In, &s.Amount1Out)
	if err := errors.Join(err0, err1); err != nil {
		return fmt.Errorf("add up the swaps of pair %s up to block %d: %w", t.Pair, s.BlockNumber, errTooMuch)
	}
	return nil
}

var errTooMuch = errors.New("the volume is beyond 256 bits: this is no pair of Uniswap, leave it out with the setting pairs of uniswap.swaps")

func addAll(sum *uint256.Int, amounts ...*uint256.Int) error {
	for _, amount := range amounts {
		if _, over := sum.AddOverflow(sum, amount); over {
			return errTooMuch
		}
	}
	return nil
}
