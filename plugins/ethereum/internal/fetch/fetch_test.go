package fetch_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
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

// Logs that a node gave before it had the end of their range are not trusted.
func TestLogsOfALaggingNodeAreAskedForAgain(t *testing.T) {
	made := nodetest.NewChain(60)
	behind, asked := uint64(30), 0
	served := &nodetest.Node{Chain: made, Partial: true, Height: func() uint64 { return 60 - behind }, Before: func(m string, _ ...any) error {
		if m == "eth_getLogs" {
			asked++
			behind = 0 // it catches up after it has answered with half of them
		}
		return nil
	}}
	filter := fetch.Filter{{Topics: [][]common.Hash{{nodetest.Topic(0), nodetest.Topic(1)}}}}
	span, err := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{}).Span(t.Context(), follow.Extent{From: 10, To: 50, Final: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(made, 10, 50, filter), keysOf(t, made, span.Rows)); diff != "" || asked != 2 {
		t.Errorf("asked %d times, logs (-want +got):\n%s", asked, diff)
	}
}

// keys names the logs of a chain that a filter takes.
func keys(c *nodetest.Chain, from, to uint64, f fetch.Filter) []string {
	var out []string
	for _, b := range c.Range(from, to) {
		for _, l := range b.Logs {
			if slices.ContainsFunc(f, func(g fetch.Group) bool { return nodetest.Query{Address: g.Addresses, Topics: g.Topics}.Takes(l) }) {
				out = append(out, nodetest.Key(b.Number, b.Hash, l.Index))
			}
		}
	}
	return out
}

func keysOf(t *testing.T, c *nodetest.Chain, rows []eth.Log) []string {
	t.Helper()
	var out []string
	for _, l := range rows {
		out = append(out, nodetest.Key(l.BlockNumber, l.BlockHash, l.LogIndex))
		if b := c.By(l.BlockHash); b == nil || !l.Timestamp.Equal(b.Time) || string(l.Data) != "\x01\x02" {
			t.Errorf("log %d of block %d: time %s, data %x", l.LogIndex, l.BlockNumber, l.Timestamp, l.Data)
		}
	}
	return out
}

// all reads blocks the way package follow does, one span after another.
func all(ctx context.Context, l *fetch.Logs, from, to uint64, final bool) (rows []eth.Log, err error) {
	for from <= to {
		end := min(to, from+l.Size(final)-1)
		span, err := l.Span(ctx, follow.Extent{From: from, To: end, Final: final})
		if err != nil {
			return rows, err
		}
		rows = append(rows, span.Rows...)
		from = end + 1
	}
	return rows, nil
}

func TestLogsOfEveryKindOfNode(t *testing.T) {
	made := nodetest.NewChain(600)
	many := make([]common.Address, 40)
	for i := range many {
		many[i] = nodetest.Address(i)
	}
	filters := map[string]fetch.Filter{
		"everything":     fetch.Everything(),
		"an address":     {{Addresses: []common.Address{nodetest.Address(1)}}},
		"addresses":      {{Addresses: many}},
		"a topic":        {{Topics: [][]common.Hash{{nodetest.Topic(1)}, {}, {}}}},
		"either topic":   {{Topics: [][]common.Hash{{nodetest.Topic(0), nodetest.Topic(1)}}}},
		"second topic":   {{Topics: [][]common.Hash{{}, {nodetest.Mark(77), nodetest.Mark(78), nodetest.Mark(480)}}}},
		"nothing at all": {{Addresses: []common.Address{{0xff}}}},
		"nobody":         {},
		"two groups": {
			{Addresses: []common.Address{nodetest.Address(0)}, Topics: [][]common.Hash{{nodetest.Topic(0)}}},
			{Addresses: []common.Address{nodetest.Address(1), nodetest.Address(2)}, Topics: [][]common.Hash{{nodetest.Topic(1)}}},
		},
		"groups that overlap": {{Addresses: []common.Address{nodetest.Address(0)}}, {Topics: [][]common.Hash{{nodetest.Topic(1)}}}},
	}
	nodes := map[string]*nodetest.Node{
		"obliging":      {Chain: made},
		"few blocks":    {Chain: made, MostBlocks: 7},
		"one block":     {Chain: made, MostBlocks: 1},
		"few logs":      {Chain: made, MostLogs: 25},
		"few addresses": {Chain: made, MostAddresses: 3},
		"without times": {Chain: made, NoTimes: true},
		"small batches": {Chain: made, BatchItems: 2},
		"all of it":     {Chain: made, MostBlocks: 50, MostLogs: 60, MostAddresses: 9, NoTimes: true, BatchItems: 20},
	}
	for name, served := range nodes {
		for what, filter := range filters {
			t.Run(name+"/"+what, func(t *testing.T) {
				l := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{})
				rows, err := all(t.Context(), l, 0, 430, true)
				if err != nil {
					t.Fatal(err)
				}
				tip, err := all(t.Context(), l, 431, 500, false)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(keys(made, 0, 500, filter), keysOf(t, made, append(rows, tip...))); diff != "" {
					t.Errorf("logs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestRangesAreLearnt(t *testing.T) {
	cases := []struct {
		name   string
		served nodetest.Node
		asked  int // at most, for 6000 blocks
		denied int // at most
	}{
		{"a stated limit is hit once", nodetest.Node{MostBlocks: 300}, 23, 1},
		{"a limit of results is felt for", nodetest.Node{MostLogs: 1000}, 45, 12},
		{"no limit: ranges grow", nodetest.Node{}, 6, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			asked, denied := 0, 0
			served := c.served
			served.Chain = nodetest.Make(nodetest.Config{Bodies: 16}, 6000)
			served.Before = func(method string, params ...any) error {
				if method == "eth_getLogs" {
					asked++
				}
				return nil
			}
			served.Denied = func() { denied++ }
			filter := fetch.Filter{{Topics: [][]common.Hash{{nodetest.Topic(0), nodetest.Topic(1)}}}}
			l := fetch.NewLogs(t.Context(), open(t, &served), filter, fetch.LogsConfig{Slow: time.Hour})
			if _, err := all(t.Context(), l, 0, 5999, true); err != nil {
				t.Fatal(err)
			}
			if asked > c.asked || denied > c.denied {
				t.Errorf("asked %d times and denied %d times, want at most %d and %d", asked, denied, c.asked, c.denied)
			}
		})
	}
}

func TestRangeAsSuggested(t *testing.T) {
	var sizes []uint64
	made := nodetest.NewChain(3000)
	served := &nodetest.Node{Chain: made, Before: func(method string, params ...any) error {
		if method != "eth_getLogs" {
			return nil
		}
		from, to := params[0].(nodetest.Query).Blocks()
		sizes = append(sizes, to-from+1)
		if to-from+1 > 130 {
			return &nodetest.Error{Code: -32602, Message: "query returned too much. Try with this block range [" + chain.Hex(from) + ", " + chain.Hex(from+129) + "]."}
		}
		return nil
	}}
	l := fetch.NewLogs(t.Context(), open(t, served), fetch.Filter{{Addresses: []common.Address{nodetest.Address(1)}}}, fetch.LogsConfig{})
	if _, err := all(t.Context(), l, 0, 499, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{500, 130, 130, 130, 110}, sizes); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
}

func TestLogsThatCannotBeRead(t *testing.T) {
	cases := []struct {
		name string
		say  error
		want string
		kind chain.Kind
	}{
		{"old blocks are gone", &nodetest.Error{Code: 4444, Message: "pruned history unavailable"}, "pruned history unavailable (code 4444)", chain.Pruned},
		{"too many logs in one block", &nodetest.Error{Code: -32005, Message: "query returned more than 10 results"}, "query returned more than 10 results (code -32005); its receipts: ", chain.TooMuch},
		{"words that nobody knows", &nodetest.Error{Code: -32000, Message: "ook"}, "logs of blocks 0 to 99, and of block 0 alone: ", chain.Unclear},
		{"no such method", &nodetest.Error{Code: -32601, Message: "the method eth_getLogs does not exist/is not available"}, "eth_getLogs does not exist", chain.NoMethod},
	}
	for _, c := range cases {
		served := &nodetest.Node{Chain: nodetest.NewChain(100), Before: func(method string, _ ...any) error {
			if method == "eth_getLogs" || strings.Contains(method, "Receipt") {
				return c.say
			}
			return nil
		}}
		filter := fetch.Filter{{Topics: [][]common.Hash{{nodetest.Topic(0), nodetest.Topic(1)}}}}
		l := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{})
		_, err := all(t.Context(), l, 0, 99, true)
		if err == nil || !strings.Contains(err.Error(), c.want) || chain.KindOf(err) != c.kind {
			t.Errorf("%s: got %v of kind %d, want %q of kind %d", c.name, err, chain.KindOf(err), c.want, c.kind)
		}
	}
}

// A node that has a block but not yet its logs answers with none. The bloom says that there may be some, and the receipts have them.
func TestMissingLogsAreNoticed(t *testing.T) {
	made := nodetest.NewChain(40)
	full := uint64(0)
	for made.At(full).Quiet {
		full++
	}
	filter := fetch.Filter{{Addresses: []common.Address{made.At(full).Logs[0].Address}}}
	served := &nodetest.Node{Chain: made, Hide: func() bool { return true }}
	l := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{})
	span, err := l.Span(t.Context(), follow.Extent{From: full, To: full})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(made, full, full, filter), keysOf(t, made, span.Rows)); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
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

// A chain that moves between two calls gives logs of one chain, or word that it moved.
func TestLogsOfAChainThatMovesMeanwhile(t *testing.T) {
	for _, final := range []bool{true, false} {
		made := nodetest.NewChain(60)
		from := uint64(30)
		for made.At(from).Quiet {
			from++
		}
		calls := 0
		served := &nodetest.Node{Chain: made, Before: func(string, ...any) error {
			if calls++; calls == 3 {
				made.Reorg(int(made.Height()-from)+2, 45)
				for made.At(from).Quiet {
					made.Reorg(int(made.Height()-from)+2, 45)
				}
			}
			return nil
		}}
		l := fetch.NewLogs(t.Context(), open(t, served), fetch.Everything(), fetch.LogsConfig{})
		span, err := l.Span(t.Context(), follow.Extent{From: from, To: from + 10, Final: final})
		if errors.Is(err, follow.ErrUnlinked) {
			continue
		}
		if err != nil || !final {
			t.Fatalf("final %v: got %v, want ErrUnlinked", final, err)
		}
		if diff := cmp.Diff(keys(made, from, from+10, fetch.Everything()), keysOf(t, made, span.Rows)); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	}
}
