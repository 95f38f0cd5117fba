package fetch_test

import (
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
)

// Where most of a block's logs are wanted they are read out of receipts, and where few are, by ranges; whenever that changes.
func TestWayToLogsFollowsTheirDensity(t *testing.T) {
	made := nodetest.Make(nodetest.Config{Transactions: [2]int{20, 20}, Logs: [2]int{3, 3}, Contracts: 2, Bodies: 4}, 900)
	var ranges, receipts atomic.Int32
	served := &nodetest.Node{Chain: made, Before: func(method string, _ ...any) error {
		switch {
		case method == "eth_getLogs":
			ranges.Add(1)
		case strings.Contains(method, "Receipts"):
			receipts.Add(1)
		}
		return nil
	}}
	dense := fetch.Filter{{Addresses: []common.Address{nodetest.Address(0), nodetest.Address(1)}}}
	sparse := fetch.Filter{{Addresses: []common.Address{{0xff}}}}
	l := fetch.NewLogs(t.Context(), open(t, served), dense, fetch.LogsConfig{Most: 40, Slow: time.Hour})
	read := func(what string, filter fetch.Filter, from, to uint64) (asked, proven int32) {
		t.Helper()
		ranges.Store(0)
		receipts.Store(0)
		rows, err := all(t.Context(), l, from, to, true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keys(made, from, to, filter), keysOf(t, made, rows)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		return ranges.Load(), receipts.Load()
	}
	if asked, proven := read("dense", dense, 0, 300); asked == 0 || asked > 8 || proven < 100 {
		t.Errorf("dense logs were read by %d ranges and %d receipts, want a few ranges and then receipts", asked, proven)
	}
	l.Choose(sparse)
	if asked, proven := read("sparse", sparse, 301, 600); asked == 0 || proven > 150 {
		t.Errorf("sparse logs were read by %d ranges and %d receipts, want a few receipts and then ranges", asked, proven)
	}
	l.Choose(dense)
	if _, proven := read("dense again", dense, 601, 900); proven < 100 {
		t.Errorf("dense logs were read by %d receipts, want most of them", proven)
	}
}

// What was found out about a node is known to the next process: it begins with ranges and addresses that the node takes.
func TestWhatNodesTakeIsRemembered(t *testing.T) {
	made := nodetest.NewChain(900)
	denied := 0
	served := &nodetest.Node{Chain: made, MostBlocks: 70, MostAddresses: 3, Denied: func() { denied++ }}
	service := nodetest.Direct(t, served)
	many := make([]common.Address, 10)
	for i := range many {
		many[i] = nodetest.Address(i)
	}
	filter := fetch.Filter{{Addresses: many}}
	for run := range 2 {
		denied = 0
		n := &fetch.Node{Client: chain.NewClient(service, "test", chain.Asker{}), ChainID: 1, Verify: true, Log: hclog.NewNullLogger()}
		rows, err := all(t.Context(), fetch.NewLogs(t.Context(), n, filter, fetch.LogsConfig{Slow: time.Hour}), 0, 900, true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keys(made, 0, 900, filter), keysOf(t, made, rows)); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
		if run == 0 == (denied == 0) {
			t.Errorf("process %d: the node objected %d times, want that of the first process only", run, denied)
		}
	}
	want := map[string]uint64{
		"eth_getLogs|limit|addresses|" + service.URL: 70, "eth_getLogs|addresses||" + service.URL: 2,
	}
	known, err := service.Known(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("learned (-want +got):\n%s", diff)
	}
}

// Headers of a whole range and the receipts of those blocks that may have a chosen log: no eth_getLogs can hide anything.
func TestCompleteLogsNeedNoWordOfTheNode(t *testing.T) {
	made := nodetest.NewChain(120)
	served := &nodetest.Node{Chain: made, Hide: func() bool {
		t.Error("eth_getLogs was asked")
		return true
	}}
	filter := fetch.Filter{{Addresses: []common.Address{nodetest.Address(2)}, Topics: [][]common.Hash{{nodetest.Topic(1)}}}}
	l := fetch.NewLogs(t.Context(), open(t, served), filter, fetch.LogsConfig{Complete: true})
	rows, err := all(t.Context(), l, 0, 100, true)
	if err != nil {
		t.Fatal(err)
	}
	tip, err := l.Span(t.Context(), follow.Extent{From: 101, To: 120})
	if err != nil {
		t.Fatal(err)
	}
	if len(tip.Blocks) != 20 {
		t.Errorf("got %d blocks that may change, want each of 20", len(tip.Blocks))
	}
	if diff := cmp.Diff(keys(made, 0, 120, filter), keysOf(t, made, append(rows, tip.Rows...))); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

// Spans grow until their answers are large, and shrink when blocks are.
func TestSpansAreAsLargeAsTheirAnswersAllow(t *testing.T) {
	small := nodetest.Make(nodetest.Config{Bodies: 4}, 3000)
	large := nodetest.Make(nodetest.Config{Transactions: [2]int{200, 200}, Logs: [2]int{4, 4}, Data: 300, Bodies: 2}, 400)
	for name, made := range map[string]*nodetest.Chain{"small": small, "large": large} {
		n := &fetch.Node{Client: chain.NewClient(&nodetest.Memory{Node: &nodetest.Node{Chain: made}}, "test", chain.Asker{}), ChainID: 1, Log: hclog.NewNullLogger()}
		source := fetch.NewBlocks(n, fetch.Part{Full: true, Receipts: true}, 500, func(dst []int, _ *fetch.Block) []int { return dst })
		for from := uint64(0); from < 200; {
			to := min(from+source.Size(true)-1, 200)
			if _, err := source.Span(t.Context(), follow.Extent{From: from, To: to, Final: true}); err != nil {
				t.Fatal(err)
			}
			from = to + 1
		}
		size := source.Size(true)
		weight := source.Weight(follow.Extent{From: 1, To: size})
		if name == "small" && size < 50 || name == "large" && size > 10 || weight > 4<<20 {
			t.Errorf("%s blocks: %d at once, of about %d bytes", name, size, weight)
		}
	}
}

// On chains that have their own rules, what cannot be recomputed is told of once and read; on Ethereum it is the node's fault.
func TestWhatCannotBeVerified(t *testing.T) {
	served := &nodetest.Node{Chain: nodetest.NewChain(30), After: func(method string, answer []byte) []byte {
		if method == "eth_getBlockByNumber" {
			return []byte(strings.Replace(string(answer), `"stateRoot"`, `"l2StateRoot"`, 1))
		}
		return answer
	}}
	cases := []struct {
		chain  uint64
		verify bool
		want   string
		told   int
	}{
		{1, true, "[l2StateRoot], though every block of this chain can (set verify = false to read it as it is)", 0},
		{1, false, "", 0},
		{10, true, "", 1},
		{10, false, "", 0},
	}
	for _, c := range cases {
		var log strings.Builder
		n := open(t, served)
		n.ChainID, n.Verify, n.Log = c.chain, c.verify, hclog.New(&hclog.LoggerOptions{Output: &log})
		span, err := blocksOf(n, false, false).Span(t.Context(), follow.Extent{From: 1, To: 8, Final: true})
		if told := strings.Count(log.String(), "unverified"); told != c.told {
			t.Errorf("chain %d, verify %v: the log says %q", c.chain, c.verify, log.String())
		}
		if c.want == "" && (err != nil || len(span.Rows) != 8 || span.Rows[3].ChainID != c.chain) {
			t.Errorf("chain %d, verify %v: got %d blocks and %v", c.chain, c.verify, len(span.Rows), err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("chain %d, verify %v: got %v, want %q", c.chain, c.verify, err, c.want)
		}
	}
}
