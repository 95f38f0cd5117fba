package main

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
)

// TestTotalsAreTheSumsOfTheirSwaps adds up random spans once more, pair by pair
// and with numbers of any size.
func TestTotalsAreTheSumsOfTheirSwaps(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in := randomSpan(rand.New(rand.NewPCG(seed, 1)))
			var got []string
			for _, total := range totalsOf(t, in) {
				got = append(got, fmt.Sprintf("%s %d %s %s at %d of %d to %d", total.Pair, total.Swaps,
					total.Volume0.Dec(), total.Volume1.Dec(), total.BlockNumber, total.Begin, total.End))
			}
			if diff := cmp.Diff(addedUp(in), got); diff != "" {
				t.Errorf("%d swaps (-want +got):\n%s", len(in.Swaps), diff)
			}
		})
	}
}

// addedUp is what the totals of a span have to be, those aside that are beyond
// 256 bits.
func addedUp(in span) []string {
	var pairs []common.Address
	newest := uint64(0)
	for _, s := range in.Swaps {
		pairs = append(pairs, s.Pair)
		newest = max(newest, s.BlockNumber)
	}
	for _, b := range in.Blocks {
		newest = max(newest, b.BlockNumber)
	}
	slices.SortFunc(pairs, func(a, b common.Address) int { return bytes.Compare(a[:], b[:]) })
	var want []string
	for _, pair := range slices.Compact(pairs) {
		n, volume0, volume1 := 0, new(big.Int), new(big.Int)
		for _, s := range in.Swaps {
			if s.Pair == pair {
				n++
				volume0.Add(volume0, s.Amount0In.ToBig()).Add(volume0, s.Amount0Out.ToBig())
				volume1.Add(volume1, s.Amount1In.ToBig()).Add(volume1, s.Amount1Out.ToBig())
			}
		}
		if volume0.BitLen() <= 256 && volume1.BitLen() <= 256 {
			want = append(want, fmt.Sprintf("%s %d %s %s at %d of %d to %d", pair, n, volume0, volume1, newest, in.Span.Begin, in.Span.End))
		}
	}
	return want
}

// randomSpan has up to twenty blocks, some of them missing where it is not
// complete, and amounts of any size: the largest are rare enough for most
// volumes to stay within 256 bits.
func randomSpan(r *rand.Rand) span {
	begin := r.Uint64N(1 << 40)
	in := span{Span: sdk.Span{Begin: begin, End: begin + r.Uint64N(20), Complete: r.IntN(4) > 0}}
	for number := begin; number <= in.Span.End; number++ {
		if in.Span.Complete || r.IntN(2) == 0 {
			in.Blocks = append(in.Blocks, blockAt(number))
		}
		for range r.IntN(6) {
			s := swapAt(number, common.Address{byte(r.IntN(3)), 19: byte(r.IntN(3))}, 0, 0, 0, 0)
			for _, amount := range []*uint256.Int{&s.Amount0In, &s.Amount1In, &s.Amount0Out, &s.Amount1Out} {
				amount.SetAllOne().Rsh(amount, min(255, uint(r.IntN(300)+1)))
				amount.Sub(amount, uint256.NewInt(min(amount.Uint64(), r.Uint64N(1000))))
			}
			in.Swaps = append(in.Swaps, s)
		}
	}
	return in
}
