package proxy

import (
	"strings"
	"testing"
)

// lagging asks a proxy whose first answer is that of a replica; its chain's head
// is 9, and the replica is as far behind as the fault says.
func lagging(t *testing.T, body string) (answer string, head uint64) {
	t.Helper()
	p, faults := serve(t, Lagging, &chain{head: 9})
	_, text, err := post(t, p, body)
	if err != nil || len(faults.all) != 1 || faults.all[0].Kind != Lagging {
		t.Fatalf("got %v and faults %v, want one replica that lags", err, faults.all)
	}
	return text, 9 - faults.all[0].Behind
}

func TestAReplicaKnowsNothingOfNewerBlocks(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"METHOD","params":[PARAMS]}`
	tests := map[string]struct{ method, params, want string }{
		"its head":                 {"eth_blockNumber", ``, `"result":"HEAD"`},
		"the newest block":         {"eth_getBlockByNumber", `"latest",false`, `"number":"HEAD"`},
		"a block that it has":      {"eth_getBlockByNumber", `"HEAD",false`, `"number":"HEAD"`},
		"a newer block":            {"eth_getBlockByNumber", `"0x9",false`, `"result":null`},
		"a newer block by hash":    {"eth_getBlockByHash", `"` + hashOf(9) + `",false`, `"result":null`},
		"an old block by hash":     {"eth_getBlockByHash", `"` + hashOf(1) + `",false`, `"number":"0x1"`},
		"logs of newer blocks":     {"eth_getLogs", `{"fromBlock":"0x1","toBlock":"0x9"}`, `beyond current head block`},
		"logs of a newer block":    {"eth_getLogs", `{"blockHash":"` + hashOf(9) + `"}`, `unknown block`},
		"logs of a block it has":   {"eth_getLogs", `{"blockHash":"` + hashOf(1) + `"}`, `"result":[]`},
		"the state of a newer one": {"eth_getBalance", `"0xaa","0x9"`, `header not found`},
		"logs of blocks that it has": {
			"eth_getLogs", `{"fromBlock":"HEAD","toBlock":"HEAD"}`,
			`"result":[{"blockNumber":"HEAD","logIndex":"0x0"},{"blockNumber":"HEAD","logIndex":"0x1"}]`,
		},
		"logs up to the newest": {
			"eth_getLogs", `{"fromBlock":"HEAD"}`,
			`"result":[{"blockNumber":"HEAD","logIndex":"0x0"},{"blockNumber":"HEAD","logIndex":"0x1"}]`,
		},
	}
	_, head := lagging(t, one)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			fill := strings.NewReplacer("METHOD", c.method, "PARAMS", c.params)
			at := strings.NewReplacer("HEAD", hex(head))
			if got, _ := lagging(t, at.Replace(fill.Replace(call))); !strings.Contains(got, at.Replace(c.want)) {
				t.Errorf("got %s, want %s", got, at.Replace(c.want))
			}
		})
	}
}

func TestAReplicaIsTheSameForAllOfABatch(t *testing.T) {
	got, head := lagging(t, `[{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x9",false]},`+
		`{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber","params":[]}]`)
	want := `[{"jsonrpc":"2.0","id":1,"result":null},{"jsonrpc":"2.0","id":2,"result":"` + hex(head) + `"}]`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestALimitOfRangesHoldsAlways(t *testing.T) {
	p, _ := serve(t, Cut, &chain{head: 9})
	p.SetRate(0)
	p.limit = &limit{blocks: 3, words: wordings[0]}
	if _, text, _ := post(t, p, logs); !strings.Contains(text, "exceed maximum block range 3") {
		t.Errorf("logs of nine blocks: got %s, want an error", text)
	}
	if _, text, _ := post(t, p, strings.Replace(logs, "0x9", "0x3", 1)); strings.Count(text, "logIndex") != 6 {
		t.Errorf("logs of three blocks: got %s, want six", text)
	}
}
