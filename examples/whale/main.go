// Command whale is a Penstock plugin that reports large swaps in Uniswap pairs.
package main

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
)

// Swap is what it reads: the columns it needs of a uniswap.swap.
type Swap struct {
	BlockNumber          uint64
	Pair                 common.Address
	Amount0In, Amount1In uint256.Int
}

func (Swap) TransitType() string { return "uniswap.swap" }

// Alert is what it emits: the same columns under another name.
type Alert struct{ Swap }

func (Alert) TransitType() string { return "whale.alert" }

type whale struct {
	Above float64 `hcl:"above,optional" doc:"whole tokens, of 18 decimals each"`
}

func (w *whale) Transform(_ context.Context, s Swap, emit func(Alert) error) error {
	if max(s.Amount0In.Float64(), s.Amount1In.Float64()) > w.Above*1e18 {
		return emit(Alert{s})
	}
	return nil
}

func main() { sdk.Serve(sdk.Subscriber("whale.alert", &whale{Above: 1000}).Reads("uniswap.swaps")) }
