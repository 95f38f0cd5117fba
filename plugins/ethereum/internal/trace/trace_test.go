package trace_test

import (
	"fmt"
	"math/big"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/statetest"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/trace"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

func source(t *testing.T, url string, d trace.Dialect) *trace.Source {
	t.Helper()
	service := &nodetest.Service{URL: url, Tries: 3}
	t.Cleanup(service.Close)
	return &trace.Source{
		Client: chain.NewClient(service, "test", chain.Asker{}), ChainID: 7, Dialect: d, Batch: 5, Timeout: 5 * time.Second, Log: hclog.NewNullLogger(),
	}
}

func serve(t *testing.T, s *statetest.State) string {
	t.Helper()
	server := httptest.NewServer(s.Handler(t))
	t.Cleanup(server.Close)
	return server.URL
}

// counter counts calls by method.
type counter struct {
	mu sync.Mutex // protects of
	of map[string]int
}

func (c *counter) count(method string, _ ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[method]++
	return nil
}

var errTimeout = &nodetest.Error{Code: -32000, Message: "execution timeout"}

// Both dialects tell the same, whole blocks or transaction by transaction, and the right one is found out.
func TestDialects(t *testing.T) {
	c := nodetest.NewChain(30)
	e := follow.Extent{From: 0, To: 20, Final: true}
	var first []eth.Trace
	for name, test := range map[string]struct {
		traces  statetest.Traces
		dialect trace.Dialect
		asked   string
	}{
		"parity":            {statetest.Traces{Parity: true, Geth: true}, trace.Parity, "trace_block"},
		"geth":              {statetest.Traces{Parity: true, Geth: true}, trace.Geth, "debug_traceBlockByHash"},
		"found out: parity": {statetest.Traces{Parity: true}, trace.Auto, "trace_block"},
		"found out: geth":   {statetest.Traces{Geth: true}, trace.Auto, "debug_traceBlockByHash"},
		"parity in pieces":  {statetest.Traces{Parity: true, Heavy: func(*nodetest.Block) error { return errTimeout }}, trace.Auto, "trace_transaction"},
		"geth in pieces":    {statetest.Traces{Geth: true, Heavy: func(*nodetest.Block) error { return errTimeout }}, trace.Auto, "debug_traceTransaction"},
	} {
		var asked counter
		s := source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c, Before: asked.count}, Traces: test.traces}), test.dialect)
		span, err := s.Span(t.Context(), e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if asked.of[test.asked] == 0 {
			t.Errorf("%s: %s was not asked for: %v", name, test.asked, asked.of)
		}
		at := 0
		for i, b := range c.Range(0, 20) {
			for k, hash := range b.Transactions {
				for _, row := range span.Rows[at : at+2] {
					if *row.TransactionHash != hash || *row.TransactionIndex != uint64(k) || row.BlockHash != b.Hash || row.Timestamp != b.Time || row.ChainID != 7 || string(row.Input) != string(b.Hash[:4]) {
						t.Fatalf("%s: block %d has %+v", name, i, row)
					}
				}
				at += 2
			}
			if got := span.Blocks[i]; got.Hash != b.Hash || got.End != at {
				t.Fatalf("%s: block %d is %+v", name, i, got)
			}
		}
		if first == nil {
			first = span.Rows
		}
		if diff := cmp.Diff(first, span.Rows); diff != "" {
			t.Errorf("%s tells something else:\n%s", name, diff)
		}
	}
}

// Answers that cannot be true are refused: what is missing, of another block or transaction, or there twice.
func TestWrongTraces(t *testing.T) {
	c := nodetest.NewChain(30)
	number := uint64(5)
	for len(c.At(number).Transactions) < 2 {
		number++
	}
	wrong := map[string]func(answer []any) []any{
		"has no trace":              func(a []any) []any { return a[2:] },
		"answered null":             func([]any) []any { return nil },
		"belongs to another block":  func(a []any) []any { a[1].(map[string]any)["blockHash"] = common.Hash{1}; return a },
		"which block":               func(a []any) []any { a[1].(map[string]any)["transactionHash"] = common.Hash{1}; return a },
		"has two traces of its own": func(a []any) []any { return append(a, a[0]) },
		"has no trace ":             func([]any) []any { return []any{} },
	}
	for want, spoil := range wrong {
		s := source(t, serve(t, &statetest.State{
			Node:   &nodetest.Node{Chain: c},
			Traces: statetest.Traces{Parity: true, Spoil: func(_ *nodetest.Block, a []any) []any { return spoil(a) }},
		}), trace.Parity)
		_, err := s.Span(t.Context(), follow.Extent{From: number, To: number, Final: true})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || !strings.Contains(err.Error(), fmt.Sprintf("trace block %d", number)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	short := func(_ *nodetest.Block, a []any) []any { return a[:len(a)-1] }
	s := source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}, Traces: statetest.Traces{Geth: true, Spoil: short}}), trace.Geth)
	if _, err := s.Span(t.Context(), follow.Extent{From: number, To: number, Final: true}); err == nil || !strings.Contains(err.Error(), "transactions but") {
		t.Errorf("a trace is missing: %v", err)
	}
}

// Who cannot trace says so, with what to do about it.
func TestNodesThatCannotTrace(t *testing.T) {
	c := nodetest.NewChain(30)
	number := uint64(5)
	for len(c.At(number).Transactions) == 0 {
		number++
	}
	e := follow.Extent{From: number, To: number, Final: true}
	_, err := source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}}), trace.Auto).Span(t.Context(), e)
	if err == nil || !strings.Contains(err.Error(), "no endpoint of the network tells of traces (enable the trace or debug namespace") {
		t.Errorf("neither dialect: %v", err)
	}
	for _, dialect := range []statetest.Traces{{Parity: true}, {Geth: true}} {
		_, err = source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}, Oldest: number + 1, Traces: dialect}), trace.Auto).Span(t.Context(), e)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("tracing needs the state before block %d, which only an archive node has", number)) {
			t.Errorf("pruned: %v", err)
		}
	}
}

// A node that never comes to an end with a block is asked for its transactions.
func TestBlocksThatTakeTooLong(t *testing.T) {
	c := nodetest.NewChain(30)
	number := uint64(5)
	for len(c.At(number).Transactions) == 0 {
		number++
	}
	var asked atomic.Bool
	hang := make(chan struct{})
	s := source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}, Traces: statetest.Traces{Geth: true, Heavy: func(*nodetest.Block) error {
		asked.Store(true)
		<-hang
		return errTimeout
	}}}), trace.Geth)
	t.Cleanup(func() { close(hang) })
	s.Timeout = 50 * time.Millisecond
	span, err := s.Span(t.Context(), follow.Extent{From: number, To: number, Final: true})
	if err != nil || len(span.Rows) != 2*len(c.At(number).Transactions) || !asked.Load() {
		t.Errorf("%d rows, %v", len(span.Rows), err)
	}
}

// contracts: one calls another and then a contract that reverts, and creates one.
func contracts() map[common.Address][]byte {
	call := func(to byte) string {
		return "6000600060006000600073" + strings.Repeat("00", 18) + "c0" + fmt.Sprintf("%02x", to) + "5af150"
	}
	return map[common.Address][]byte{
		common.HexToAddress("0xc001"): common.FromHex(call(2) + call(3) + "60006000600060f050" + "00"),
		common.HexToAddress("0xc002"): common.FromHex(call(4) + "00"),
		common.HexToAddress("0xc003"): common.FromHex(call(4) + "60006000fd"),
		common.HexToAddress("0xc004"): common.FromHex("00"),
	}
}

// What go-ethereum's own tracer tells of nested calls and of failures above others comes out flat, in order, with what failed with it.
func TestTracesOfARealNode(t *testing.T) {
	n := realnode.Start(t, contracts())
	to := common.HexToAddress("0xc001")
	n.Send(t, &to, new(big.Int), nil)
	n.Send(t, &common.Address{9, 9}, big.NewInt(5), nil)
	n.Send(t, nil, new(big.Int), common.FromHex("6001600055"))
	n.Commit()
	n.Commit()
	s := source(t, n.HTTP(t), trace.Auto)
	span, err := s.Span(t.Context(), follow.Extent{From: 0, To: 2})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range span.Rows {
		got = append(got, fmt.Sprintf("%d %v %s %s status %d %s", *row.TransactionIndex, row.TraceAddress, row.TraceType, row.CallType, row.Status, row.Error))
	}
	want := []string{
		"0 [] call call status 1 ", "0 [0] call call status 1 ", "0 [0 0] call call status 1 ", "0 [1] call call status 0 execution reverted", "0 [1 0] call call status 0 ",
		"1 [] call call status 1 ", "2 [] create  status 1 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if end := []int{span.Blocks[0].End, span.Blocks[1].End, span.Blocks[2].End}; !cmp.Equal(end, []int{0, len(want), len(want)}) {
		t.Errorf("blocks end at %v", end)
	}
}

// The rewards of blocks from before the Merge are made up where the node cannot tell the whole block.
func TestRewardsOfBlocksInPieces(t *testing.T) {
	const number = 4_400_000
	hash, parent, tx := common.Hash{1}, common.Hash{2}, common.Hash{3}
	header := func(number uint64, miner common.Address) string {
		return fmt.Sprintf(`{"number":"0x%x","hash":%q,"parentHash":%q,"timestamp":"0x10","miner":%q,"difficulty":"0x10","transactions":[%q]}`, number, hash, parent, miner, tx)
	}
	server := httptest.NewServer(answers(t, map[string]string{
		"eth_getBlockByNumber": header(number, common.Address{0xaa}),
		"trace_transaction": fmt.Sprintf(`[{"type":"call","action":{"callType":"call","from":"0x%040x","to":"0x%040x","value":"0x0","gas":"0x0","input":"0x"},"result":null,`+
			`"subtraces":0,"traceAddress":[],"blockHash":%q,"blockNumber":%d,"transactionHash":%q,"transactionPosition":0}]`, 1, 2, hash, number, tx),
		"eth_getUncleCountByBlockHash":    `"0x1"`,
		"eth_getUncleByBlockHashAndIndex": header(number-1, common.Address{0xbb}),
	}))
	defer server.Close()
	s := source(t, server.URL, trace.Parity)
	s.ChainID = 1
	span, err := s.Span(t.Context(), follow.Extent{From: number, To: number, Final: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range span.Rows {
		if row.Author != nil {
			got = append(got, fmt.Sprintf("%s %x %s %s", row.RewardType, row.Author[0], &row.Value, row.TraceID))
		}
	}
	want := []string{"block aa 3093750000000000000 reward_4400000_0", "uncle bb 2625000000000000000 reward_4400000_1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.ChainID = 7
	if _, err := s.Span(t.Context(), follow.Extent{From: number, To: number, Final: true}); err == nil || !strings.Contains(err.Error(), "raise block_timeout") {
		t.Errorf("of another chain: %v", err)
	}
}
