// Command uniswap understands the pairs of Uniswap V2 and of the many exchanges that emit its events.
//
// Two subscribers decode events, and an aggregator adds swaps up by pair. Everything is integers, in the smallest unit of each
// token: what a token is worth, and how many decimals it is shown with, is for others to say.
package main

import "github.com/penstock-io/penstock/sdk"

func main() { sdk.Serve(registers()...) }

func registers() []sdk.Register {
	return []sdk.Register{
		sdk.Subscriber("uniswap.swaps", &swaps{}).
			Reads("eth.logs").Doc("Swaps in Uniswap V2 pairs."),
		sdk.Subscriber("uniswap.reserves", &reserves{}).
			Reads("eth.logs").Doc("Reserves of Uniswap V2 pairs, after each change."),
		sdk.Aggregator("uniswap.pair_totals", &pairTotals{}).
			Reads("eth.blocks", "uniswap.swaps").Doc("Swaps and volumes of each pair, by block or by epoch."),
	}
}
