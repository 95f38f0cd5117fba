package chain_test

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/chain"
)

// saying is an error as a provider writes it, and what it means.
type saying struct {
	who   string
	code  int
	text  string
	data  string
	kind  chain.Kind
	limit chain.Limit
}

func blocks(n uint64) chain.Limit { return chain.Limit{Blocks: n} }

// What providers answer to eth_getLogs, and to batches of it.
var catalogue = []saying{
	{"Alchemy", -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x10, 0x20]", "", chain.TooMuch, chain.Limit{From: 0x10, To: 0x20}},
	{"Alchemy, the wrong way round", -32602, "this block range should work: [0x20, 0x10]", "", chain.TooMuch, chain.Limit{From: 0x10, To: 0x20}},
	{"Alchemy, free", -32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.", "", chain.TooMuch, blocks(10)},
	{"Aurora", -32000, "up to a 2,000 block range", "", chain.TooMuch, blocks(2000)},
	{"Infura", -32005, "query returned more than 10000 results. Try with this block range [0x100, 0x1ff].", "", chain.TooMuch, chain.Limit{From: 0x100, To: 0x1ff}},
	{"Infura, in the data alone", -32005, "query returned more than 10000 results", `{"from":"0x100","limit":10000,"to":"0x1FF"}`, chain.TooMuch, chain.Limit{From: 0x100, To: 0x1ff}},
	{"Infura, 2026", -32602, "range 10000 exceeds limit of 5000", "", chain.TooMuch, blocks(5000)},
	{"zkSync", -32602, "Query returned more than 10000 results. Try with this block range [0x1, 0x7f].", "", chain.TooMuch, chain.Limit{From: 1, To: 127}},
	{"thirdweb", -32000, "Maximum allowed number of requested blocks is 1000", "", chain.TooMuch, blocks(1000)},
	{"Tenderly", -32000, "TRY WITH THIS BLOCK RANGE [0X1, 0X2]", "", chain.TooMuch, chain.Limit{From: 1, To: 2}},
	{"reth, drpc, llama", -32602, "query exceeds max results 20000, retry with the range 6000000-6000509", "", chain.TooMuch, chain.Limit{From: 6000000, To: 6000509}},
	{"reth", -32602, "query exceeds max results 20000", "", chain.TooMuch, chain.Limit{}},
	{"zkEVM", -32005, "query returned more than 10000 results", "", chain.TooMuch, chain.Limit{}},
	{"with separators", -32005, "Query returned more than 10,000 results", "", chain.TooMuch, chain.Limit{}},
	{"Avalanche", -32000, "requested too many blocks from 1 to 5000, maximum is set to 2048", "", chain.TooMuch, blocks(2047)},
	{"Cloudflare", -32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", "", chain.TooMuch, blocks(799)},
	{"QuickNode", -32614, "eth_getLogs is limited to a 10,000 range", "", chain.TooMuch, blocks(10_000)},
	{"QuickNode, free", -32614, "eth_getLogs is limited to a 5 range", "", chain.TooMuch, blocks(5)},
	{"1RPC", -32000, "eth_getLogs is limited to a 10000 blocks range", "", chain.TooMuch, blocks(10_000)},
	{"BlockPI", -32602, "eth_getLogs is limited to 1024 block range. Please check the parameter requirements at https://docs.example", "", chain.TooMuch, blocks(1024)},
	{"Blast", -32000, "limited to a 500 block range", "", chain.TooMuch, blocks(500)},
	{"Blast, paid", -32600, "The query exceeds the range allowed for your plan (20000 > 5000).", "", chain.TooMuch, blocks(5000)},
	{"Chainstack", -32602, "Block range limit exceeded. See more details at https://docs.example", "", chain.TooMuch, blocks(10_000)},
	{"Coinbase", -32602, "please limit the query to at most 1000 blocks", "", chain.TooMuch, blocks(1000)},
	{"publicnode", -32701, "exceed maximum block range: 50000", "", chain.TooMuch, blocks(50_000)},
	{"publicnode, again", -32701, "maximum block range: 50000", "", chain.TooMuch, blocks(50_000)},
	{"Hyperliquid", -32602, "query exceeds max block range 1000", "", chain.TooMuch, blocks(1000)},
	{"Swell", -32000, "block range greater than 500 max", "", chain.TooMuch, blocks(500)},
	{"Somnia", -32000, "block range exceeds 1000", "", chain.TooMuch, blocks(1000)},
	{"Moonriver", -32603, "block range is too wide (maximum 1024)", "", chain.TooMuch, blocks(1024)},
	{"Harmony", -32000, "query must be smaller than size 1024", "", chain.TooMuch, blocks(1023)},
	{"Ankr on TAC", -32000, "maximum [from, to] blocks distance: 2000", "", chain.TooMuch, blocks(2000)},
	{"Ankr", -32600, "block range is too wide", "", chain.TooMuch, blocks(3000)},
	{"Tron", -32602, "exceed max block range: 5000", "", chain.TooMuch, blocks(5000)},
	{"Merkle", -32602, "eth_getLogs range is too large, max is 10k blocks", "", chain.TooMuch, blocks(10_000)},
	{"Merkle, small", -32602, "eth_getLogs range is too large, max is 1k blocks", "", chain.TooMuch, blocks(1000)},
	{"Base", -32614, "block range too large, maximum allowed is 100 blocks", "", chain.TooMuch, blocks(100)},
	{"Base, Monad", -32614, "block range too large", "", chain.TooMuch, blocks(2000)},
	{"Base, down", -32011, "no backend is currently healthy to serve traffic", "", chain.TooMuch, chain.Limit{}},
	{"Arbitrum", -32000, "logs matched by query exceeds limit of 10000", "", chain.TooMuch, chain.Limit{}},
	{"more logs", -32000, "More than 20000 logs returned", "", chain.TooMuch, chain.Limit{}},
	{"many logs", -32000, "too many logs", "", chain.TooMuch, chain.Limit{}},
	{"backend", -32000, "backend response too large", "", chain.TooMuch, chain.Limit{}},
	{"size", -32008, "Response size should not greater than 10000000 bytes", "", chain.TooMuch, chain.Limit{}},
	{"big", -32008, "Response is too big", "", chain.TooMuch, chain.Limit{}},
	{"eRPC", -32012, "range threshold exceeded", "", chain.TooMuch, chain.Limit{}},
	{"eRPC, again", -32012, "exceeded max allowed range", "", chain.TooMuch, chain.Limit{}},
	{"dRPC, free", 35, "ranges over 10000 blocks are not supported on freetier", "", chain.TooMuch, blocks(10_000)},
	{"go-ethereum", -32602, "exceed maximum block range 1000", "", chain.TooMuch, blocks(1000)},
	{"Besu", -32005, "Requested range exceeds maximum RPC range limit", "", chain.TooMuch, chain.Limit{}},
	{"in the data", -32000, "query failed", `"exceed maximum block range: 1,000"`, chain.TooMuch, blocks(1000)},
	{"capitals", -32000, "EXCEED MAXIMUM BLOCK RANGE: 10K", "", chain.TooMuch, blocks(10_000)},
	{"underscores", -32000, "exceed maximum block range: 10_000", "", chain.TooMuch, blocks(10_000)},

	{"go-ethereum, ends", -32602, "invalid block range params", "", chain.Transient, chain.Limit{}},
	{"go-ethereum, beyond its head", -32602, "block range extends beyond current head block", "", chain.Transient, chain.Limit{}},
	{"EIP-4444", 4444, "pruned history unavailable", "", chain.Pruned, chain.Limit{}},
	{"EIP-4444, without the code", -32000, "pruned history unavailable", "", chain.Pruned, chain.Limit{}},
	{"go-ethereum, addresses", -32602, "exceed max addresses or topics per search position", "", chain.TooManyAddresses, chain.Limit{}},
	{"go-ethereum, topics", -32602, "exceed max topics", "", chain.TooManyAddresses, chain.Limit{}},
	{"go-ethereum, batch", -32600, "batch too large", "", chain.TooMuch, chain.Limit{}},
	{"go-ethereum, answer", -32003, "response too large", "", chain.TooMuch, chain.Limit{}},
	{"nobody knows", -32602, "query is not to our liking", "", chain.Unclear, chain.Limit{}},
	{"nobody knows either", -32005, "limit", "", chain.Unclear, chain.Limit{}},
	{"nor this", -32000, "something went wrong", "", chain.Unclear, chain.Limit{}},
	{"inside", -32603, "internal error", "", chain.Unclear, chain.Limit{}},
}

// What providers answer to anything.
var others = []saying{
	{"go-ethereum", 3, "execution reverted: ERC20: transfer amount exceeds balance", `"0x08c379a0"`, chain.Reverted, chain.Limit{}},
	{"without the code", -32000, "execution reverted", "", chain.Reverted, chain.Limit{}},
	{"Hardhat", -32603, "Error: VM Exception while processing transaction: reverted with reason string 'x'", "", chain.Reverted, chain.Limit{}},
	{"OpenEthereum", -32015, "VM execution error.", `"Reverted 0x"`, chain.Reverted, chain.Limit{}},
	{"gas", -32000, "out of gas: gas required exceeds: 1000", "", chain.Reverted, chain.Limit{}},
	{"full node", -32000, "missing trie node 0c0ffee (path ) state 0xabc is not available", "", chain.Pruned, chain.Limit{}},
	{"path scheme", -32000, "historical state 0xabc is not available", "", chain.Pruned, chain.Limit{}},
	{"Erigon", -32000, "old data not available due to pruning", "", chain.Pruned, chain.Limit{}},
	{"Nethermind", -32000, "No state available for block 0xabc", "", chain.Pruned, chain.Limit{}},
	{"Infura, no archive", -32002, "project ID does not have access to archive state", "", chain.Pruned, chain.Limit{}},
	{"reth, proof", -32000, "distance to target block exceeds maximum proof window", "", chain.Pruned, chain.Limit{}},
	{"no header", -32000, "header not found", "", chain.Transient, chain.Limit{}},
	{"Erigon, behind", -32000, "block not found: 0x10", "", chain.Transient, chain.Limit{}},
	{"Avalanche, behind", -32000, "cannot query unfinalized data", "", chain.Transient, chain.Limit{}},
	{"OpenEthereum, behind", -32000, "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.", "", chain.Transient, chain.Limit{}},
	{"dRPC, behind", -32000, "Upstream does not have the requested block yet", "", chain.Transient, chain.Limit{}},
	{"go-ethereum, method", -32601, "the method trace_block does not exist/is not available", "", chain.NoMethod, chain.Limit{}},
	{"method, in words", -32000, "Method trace_block is not supported", "", chain.NoMethod, chain.Limit{}},
	{"method, by EIP-1474", -32004, "no", "", chain.NoMethod, chain.Limit{}},
	{"Alchemy, rate", 429, "Your app has exceeded its compute units per second capacity.", "", chain.Transient, chain.Limit{}},
	{"QuickNode, rate", -32007, "50/second request limit reached - reduce calls per second or upgrade your account", "", chain.Transient, chain.Limit{}},
	{"Infura, rate", -32005, "daily request count exceeded, request rate limited", "", chain.Transient, chain.Limit{}},
	{"Base, rate", -32016, "over rate limit", "", chain.Transient, chain.Limit{}},
	{"month", -32000, "Monthly capacity limit exceeded", "", chain.Transient, chain.Limit{}},
	{"batches", -32600, "batch requests are not supported", "", chain.Unbatched, chain.Limit{}},
	{"batches, again", -32000, "Batching is disabled on this node", "", chain.Unbatched, chain.Limit{}},
	{"dRPC, batches", 31, "Batch of more than 3 requests are not allowed on free tier, to use this feature register paid account", "", chain.TooMuch, chain.Limit{}},
	{"go-ethereum, time", -32002, "request timed out", "", chain.TimedOut, chain.Limit{}},
	{"trace, time", -32000, "execution aborted (timeout = 5s)", "", chain.TimedOut, chain.Limit{}},
	{"key", -32000, "invalid api key", "", chain.Refused, chain.Limit{}},
	{"Alchemy, key", -32600, "Must be authenticated!", "", chain.Refused, chain.Limit{}},
	{"Ankr, key", -32000, "Unauthorized: You must authenticate your request with an API key.", "", chain.Refused, chain.Limit{}},
	{"parameter", -32602, "invalid argument 0: hex string has length 38, want 40 for common.Address", "", chain.Invalid, chain.Limit{}},
	{"parameters", -32602, "missing value for required argument 0", "", chain.Invalid, chain.Limit{}},
	{"request", -32600, "Invalid request", "", chain.Invalid, chain.Limit{}},
	{"busy", -32000, "server is busy, try again later", "", chain.Transient, chain.Limit{}},
}

// Each row, and each in other capitals and with its text in the data, means what
// it is known to mean.
func TestWhatProvidersMean(t *testing.T) {
	for _, s := range append(catalogue, others...) {
		forms := map[string]*chain.RPCError{
			"":         {Code: s.code, Message: s.text, Data: []byte(s.data)},
			"capitals": {Code: s.code, Message: strings.ToUpper(s.text), Data: []byte(s.data)},
		}
		if s.data == "" {
			forms["data"] = &chain.RPCError{Code: s.code, Message: "error", Data: []byte(`{"message": "` + s.text + `"}`)}
		}
		for form, e := range forms {
			if got := chain.KindOfAnswer(e); got != s.kind {
				t.Errorf("%s, %s: %q is of kind %d, want %d", s.who, form, e.Error(), got, s.kind)
			}
			if got := chain.LimitOf(e); got != s.limit {
				t.Errorf("%s, %s: %q states %+v, want %+v", s.who, form, e.Error(), got, s.limit)
			}
		}
	}
}

func TestLimitsThatSayNothing(t *testing.T) {
	cases := []struct {
		text  string
		asked uint64
		want  chain.Limit
	}{
		{"exceed maximum block range: 1000", 1001, blocks(1000)},
		{"exceed maximum block range: 1000", 1000, chain.Limit{}},
		{"Block range limit exceeded.", 20_000, blocks(10_000)},
		{"Block range limit exceeded.", 10_000, blocks(100)},
		{"Block range limit exceeded.", 100, chain.Limit{}},
		{"block range too large", 2000, chain.Limit{}},
		{"this block range should work: [0x0, 0x63]", 101, chain.Limit{To: 99}},
		{"this block range should work: [0x0, 0x63]", 100, chain.Limit{}},
		{"this block range should work: [0x0, 0x63]", 0, chain.Limit{}},
	}
	for _, c := range cases {
		if got := chain.LimitBelow(&chain.RPCError{Message: c.text}, c.asked); got != c.want {
			t.Errorf("%q to %d blocks: got %+v, want %+v", c.text, c.asked, got, c.want)
		}
	}
}

func TestThrottledAndOfBatch(t *testing.T) {
	for text, want := range map[string][2]bool{
		"over rate limit":    {true, false},
		"batch too large":    {false, true},
		"response too large": {false, true},
		"Batch of more than 3 requests are not allowed on free tier": {false, true},
		"query returned more than 10000 results":                     {false, false},
		"exceed maximum block range: 1000":                           {false, false},
		"execution reverted: too many requests":                      {false, false},
	} {
		e := &chain.RPCError{Code: -32000, Message: text}
		if got := [2]bool{e.Throttled(), e.OfBatch()}; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// Whatever a node writes, it means something, and a limit can be kept to.
func FuzzWhatProvidersMean(f *testing.F) {
	for _, s := range append(catalogue, others...) {
		f.Add(s.code, s.text, []byte(s.data), uint64(1000))
	}
	f.Fuzz(func(t *testing.T, code int, text string, data []byte, asked uint64) {
		e := &chain.RPCError{Code: code, Message: text, Data: data}
		if k := chain.KindOfAnswer(e); k > chain.WrongChain {
			t.Errorf("kind %d", k)
		}
		l := chain.LimitBelow(e, asked)
		if l.Blocks > 0 && (l.To > 0 || l.Blocks >= asked) || l.From > l.To || l.To > 0 && l.To-l.From >= asked {
			t.Errorf("asked for %d: %+v", asked, l)
		}
		_, _, _ = e.Throttled(), e.OfBatch(), e.Error()
	})
}
