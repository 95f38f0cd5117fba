package fetch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// What providers say where a range is too large. N is the most blocks they take, LESS one more where they count the distance, FROM and TO a range
// that they would take.
var objections = []struct {
	code int
	text string
}{
	{-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a N block range. Based on your parameters, this block range should work: [0xFROM, 0xTO]"},
	{-32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a N block range."},
	{-32005, "query returned more than 10000 results. Try with this block range [0xFROM, 0xTO]."},
	{-32005, "query returned more than 10000 results"},
	{-32602, "query exceeds max results 20000, retry with the range DECFROM-DECTO"},
	{-32000, "requested too many blocks from 0 to 500, maximum is set to LESS"},
	{-32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: LESS"},
	{-32000, "Maximum allowed number of requested blocks is N"},
	{-32000, "eth_getLogs is limited to a N blocks range"},
	{-32614, "eth_getLogs is limited to a N range"},
	{-32000, "the block range exceeds the range allowed for your plan (5000 > N)"},
	{-32000, "Block range limit exceeded. See more details at https://docs.example.com"},
	{-32000, "please limit the query to at most N blocks"},
	{-32701, "Please specify an address in your request or, to remove restrictions, order a dedicated full node; maximum block range: N"},
	{-32602, "query exceeds max block range N"},
	{-32000, "block range greater than N max"},
	{-32000, "block range exceeds N"},
	{-32000, "block range is too wide (maximum N)"},
	{-32000, "query must be smaller than size LESS"},
	{-32000, "maximum [from, to] blocks distance: N"},
	{-32600, "exceed max block range: N"},
	{-32600, "block range is too wide"},
	{-32000, "eth_getLogs range is too large, max is N blocks"},
	{-32000, "block range too large, maximum allowed is N blocks"},
	{-32000, "block range too large"},
	{-32000, "logs matched by query exceeds limit of 10000"},
	{-32000, "More than 10000 logs returned"},
	{-32000, "too many logs"},
	{-32602, "backend response too large"},
	{-32008, "Response is too big"},
	{-32602, "response size should not greater than 10000000 bytes"},
	{-32000, "range threshold exceeded"},
	{-32000, "exceeded max allowed"},
	{-32000, "ranges over N blocks are not supported on freetier"},
	{-32011, "no backend is currently healthy to serve traffic"},
	{-32602, "exceed maximum block range N"},
	{-32602, "range 501 exceeds limit of N"},
	{-32000, "request timed out"},
	{-32016, "a sentence that nobody has heard of yet"},
}

// Whatever the words, all logs are read, and the node has to say them only a few times.
func TestEveryObjectionToARange(t *testing.T) {
	made := nodetest.NewChain(700)
	filter := fetch.Filter{{Addresses: []common.Address{nodetest.Address(0), nodetest.Address(1)}}}
	want := keys(made, 0, 700, filter)
	const takes = 150
	for _, o := range objections {
		t.Run(o.text[:min(40, len(o.text))], func(t *testing.T) {
			t.Parallel()
			refused := 0
			served := &nodetest.Node{Chain: made, Before: func(method string, params ...any) error {
				if method != "eth_getLogs" {
					return nil
				}
				from, to := params[0].(nodetest.Query).Blocks()
				if to-from+1 <= takes {
					return nil
				}
				refused++
				words := strings.NewReplacer(
					"0xFROM", chain.Hex(from), "0xTO", chain.Hex(from+takes-1), "DECFROM", fmt.Sprint(from), "DECTO", fmt.Sprint(from+takes-1), "LESS", fmt.Sprint(takes+1), "N", fmt.Sprint(takes),
				)
				return &nodetest.Error{Code: o.code, Message: words.Replace(o.text)}
			}}
			l := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{Slow: time.Hour})
			rows, err := all(t.Context(), l, 0, 700, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, keysOf(t, made, rows)); diff != "" {
				t.Errorf("logs (-want +got):\n%s", diff)
			}
			if refused > 8 {
				t.Errorf("the node had to refuse %d times", refused)
			}
		})
	}
}
