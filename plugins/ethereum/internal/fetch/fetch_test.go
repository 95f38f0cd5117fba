package fetch_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// open asks a made-up node, with hardly a wait between tries.
func open(t *testing.T, served *nodetest.Node) *fetch.Node {
	t.Helper()
	return &fetch.Node{
		Client: chain.NewClient(nodetest.Direct(t, served), "test", chain.Asker{}), ChainID: 1, Verify: true, Log: hclog.NewNullLogger(),
	}
}

func blocksOf(n *fetch.Node, full, receipts bool) *fetch.Blocks[fetch.Block] {
	return fetch.NewBlocks(n, fetch.Part{Full: full, Receipts: receipts}, 10, func(dst []fetch.Block, b *fetch.Block) []fetch.Block {
		return append(dst, *b)
	})
}

func TestBlocksWithTransactionsAndReceipts(t *testing.T) {
	made := nodetest.NewChain(30)
	for _, served := range []*nodetest.Node{{Chain: made}, {Chain: made, NoReceipts: true}, {Chain: made, BatchItems: 3}} {
		source := blocksOf(open(t, served), true, true)
		span, err := source.Span(t.Context(), follow.Extent{From: 5, To: 20})
		if err != nil {
			t.Fatalf("%+v: %v", served, err)
		}
		if span.Parent != made.At(4).Hash || len(span.Rows) != 16 {
			t.Fatalf("got %d blocks after %s, want 16 after block 4", len(span.Rows), span.Parent)
		}
		for i, got := range span.Rows {
			want := made.At(uint64(5 + i))
			if at := span.Blocks[i]; at.Hash != want.Hash || at.Number != want.Number || at.Parent != want.Parent || at.End != i+1 {
				t.Errorf("block %d is placed at %+v", want.Number, at)
			}
			got.AttachReceipts()
			if len(got.Transactions) != len(want.Transactions) || len(got.Receipts) != len(want.Transactions) {
				t.Fatalf("block %d: got %d transactions and %d receipts, want %d", want.Number, len(got.Transactions), len(got.Receipts), len(want.Transactions))
			}
			for k, tx := range got.Transactions {
				r := want.Receipt(k)
				if tx.TransactionHash != want.Transactions[k] || *tx.Status != r.Status || *tx.CumulativeGasUsed != r.CumulativeGasUsed || *tx.LogCount != uint64(len(r.Logs)) {
					t.Errorf("block %d: transaction %d has status %d, gas %d and %d logs, want %+v", want.Number, k, *tx.Status, *tx.CumulativeGasUsed, *tx.LogCount, r)
				}
			}
		}
	}
}

func TestReceiptsAreLeftOutUnlessAskedFor(t *testing.T) {
	var asked atomic.Int32
	served := &nodetest.Node{Chain: nodetest.NewChain(10), Before: func(method string, _ ...any) error {
		if strings.Contains(method, "Receipt") {
			asked.Add(1)
		}
		return nil
	}}
	span, err := blocksOf(open(t, served), true, false).Span(t.Context(), follow.Extent{From: 1, To: 10})
	if err != nil || asked.Load() != 0 {
		t.Fatalf("got %v, and receipts were asked for %d times", err, asked.Load())
	}
	for _, b := range span.Rows {
		b.AttachReceipts()
		for _, tx := range b.Transactions {
			if tx.Status != nil || tx.GasUsed != nil {
				t.Errorf("got %+v, want nothing of a receipt", tx)
			}
		}
	}
}

// A chain that moves between two calls of a batch gives no rows, but word that it moved.
func TestChainThatMovesMeanwhile(t *testing.T) {
	for method, full := range map[string]bool{"eth_getBlockReceipts": true, "eth_getBlockByNumber": false} {
		made := nodetest.NewChain(30)
		calls := 0
		served := &nodetest.Node{Chain: made, Before: func(m string, _ ...any) error {
			if m == method {
				if calls++; calls == 2 {
					made.Reorg(25, 30)
				}
			}
			return nil
		}}
		_, err := blocksOf(open(t, served), full, full).Span(t.Context(), follow.Extent{From: 10, To: 20})
		if !errors.Is(err, follow.ErrUnlinked) {
			t.Errorf("%s: got %v, want ErrUnlinked", method, err)
		}
	}
}

// A node behind a balancer may answer for a chain that is shorter than the head we know.
func TestWaitsForALaggingNode(t *testing.T) {
	made := nodetest.NewChain(20)
	behind := uint64(3)
	served := &nodetest.Node{Chain: made, Height: func() uint64 { return 20 - behind }, Before: func(m string, params ...any) error {
		if m == "eth_getBlockByNumber" && params[0] == "0x14" && behind > 0 {
			behind--
		}
		return nil
	}}
	if _, err := blocksOf(open(t, served), true, true).Span(t.Context(), follow.Extent{From: 18, To: 20}); err != nil {
		t.Errorf("Span: %v", err)
	}
}

// At the head one exchange is enough, and none where the bloom that came with the news says that there is nothing to find.
func TestHeadIsNotAskedForAgain(t *testing.T) {
	made := nodetest.NewChain(40)
	for made.Head().Quiet {
		made.Mine(1)
	}
	head := made.Head()
	var methods []string
	served := &nodetest.Node{Chain: made, Before: func(method string, _ ...any) error {
		methods = append(methods, method)
		return nil
	}}
	news, err := served.Answer("eth_getBlockByNumber", []byte(`["latest",false]`))
	if err != nil {
		t.Fatal(err)
	}
	methods = nil
	config := fetch.LogsConfig{Head: func(hash common.Hash) ([]byte, bool) { return news, hash == head.Hash }}
	extent := follow.Extent{From: head.Number, To: head.Number, Head: head.Ref}
	for _, filter := range []fetch.Filter{{{Addresses: []common.Address{head.Logs[0].Address}}}, {{Addresses: []common.Address{{0xff, 1, 2}}}}} {
		span, err := fetch.NewLogs(t.Context(), open(t, served), filter, config).Span(t.Context(), extent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keys(made, head.Number, head.Number, filter), keysOf(t, made, span.Rows)); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"eth_getBlockByHash", "eth_getLogs"}, methods); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}
