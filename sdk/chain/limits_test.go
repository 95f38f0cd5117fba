package chain_test

import (
	"testing"

	"github.com/penstock-io/penstock/sdk/chain"
)

func TestLimitsThatProvidersState(t *testing.T) {
	blocks := func(n uint64) chain.Limit { return chain.Limit{Blocks: n} }
	cases := map[string]chain.Limit{
		"Log response size exceeded. this block range should work: [0x10, 0x20]":            {From: 0x10, To: 0x20},
		"this block range should work: [0x20, 0x10]":                                        {From: 0x10, To: 0x20},
		"query returned more than 10000 results. Try with this block range [0x100, 0x1ff].": {From: 0x100, To: 0x1ff},
		"query exceeds max results 20000, retry with the range 6000000-6000509":             {From: 6000000, To: 6000509},
		"You can make eth_getLogs requests with up to a 2,000 block range":                  blocks(2000),
		"up to a 10k block range": blocks(10_000),
		"requested too many blocks from 1 to 5000, maximum is set to 2048": blocks(2047),
		"Max range: 800": blocks(799),
		"Maximum allowed number of requested blocks is 1000":                     blocks(1000),
		"eth_getLogs is limited to a 10,000 range":                               {},
		"eth_getLogs is limited to 1024 block range. Please check the parameter": blocks(1024),
		"limited to a 5 blocks range":                                            blocks(5),
		"exceeds the range allowed for your plan (20000 > 5000)":                 blocks(5000),
		"please limit the query to at most 1000 blocks":                          blocks(1000),
		"maximum block range: 50000":                                             blocks(50000),
		"query exceeds max block range 1000":                                     blocks(1000),
		"block range greater than 500 max":                                       blocks(500),
		"block range exceeds 1000":                                               blocks(1000),
		"block range is too wide (maximum 1024)":                                 blocks(1024),
		"query must be smaller than size 1024":                                   blocks(1023),
		"maximum [from, to] blocks distance: 2000":                               blocks(2000),
		"exceed max block range: 5000":                                           blocks(5000),
		"exceed maximum block range 1000":                                        blocks(1000),
		"range 10000 exceeds limit of 5000":                                      blocks(5000),
		"eth_getLogs range is too large, max is 1k blocks":                       blocks(1000),
		"block range too large, maximum allowed is 100 blocks":                   blocks(100),
		"ranges over 10000 blocks are not supported on freetier":                 blocks(10000),
	}
	for text, want := range cases {
		if got := chain.LimitOf(&chain.RPCError{Code: -32000, Message: text}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

