package main

import (
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/examples/devchain/chain"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// devchain starts a real node, with traffic, that mines when told to.
func devchain(tb testing.TB, blocks uint64) *chain.Chain {
	tb.Helper()
	c, err := chain.Start(tb.Context(), chain.Config{Blocks: blocks, IPC: filepath.Join(tb.TempDir(), "ipc")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func client(tb testing.TB, c *chain.Chain) *ethclient.Client {
	tb.Helper()
	client, err := ethclient.DialContext(tb.Context(), c.HTTPURL())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

// serve runs the registers with a host that asks the node at a URL.
func serve(tb testing.TB, url string) *plugintest.Plugin {
	tb.Helper()
	service := &nodetest.Service{URL: url, Poll: 5 * time.Millisecond}
	tb.Cleanup(service.Close)
	p := plugintest.Run(tb, registers()...)
	p.Host(tb, service, nil)
	return p
}

func network() sdk.Network { return sdk.Network{Name: "dev", ChainID: chain.ChainID} }

func upTo(to uint64) sdk.Start { return sdk.Start{Network: network(), To: &to} }

// read is what the registers tell of a chain.
type read struct {
	Headers      []eth.Header
	Blocks       []eth.Block
	Transactions []eth.Transaction
	Receipts     []eth.Receipt
	Logs         []eth.Log
	Last         sdk.SafePoint
}

func readAll(t *testing.T, p *plugintest.Plugin, start sdk.Start) read {
	t.Helper()
	headers := plugintest.Read[eth.Header](t, p, "eth.headers", nil, start)
	return read{
		Headers:      headers.Rows,
		Blocks:       plugintest.Read[eth.Block](t, p, "eth.blocks", nil, start).Rows,
		Transactions: plugintest.Read[eth.Transaction](t, p, "eth.transactions", nil, start).Rows,
		Receipts:     plugintest.Read[eth.Receipt](t, p, "eth.receipts", nil, start).Rows,
		Logs:         plugintest.Read[eth.Log](t, p, "eth.logs", nil, start).Rows,
		Last:         headers.SafePoints[len(headers.SafePoints)-1],
	}
}

// Whatever way a node is reached, all registers tell of the chain what go-ethereum's own client does.
func TestReadsTheDevelopmentChain(t *testing.T) {
	c := devchain(t, 45)
	p := serve(t, c.HTTPURL())
	want := client(t, c)
	head := c.Head().Number.Uint64()
	got := readAll(t, p, upTo(head))
	compareBlocks(t, want, got.Headers, got.Blocks)
	compareTransactions(t, want, got.Blocks, got.Transactions, got.Receipts)
	compareLogs(t, want, got.Logs, 0, head)
	final, err := want.HeaderByNumber(t.Context(), big.NewInt(rpc.FinalizedBlockNumber.Int64()))
	if err != nil {
		t.Fatal(err)
	}
	last := sdk.SafePoint{Cursor: sdk.Cursor{ChainID: chain.ChainID, Block: head, Hash: c.Head().Hash()}, Head: head, Finalized: final.Number.Uint64()}
	if diff := cmp.Diff(last, got.Last); diff != "" {
		t.Errorf("last safe point (-want +got):\n%s", diff)
	}
	for name, url := range map[string]string{"websocket": c.WSURL(), "ipc": c.IPCPath()} {
		p := serve(t, url)
		blocks := plugintest.Read[eth.Block](t, p, "eth.blocks", nil, upTo(head)).Rows
		logs := plugintest.Read[eth.Log](t, p, "eth.logs", nil, upTo(head)).Rows
		if diff := differ(got.Blocks, blocks) + differ(got.Logs, logs); diff != "" {
			t.Errorf("%s differs from http (-http +%s):\n%s", name, name, diff)
		}
	}
}

// differ is cmp.Diff for rows by the thousand, which it is slow to find equal.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

func compareBlocks(t *testing.T, want *ethclient.Client, headers []eth.Header, blocks []eth.Block) {
	t.Helper()
	if len(headers) == 0 || len(headers) != len(blocks) {
		t.Fatalf("got %d headers and %d blocks", len(headers), len(blocks))
	}
	for i, b := range blocks {
		w, err := want.BlockByNumber(t.Context(), big.NewInt(int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		got := []any{b.BlockNumber, b.BlockHash, b.ParentHash, b.GasUsed, b.Timestamp.Unix(), b.TransactionCount, len(b.Transactions), b.Size, string(b.LogsBloom), b.BaseFeePerGas.Dec()}
		exp := []any{uint64(i), w.Hash(), w.ParentHash(), w.GasUsed(), int64(w.Time()), uint64(len(w.Transactions())), len(w.Transactions()), w.Size(), string(w.Bloom().Bytes()), w.BaseFee().String()}
		if diff := cmp.Diff(exp, got); diff != "" {
			t.Errorf("block %d (-want +got):\n%s", i, diff)
		}
		if diff := differ(b.Header, headers[i]); diff != "" {
			t.Errorf("block %d and its header differ:\n%s", i, diff)
		}
	}
}

func compareTransactions(t *testing.T, want *ethclient.Client, blocks []eth.Block, transactions []eth.Transaction, receipts []eth.Receipt) {
	t.Helper()
	var nested []eth.Transaction
	for _, b := range blocks {
		nested = append(nested, b.Transactions...)
	}
	if diff := differ(nested, transactions); diff != "" {
		t.Errorf("transactions in blocks and by themselves differ:\n%s", diff)
	}
	if len(transactions) == 0 || len(receipts) != len(transactions) {
		t.Fatalf("got %d transactions and %d receipts", len(transactions), len(receipts))
	}
	expected := map[common.Hash]*types.Receipt{}
	for _, b := range blocks {
		all, err := want.BlockReceipts(t.Context(), rpc.BlockNumberOrHashWithHash(b.BlockHash, true))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			expected[r.TxHash] = r
		}
	}
	for i, r := range receipts {
		tx, w := transactions[i], expected[r.TransactionHash]
		exp := []any{w.TxHash, w.Status, w.GasUsed, w.EffectiveGasPrice.String(), uint64(len(w.Logs)), w.BlockHash}
		got := []any{r.TransactionHash, *r.Status, r.GasUsed, r.EffectiveGasPrice.Dec(), r.LogCount, r.BlockHash}
		also := []any{tx.TransactionHash, *tx.Status, *tx.GasUsed, tx.EffectiveGasPrice.Dec(), *tx.LogCount, tx.BlockHash}
		if diff := cmp.Diff(exp, got) + cmp.Diff(exp, also); diff != "" {
			t.Errorf("receipt of %s (-want +got):\n%s", tx.TransactionHash, diff)
		}
	}
}

func compareLogs(t *testing.T, want *ethclient.Client, logs []eth.Log, from, to uint64, topics ...[]common.Hash) {
	t.Helper()
	all, err := want.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to), Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("the chain has no logs")
	}
	var got, exp []string
	for _, l := range logs {
		got = append(got, fmt.Sprintf("%d %s %d %d %s %s %v %x", l.BlockNumber, l.BlockHash, l.TransactionIndex, l.LogIndex, l.TransactionHash, l.Address, l.Topics, l.Data))
	}
	for _, l := range all {
		exp = append(exp, fmt.Sprintf("%d %s %d %d %s %s %v %x", l.BlockNumber, l.BlockHash, l.TxIndex, l.Index, l.TxHash, l.Address, l.Topics, l.Data))
	}
	if diff := cmp.Diff(exp, got); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

func TestEventsChooseLogs(t *testing.T) {
	c := devchain(t, 12)
	p := serve(t, c.HTTPURL())
	settings := map[string]any{"events": []string{"event Sync(uint112 reserve0, uint112 reserve1);"}}
	logs := plugintest.Read[eth.Log](t, p, "eth.logs", settings, upTo(12)).Rows
	compareLogs(t, client(t, c), logs, 0, 12, []common.Hash{common.HexToHash("0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1")})
}

// A reader that has caught up sees new blocks at once, reports a reorg with its fork, and reads on from there without a gap.
func TestFollowsTheHeadOverReorgs(t *testing.T) {
	for _, transport := range []string{"http", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			c := devchain(t, 12)
			url := map[string]string{"http": c.HTTPURL(), "websocket": c.WSURL()}[transport]
			p := serve(t, url)
			reading := plugintest.Open(t, p, plugintest.Step{
				Register: "eth.logs", Start: sdk.Start{Network: network()}, Settings: map[string]any{"poll": "10ms"},
			})
			rows := map[uint64][]eth.Log{}
			until := func(done func(plugintest.Event) bool) plugintest.Event {
				t.Helper()
				for {
					e := reading.Next()
					if e.What == plugintest.Rows {
						for _, l := range plugintest.RowsOf[eth.Log](t, e) {
							rows[l.BlockNumber] = append(rows[l.BlockNumber], l)
						}
					}
					if e.What == plugintest.Failed {
						t.Fatal(e.Failure)
					}
					if done(e) {
						return e
					}
				}
			}
			atHead := func(e plugintest.Event) bool {
				return e.What == plugintest.SafePoint && common.Hash(e.SafePoint.Cursor.Hash) == c.Head().Hash()
			}
			until(atHead)
			for range 3 {
				if _, err := c.Mine(t.Context()); err != nil {
					t.Fatal(err)
				}
				until(atHead)
			}
			branch, err := c.Reorg(t.Context(), 4)
			if err != nil {
				t.Fatal(err)
			}
			e := until(func(e plugintest.Event) bool { return e.What == plugintest.Reorg })
			if e.Cursor.Block != branch.ForkNumber || common.Hash(e.Cursor.Hash) != branch.Fork {
				t.Fatalf("got fork %+v, want block %d", e.Cursor, branch.ForkNumber)
			}
			maps.DeleteFunc(rows, func(number uint64, _ []eth.Log) bool { return number > e.Cursor.Block })
			reading.Rewind(e.Cursor, nil)
			until(atHead)
			var all []eth.Log
			for _, number := range slices.Sorted(maps.Keys(rows)) {
				all = append(all, rows[number]...)
			}
			compareLogs(t, client(t, c), all, 0, c.Head().Number.Uint64())
			reading.Drain()
			reading.Until(plugintest.Ended)
		})
	}
}

func TestWhatStopsAReader(t *testing.T) {
	served := &nodetest.Node{Chain: nodetest.NewChain(20), ChainID: 5, Before: func(method string, _ ...any) error {
		if method == "eth_getLogs" || method == "eth_getBlockReceipts" {
			return &nodetest.Error{Code: 4444, Message: "pruned history unavailable"}
		}
		return nil
	}}
	to := uint64(10)
	mainnet := sdk.Start{Network: sdk.Network{Name: "mainnet", ChainID: 5}, To: &to}
	elsewhere := mainnet
	elsewhere.Network.ChainID = 0 // it is asked for
	elsewhere.Cursor = &sdk.Cursor{ChainID: 1, Block: 3}
	backwards := mainnet
	backwards.From = 11
	odd := mainnet
	odd.Network.Finality = "soon"
	cases := map[string]struct {
		start sdk.Start
		want  string
	}{
		"a cursor of another chain":   {elsewhere, `reading ended on chain 1, but network "mainnet" is chain 5 now`},
		"an odd finality":             {odd, `network "mainnet": finality "soon" is not understood: write "finalized"`},
		"history is gone":             {mainnet, "pruned history unavailable (code 4444)"},
		"an end before the beginning": {backwards, "the last block to read, 10, lies before the first, 11"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := serve(t, served.Serve(t))
			e := plugintest.Open(t, p, plugintest.Step{Register: "eth.logs", Start: c.start}).Expect(plugintest.Failed)
			if e.Failure.Class != "stop" || !strings.Contains(e.Failure.Message, c.want) {
				t.Errorf("got %s, want stop and %q", e.Failure, c.want)
			}
		})
	}
}

func TestNodeThatIsDownIsTriedAgainByTheHost(t *testing.T) {
	p := serve(t, "http://127.0.0.1:1")
	e := plugintest.Open(t, p, plugintest.Step{Register: "eth.headers", Start: sdk.Start{Network: network()}}).Expect(plugintest.Failed)
	if e.Failure.Class != "retry" || !strings.Contains(e.Failure.Message, "127.0.0.1:1: connect: connection refused") {
		t.Errorf("got %s", e.Failure)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	p := plugintest.Run(t, registers()...)
	cases := []struct {
		register string
		settings map[string]any
		want     string
	}{
		{"eth.headers", map[string]any{"batch": 0}, "batch is 0: write a number from 1 to 1000"},
		{"eth.blocks", map[string]any{"concurrency": 0}, "concurrency is 0: write a number from 1 to 100"},
		{"eth.transactions", map[string]any{"poll": "1ms"}, "poll is 1ms: write 10ms or more"},
		{"eth.receipts", map[string]any{"timeout": "1s"}, `timeout is a setting of the network now: take it out here and write rpc { timeout = "10s" } into the network block`},
		{"eth.logs", map[string]any{"retries": 0}, "retries is a setting of the network now: take it out here and write rpc { retries = 10 }"},
		{"eth.logs", map[string]any{"events": []string{"Transfer"}}, `"Transfer" is no event: write a signature such as Transfer(address,address,uint256)`},
		{"eth.logs", map[string]any{"addresses": []string{"0x12"}}, "addresses"},
		{"eth.logs", map[string]any{"topics": [][]string{{}, {}, {}, {}, {}}}, "topics has 5 positions: a log has at most 4"},
	}
	for _, c := range cases {
		got := strings.Join(plugintest.Mistakes(t, p, c.register, c.settings), "\n")
		if !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q", c.register, c.settings, got, c.want)
		}
	}
	if got := plugintest.Mistakes(t, p, "eth.logs", map[string]any{
		"addresses": []string{"0x1F98431c8aD98523631AE4a59f267346ea31F984"}, "events": []string{"Swap(address,uint256,uint256,uint256,uint256,address)"},
		"topics": [][]string{{}, {"0x0000000000000000000000007a250d5630b4cf539739df2c5dacb4c659f2488d"}}, "range": 2000, "concurrency": 8,
	}); len(got) > 0 {
		t.Errorf("good settings: %v", got)
	}
}

// BenchmarkHistory reads the development chain over the whole wire of a plugin. Most of the time is the node's.
func BenchmarkHistory(b *testing.B) {
	const blocks = 600
	c := devchain(b, blocks)
	p := serve(b, c.HTTPURL())
	start := upTo(blocks)
	read := func(name string, once func(b *testing.B) int) {
		b.Run(name, func(b *testing.B) {
			rows := 0
			for b.Loop() {
				rows = once(b)
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(blocks/seconds, "blocks/s")
			b.ReportMetric(float64(rows)/seconds, "rows/s")
		})
	}
	read("headers", func(b *testing.B) int {
		b.Helper()
		return len(plugintest.Read[eth.Header](b, p, "eth.headers", nil, start).Rows)
	})
	read("blocks", func(b *testing.B) int {
		b.Helper()
		return len(plugintest.Read[eth.Block](b, p, "eth.blocks", nil, start).Rows)
	})
	read("logs", func(b *testing.B) int {
		b.Helper()
		return len(plugintest.Read[eth.Log](b, p, "eth.logs", nil, start).Rows)
	})
}
