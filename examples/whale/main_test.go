package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// tokens is an amount of a token with 18 decimals.
func tokens(n uint64) uint256.Int {
	return *new(uint256.Int).Mul(uint256.NewInt(n), uint256.NewInt(1e18))
}

func TestWhaleReportsLargeSwaps(t *testing.T) {
	pair := common.HexToAddress("0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc")
	small := Swap{BlockNumber: 1, Pair: pair, Amount0In: tokens(1000)}
	large := Swap{BlockNumber: 2, Pair: pair, Amount0In: tokens(1001)}
	other := Swap{BlockNumber: 3, Pair: pair, Amount1In: tokens(50_000)}
	swaps := []Swap{small, large, other}

	p := plugintest.Run(t, sdk.Subscriber("whale.alert", &whale{Above: 1000}))
	for _, test := range []struct {
		settings string
		want     []Alert
	}{
		{`{}`, []Alert{{large}, {other}}},
		{`{"above": 0.5}`, []Alert{{small}, {large}, {other}}},
		{`{"above": 50000}`, nil},
	} {
		got := plugintest.Transform[Alert](t, p, "whale.alert", test.settings, swaps)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.settings, diff)
		}
	}
}
