package chain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// Whoever lacks the end of a range is skipped for it: all answers are of one
// endpoint.
func TestTogetherIsAnsweredByOne(t *testing.T) {
	answer := func(who string, has bool) func(c asked) string {
		return func(c asked) string {
			if c.Method == "eth_getBlockByNumber" && !has {
				return `"result":null`
			}
			if c.Method == "eth_blockNumber" {
				return `"result":"0x64"`
			}
			return fmt.Sprintf(`"result":{"number":"0x64","by":%q}`, who)
		}
	}
	behind, ahead := start(t, answer("behind", false)), start(t, answer("ahead", true))
	n := open(t, config.Network{}, behind.url, ahead.url)
	n.ask(t, query("eth_blockNumber")) // somebody has shown block 100
	request := sdkchain.Request{Together: true, Calls: []sdkchain.Query{
		query("eth_getLogs", map[string]string{"fromBlock": "0x1", "toBlock": "0x64"}), query("eth_getBlockByNumber", "0x64", false),
	}}
	for range 3 {
		results, err := n.Exchange(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil || !strings.Contains(string(r.Raw), "ahead") || !strings.HasPrefix(r.Endpoint, "e1 (http://") {
				t.Errorf("got %s, %v of %s, want the answer of the one that has the block", r.Raw, r.Err, r.Endpoint)
			}
		}
	}
	if got := behind.count("eth_getLogs"); got != 1 {
		t.Errorf("the endpoint without the block was asked %d times, want once", got)
	}
}
