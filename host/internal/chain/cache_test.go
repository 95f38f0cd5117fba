package chain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

var someHash = hashOf("some")

// What is final, or about a block of a hash, is asked for once. Everything else is
// asked for as often as somebody wants it.
func TestWhatIsKept(t *testing.T) {
	const about90 = `[{"blockNumber":"0x5a"}]`
	cases := map[string]struct {
		call, answer string
		kept         bool
	}{
		"a block of a hash":               {`eth_getBlockByHash["` + someHash + `",true]`, `{"number":"0x200"}`, true},
		"a block at a final height":       {`eth_getBlockByNumber["0x64",false]`, `{"number":"0x64"}`, true},
		"a block above the final height":  {`eth_getBlockByNumber["0x65",false]`, `{"number":"0x65"}`, false},
		"the head":                        {`eth_getBlockByNumber["latest",false]`, headJSON(120, "a", "b"), false},
		"the final block":                 {`eth_getBlockByNumber["finalized",false]`, headJSON(100, "a", "b"), false},
		"the first block by its tag":      {`eth_getBlockByNumber["earliest",false]`, `{"number":"0x0"}`, false},
		"a block that is not there":       {`eth_getBlockByNumber["0x20",false]`, `null`, false},
		"a hash that nobody knows":        {`eth_getBlockByHash["` + someHash + `",false]`, `null`, false},
		"a height":                        {`eth_blockNumber[]`, `"0x78"`, false},
		"receipts":                        {`eth_getBlockReceipts["0x10"]`, about90, true},
		"receipts of a hash":              {`eth_getBlockReceipts["` + someHash + `"]`, about90, true},
		"receipts of a hash in an object": {`eth_getBlockReceipts[{"blockHash":"` + someHash + `"}]`, about90, true},
		"logs of a final range":           {`eth_getLogs[{"fromBlock":"0x1","toBlock":"0x64"}]`, about90, true},
		"no logs of a final range":        {`eth_getLogs[{"fromBlock":"0x1","toBlock":"0x64"}]`, `[]`, false},
		"logs of a range that grows":      {`eth_getLogs[{"fromBlock":"0x1","toBlock":"0x65"}]`, about90, false},
		"logs up to the head":             {`eth_getLogs[{"fromBlock":"0x1","toBlock":"latest"}]`, about90, false},
		"logs without an end":             {`eth_getLogs[{"fromBlock":"0x1"}]`, about90, false},
		"logs of a block":                 {`eth_getLogs[{"blockHash":"` + someHash + `"}]`, about90, true},
		"a final receipt":                 {`eth_getTransactionReceipt["` + someHash + `"]`, `{"blockNumber":"0x64"}`, true},
		"a receipt that may change":       {`eth_getTransactionReceipt["` + someHash + `"]`, `{"blockNumber":"0x65"}`, false},
		"a transaction that waits":        {`eth_getTransactionByHash["` + someHash + `"]`, `{"blockNumber":null}`, false},
		"traces of a transaction":         {`trace_transaction["` + someHash + `"]`, `[{"blockNumber":90}]`, true},
		"a balance":                       {`eth_getBalance["0xaa","0x10"]`, `"0x5"`, true},
		"a balance now":                   {`eth_getBalance["0xaa","latest"]`, `"0x5"`, false},
		"a balance without a block":       {`eth_getBalance["0xaa"]`, `"0x5"`, false},
		"a call at a final height":        {`eth_call[{"to":"0xaa"},"0x10"]`, `"0x0000"`, true},
		"a call at a hash":                {`eth_call[{"to":"0xaa"},{"blockHash":"` + someHash + `"}]`, `"0x0000"`, true},
		"a call at a canonical hash":      {`eth_call[{"to":"0xaa"},{"blockHash":"` + someHash + `","requireCanonical":true}]`, `"0x0000"`, false},
		"a slot":                          {`eth_getStorageAt["0xaa","0x200","0x10"]`, `"0x0000"`, true},
		"a method that nobody knows":      {`eth_getWonders["0x10"]`, `"0x0000"`, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			n := &faked{answer: always(c.answer)}
			s := serviceOf(t, n)
			settled(t, s)
			before := n.count(c.call)
			for range 2 {
				raws(t, s, c.call)
			}
			want := 2
			if c.kept {
				want = 1
			}
			if got := n.count(c.call) - before; got != want {
				t.Errorf("asked %d times for %s, want %d", got, c.call, want)
			}
		})
	}
}

// An answer of which nobody knows yet whether it is final is not kept, and makes
// the service ask what is final.
func TestFinalHeightIsAskedFor(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := serviceOf(t, n)
	raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	eventually(t, func() bool {
		return n.count(`eth_getBlockByNumber["finalized",false]`) == 1 && s.Status()[0].Final == 100
	})
	for range 2 {
		raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	}
	if got := n.count(`eth_getBlockByNumber["0x10",false]`); got != 2 {
		t.Errorf("asked %d times for a block that turned out to be final, want 2", got)
	}
	for range 20 {
		raws(t, s, `eth_getBlockByNumber["0x70",false]`)
	}
	if got := n.count(`eth_getBlockByNumber["finalized",false]`); got != 1 {
		t.Errorf("asked %d times what is final, want once within %s", got, "twelve seconds")
	}
}

// Where finality is a number of confirmations, it follows from the height.
func TestFinalByConfirmations(t *testing.T) {
	n := &faked{answer: func(q sdk.Query) (string, *sdk.Error) {
		if q.Method == "eth_blockNumber" {
			return `"0x70"`, nil
		}
		return `{"number":"0x60"}`, nil
	}}
	s := serviceOf(t, n, func(n *config.Network) { n.Finality = "12" })
	raws(t, s, `eth_blockNumber[]`)
	if got := s.Status()[0].Final; got != 0x70-12 {
		t.Errorf("the final height is %d, want %d", got, 0x70-12)
	}
}

// A reader has rejected an answer: it must not get the same again from the cache,
// and neither must another.
func TestRejectedAnswerIsForgotten(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10","bad":true}`)}
	s := serviceOf(t, n)
	settled(t, s)
	const call = `eth_getBlockByNumber["0x10",false]`
	raws(t, s, call)
	n.set(always(`{"number":"0x10","good":true}`))
	if got := raws(t, s, call); !strings.Contains(got[0], "bad") {
		t.Fatalf("got %s, want what was kept", got[0])
	}
	r := requestOf(call)
	r.Calls[0].Rejected = []sdk.Rejection{{Endpoint: "main", Reason: "its hash is another"}}
	results, err := s.Exchange(t.Context(), r)
	if err != nil || !strings.Contains(string(results[0].Raw), "good") {
		t.Fatalf("got %s, %v, want a fresh answer", results[0].Raw, err)
	}
	if got := raws(t, s, call); !strings.Contains(got[0], "good") {
		t.Errorf("got %s, want the answer that was not rejected", got[0])
	}
	if got := n.requests[len(n.requests)-1].Calls[0].Rejected; len(got) != 1 {
		t.Errorf("the nodes were told of %d rejections, want 1", len(got))
	}
}

// What is kept takes no more than it may, and an answer that would take most of it
// is not kept.
func TestCacheIsBounded(t *testing.T) {
	n := &faked{answer: func(q sdk.Query) (string, *sdk.Error) {
		size := 1000
		if strings.Contains(string(q.Params), "0x63") {
			size = 60_000
		}
		return `{"number":"0x10","x":"` + strings.Repeat("x", size) + `"}`, nil
	}}
	size := uint64(200_000)
	s := serviceOf(t, n, func(n *config.Network) { n.RPC.Cache, n.Finality = &size, "0" })
	raws(t, s, `eth_getBlockByHash["`+someHash+`",true]`)
	for i := range 1000 {
		raws(t, s, fmt.Sprintf(`eth_getBlockByHash["0x%064x",false]`, i))
		if got := s.Status()[0].Cache.Bytes; got > size {
			t.Fatalf("%d bytes are kept, want at most %d", got, size)
		}
	}
	if got := s.Status()[0].Cache; got.Answers < 50 {
		t.Errorf("only %d answers are kept", got.Answers)
	}
	big := "0x63" + strings.Repeat("0", 62)
	for range 2 {
		raws(t, s, `eth_getBlockByHash["`+big+`",false]`)
	}
	if got := n.count(`eth_getBlockByHash["` + big + `",false]`); got != 2 {
		t.Errorf("asked %d times for an answer that is too big to be kept, want 2", got)
	}
}

// Without a cache everything is asked for.
func TestNoCache(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := serviceOf(t, n, func(n *config.Network) { n.RPC.Cache = new(uint64) })
	settled(t, s)
	for range 2 {
		raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	}
	if got := n.count(`eth_getBlockByNumber["0x10",false]`); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
}

// Calls that are to be answered together come all from what was kept, or none.
func TestTogetherFromOneSource(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := serviceOf(t, n)
	settled(t, s)
	raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	r := requestOf(`eth_getBlockByNumber["0x10",false]`, `eth_getBlockByNumber["0x11",false]`)
	r.Together = true
	for range 2 {
		if _, err := s.Exchange(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.count(`eth_getBlockByNumber["0x10",false]`); got != 2 {
		t.Errorf("asked %d times for what was kept, want once with its neighbour and then never", got)
	}
	if last := n.requests[len(n.requests)-1]; !last.Together || len(last.Calls) != 2 {
		t.Errorf("the nodes were asked %+v, want both calls together", last)
	}
}

// An answer belongs to who asked: what he does to it does not reach others.
func TestAnswersAreNotShared(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := serviceOf(t, n)
	settled(t, s)
	const call = `eth_getBlockByNumber["0x10",false]`
	for range 3 {
		results, err := s.Exchange(t.Context(), requestOf(call))
		if err != nil || string(results[0].Raw) != `{"number":"0x10"}` {
			t.Fatalf("got %s, %v", results[0].Raw, err)
		}
		clear(results[0].Raw)
	}
}

// Who only reads gets what is kept itself.
func TestAnswersAreNotCopiedForReaders(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := serviceOf(t, n)
	settled(t, s)
	r := requestOf(`eth_getBlockByNumber["0x10",false]`)
	r.ReadOnly = true
	var first []byte
	for range 3 {
		results, err := s.Exchange(t.Context(), r)
		if err != nil || string(results[0].Raw) != `{"number":"0x10"}` {
			t.Fatalf("got %s, %v", results[0].Raw, err)
		}
		if first == nil {
			first = results[0].Raw
		}
		if &first[0] != &results[0].Raw[0] {
			t.Error("an answer was copied")
		}
	}
}
