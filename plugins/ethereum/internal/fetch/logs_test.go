package fetch_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

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
