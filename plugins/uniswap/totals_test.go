package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func hashOf(number uint64) common.Hash { return common.Hash{byte(number), 0xb1} }

func blockAt(number uint64) block {
	return block{BlockNumber: number, BlockHash: hashOf(number), Timestamp: at.Add(time.Duration(number) * time.Second)}
}

func swapAt(number uint64, pair common.Address, in0, in1, out0, out1 uint64) swapped {
	return swapped{
		BlockNumber: number, BlockHash: hashOf(number), Timestamp: blockAt(number).Timestamp, Pair: pair,
		Amount0In: *uint256.NewInt(in0), Amount1In: *uint256.NewInt(in1), Amount0Out: *uint256.NewInt(out0), Amount1Out: *uint256.NewInt(out1),
	}
}

func totalsOf(t *testing.T, in span) []pairTotal {
	t.Helper()
	var out []pairTotal
	if err := (&pairTotals{}).Aggregate(t.Context(), in, func(row pairTotal) error { out = append(out, row); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTotalsOfABlock(t *testing.T) {
	got := totalsOf(t, span{
		Blocks: []block{blockAt(5)},
		Swaps:  []swapped{swapAt(5, pairA, 1_000, 0, 0, 2_500), swapAt(5, pairB, 0, 7, 9, 0), swapAt(5, pairA, 0, 500, 199, 1)},
		Span:   sdk.Span{Begin: 5, End: 5, Complete: true},
	})
	want := []pairTotal{
		{
			BlockNumber: 5, BlockHash: hashOf(5), Timestamp: blockAt(5).Timestamp, Begin: 5, End: 5,
			Pair: pairB, Swaps: 1, Volume0: *uint256.NewInt(9), Volume1: *uint256.NewInt(7),
		},
		{
			BlockNumber: 5, BlockHash: hashOf(5), Timestamp: blockAt(5).Timestamp, Begin: 5, End: 5,
			Pair: pairA, Swaps: 2, Volume0: *uint256.NewInt(1_199), Volume1: *uint256.NewInt(3_001),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTotalsStandAtTheNewestBlockOfTheirSpan(t *testing.T) {
	swaps := []swapped{swapAt(11, pairA, 1, 0, 0, 1), swapAt(13, pairA, 1, 0, 0, 1)}
	tests := []struct {
		name   string
		blocks []block
		want   uint64
	}{
		{"a whole epoch", []block{blockAt(10), blockAt(11), blockAt(12), blockAt(13), blockAt(14)}, 14},
		{"an epoch that a backtest cuts short", []block{blockAt(10), blockAt(11), blockAt(12), blockAt(13)}, 13},
		{"a span made without waiting for its blocks", nil, 13},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := totalsOf(t, span{Blocks: tt.blocks, Swaps: swaps, Span: sdk.Span{Begin: 10, End: 14}})
			want := []pairTotal{{
				BlockNumber: tt.want, BlockHash: hashOf(tt.want), Timestamp: blockAt(tt.want).Timestamp, Begin: 10, End: 14,
				Pair: pairA, Swaps: 2, Volume0: *uint256.NewInt(2), Volume1: *uint256.NewInt(2),
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoSwapsNoTotals(t *testing.T) {
	if got := totalsOf(t, span{Blocks: []block{blockAt(1)}, Span: sdk.Span{Begin: 1, End: 1}}); len(got) > 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

func TestPairThatLiesDoesNotStopTheOthers(t *testing.T) {
	liar := swapAt(5, pairB, 0, 0, 0, 0)
	liar.Amount0In.SetAllOne()
	more := swapAt(5, pairB, 1, 0, 0, 0)
	got := totalsOf(t, span{
		Blocks: []block{blockAt(5)}, Swaps: []swapped{liar, more, swapAt(5, pairA, 1, 0, 0, 2), more}, Span: sdk.Span{Begin: 5, End: 5},
	})
	if len(got) != 1 || got[0].Pair != pairA || got[0].Swaps != 1 {
		t.Errorf("got %v, want the one swap in %s", got, pairA)
	}
	got = totalsOf(t, span{Swaps: []swapped{liar}, Span: sdk.Span{Begin: 5, End: 5}})
	if len(got) != 1 || !got[0].Volume0.Eq(new(uint256.Int).SetAllOne()) {
		t.Errorf("got %v, want the largest volume there is", got)
	}
}

func TestSwapsOfAnotherBranchAreNotAdded(t *testing.T) {
	other := swapAt(5, pairA, 1, 0, 0, 2)
	other.BlockHash = common.Hash{0xff}
	in := span{Blocks: []block{blockAt(5)}, Swaps: []swapped{other}, Span: sdk.Span{Begin: 5, End: 5}}
	err := (&pairTotals{}).Aggregate(t.Context(), in, func(pairTotal) error { t.Error("a row was emitted"); return nil })
	if err == nil || !strings.Contains(err.Error(), "block 5") || !strings.Contains(err.Error(), other.BlockHash.String()) {
		t.Errorf("got %v, want an error that names block 5 and both hashes", err)
	}
}

// A host that goes on from a checkpoint of the branch that is gone would meet it
// for ever: it is asked to go back further.
func TestAnotherBranchIsReadAgainFromBeforeIt(t *testing.T) {
	p := plugintest.Run(t, sdk.Aggregator("uniswap.pair_totals", &pairTotals{}))
	process := plugintest.Open(t, p, plugintest.Step{Register: "uniswap.pair_totals", Start: sdk.Start{Inputs: []sdk.Input{
		plugintest.Wire[block](t, "blocks"), plugintest.Wire[swapped](t, "swaps"),
	}}})
	plugintest.Send(process, "blocks", blockAt(5))
	other := swapAt(5, pairA, 1, 0, 0, 1)
	other.BlockHash = common.Hash{0xee}
	plugintest.Send(process, "swaps", other)
	process.Block("blocks", 5)
	process.Block("swaps", 5)
	failed := process.Expect(plugintest.Failed).Failure
	if failed.Class != "rewind" || failed.Cursor == nil || failed.Cursor.Block != 4 {
		t.Errorf("got %s at %+v, want a rewind to block 4", failed, failed.Cursor)
	}
}

func TestTotalsStopWhenTheirConsumerDoes(t *testing.T) {
	full := errors.New("full")
	in := span{Swaps: []swapped{swapAt(5, pairA, 1, 0, 0, 2)}, Span: sdk.Span{Begin: 5, End: 5}}
	if err := (&pairTotals{}).Aggregate(t.Context(), in, func(pairTotal) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}
