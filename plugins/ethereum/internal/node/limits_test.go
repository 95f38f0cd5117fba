package node_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/node"
)

func TestLimitsThatProvidersState(t *testing.T) {
	blocks := func(n uint64) node.Limit { return node.Limit{Blocks: n} }
	cases := map[string]node.Limit{
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
		if got := node.LimitOf(&node.RPCError{Code: -32000, Message: text}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// kindOfAnswer asks a node that answers every call but eth_chainId with an error.
func kindOfAnswer(t *testing.T, code int, message string, once bool) node.Kind {
	t.Helper()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "eth_chainId" {
			_, _ = io.WriteString(w, echo(calls, batch))
			return
		}
		text, err := json.Marshal(message)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":%s}}`, code, text)
	})
	calls := say(1)
	calls[0].Once = once
	err := open(t, node.Config{Retries: 1}, url).Do(t.Context(), calls)
	if err == nil {
		t.Fatal("no error")
	}
	return node.KindOf(err)
}

func TestKindsOfErrors(t *testing.T) {
	cases := []struct {
		code    int
		message string
		want    node.Kind
	}{
		{-32005, "query returned more than 10000 results", node.TooMuch},
		{-32000, "logs matched by query exceeds limit of 10000", node.TooMuch},
		{-32000, "too many logs", node.TooMuch},
		{-32000, "More than 20000 logs returned", node.TooMuch},
		{-32600, "block range is too wide", node.TooMuch},
		{-32000, "block range too large", node.TooMuch},
		{-32000, "Block range limit exceeded.", node.TooMuch},
		{-32000, "backend response too large", node.TooMuch},
		{-32000, "response size should not greater than 150000000 bytes", node.TooMuch},
		{-32000, "response is too big", node.TooMuch},
		{-32000, "range threshold exceeded", node.TooMuch},
		{-32000, "exceeded max allowed", node.TooMuch},
		{-32011, "no backend is currently healthy to serve traffic", node.TooMuch},
		{-32602, "exceed maximum block range 1000", node.TooMuch},
		{-32602, "range 10000 exceeds limit of 5000", node.TooMuch},
		{-32602, "who knows", node.TooMuch}, // a range that is not understood is halved
		{-32002, "request timed out", node.TooMuch},
		{-32602, "exceed max addresses or topics per search position", node.TooManyAddresses},
		{-32602, "exceed max topics", node.TooManyAddresses},
		{4444, "pruned history unavailable", node.Pruned},
		{-32000, "pruned history unavailable", node.Pruned},
		{-32601, "the method eth_getLogs does not exist/is not available", node.NoMethod},
		{-32000, "Unsupported method: eth_getLogs", node.NoMethod},
		{-32602, "block range extends beyond current head block", node.Transient},
		{-32602, "invalid block range params", node.Transient},
		{-32000, "header not found", node.Transient},
		{-32000, "unknown block", node.Transient},
		{429, "slow down", node.Transient},
		{-32005, "daily request count exceeded, request rate limited", node.Transient},
		{-32000, "Your app has exceeded its compute units per second capacity", node.Transient},
		{-32700, "parse error", node.Invalid},
	}
	for _, c := range cases {
		if got := kindOfAnswer(t, c.code, c.message, true); got != c.want {
			t.Errorf("%d %s: got kind %d, want %d", c.code, c.message, got, c.want)
		}
	}
}
