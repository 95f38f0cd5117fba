package nodetest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// ask decodes what a node answers.
func ask(t *testing.T, n *nodetest.Node, into any, method, params string) {
	t.Helper()
	raw, err := n.Answer(method, []byte(params))
	if err != nil {
		t.Fatalf("%s%s: %v", method, params, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s%s: %v: %s", method, params, err, raw)
	}
}

type blockJSON struct {
	Hash         common.Hash
	Transactions []*types.Transaction
	Withdrawals  types.Withdrawals
}

// What the node tells of a block is what go-ethereum makes of it: every hash and root comes out as the header says.
func TestBlocksAreReal(t *testing.T) {
	for _, config := range []nodetest.Config{{}, {Seed: 3, Transactions: [2]int{0, 60}, Logs: [2]int{0, 6}, Bodies: 7, Data: 100}} {
		chain := nodetest.Make(config, 40)
		n := &nodetest.Node{Chain: chain}
		kinds := map[uint8]int{}
		for number := range uint64(41) {
			which := fmt.Sprintf(`"0x%x"`, number)
			var (
				header   types.Header
				block    blockJSON
				receipts []*types.Receipt
			)
			ask(t, n, &header, "eth_getBlockByNumber", "["+which+",false]")
			ask(t, n, &block, "eth_getBlockByNumber", "["+which+",true]")
			ask(t, n, &receipts, "eth_getBlockReceipts", "["+which+"]")
			want := chain.At(number)
			if header.Hash() != want.Hash || block.Hash != want.Hash || number > 0 && header.ParentHash != chain.At(number-1).Hash {
				t.Fatalf("block %d: the header has hash %s, want %s", number, header.Hash(), want.Hash)
			}
			hasher := trie.NewStackTrie(nil)
			got := []any{types.DeriveSha(types.Transactions(block.Transactions), hasher), types.DeriveSha(types.Receipts(receipts), hasher), types.DeriveSha(block.Withdrawals, hasher), types.MergeBloom(receipts)}
			if diff := cmp.Diff([]any{header.TxHash, header.ReceiptHash, *header.WithdrawalsHash, header.Bloom}, got); diff != "" {
				t.Fatalf("block %d (-header +body):\n%s", number, diff)
			}
			for i, tx := range block.Transactions {
				kinds[tx.Type()]++
				if tx.Hash() != want.Transactions[i] || receipts[i].TxHash != tx.Hash() || receipts[i].BlockHash != want.Hash {
					t.Errorf("block %d: transaction %d is %s", number, i, tx.Hash())
				}
			}
		}
		if config.Seed == 3 && len(kinds) != 5 {
			t.Errorf("got transactions of types %v, want all five", kinds)
		}
	}
}

// Filters find what a look at every log finds.
func TestLogsByEveryFilter(t *testing.T) {
	for _, config := range []nodetest.Config{{}, {Bodies: 5, Contracts: 20, Transactions: [2]int{0, 9}}} {
		chain := nodetest.Make(config, 60)
		n := &nodetest.Node{Chain: chain}
		random := rand.New(rand.NewPCG(1, 1))
		for range 60 {
			q := nodetest.Query{FromBlock: fmt.Sprintf("0x%x", random.IntN(30)), ToBlock: fmt.Sprintf("0x%x", 30+random.IntN(30))}
			for range random.IntN(3) {
				q.Address = append(q.Address, nodetest.Address(random.IntN(4)))
			}
			for len(q.Topics) < random.IntN(3) {
				q.Topics = append(q.Topics, [][]common.Hash{nil, {nodetest.Topic(0)}, {nodetest.Topic(1), nodetest.Mark(31)}}[random.IntN(3)])
			}
			param, err := json.Marshal(map[string]any{"fromBlock": q.FromBlock, "toBlock": q.ToBlock, "address": q.Address, "topics": q.Topics})
			if err != nil {
				t.Fatal(err)
			}
			var (
				logs []types.Log
				got  []string
				want []string
			)
			ask(t, n, &logs, "eth_getLogs", "["+string(param)+"]")
			for _, l := range logs {
				got = append(got, nodetest.Key(l.BlockNumber, l.BlockHash, uint64(l.Index))+l.Address.Hex()+l.TxHash.Hex())
			}
			for _, b := range chain.Range(q.Blocks()) {
				for _, l := range b.Logs {
					if q.Takes(l) {
						want = append(want, nodetest.Key(b.Number, b.Hash, l.Index)+l.Address.Hex()+b.Transactions[l.Transaction].Hex())
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", param, diff)
			}
		}
	}
}

func TestReorgsReplaceBlocks(t *testing.T) {
	for _, config := range []nodetest.Config{{}, {Bodies: 3}} {
		chain := nodetest.Make(config, 20)
		old := chain.At(18)
		chain.Reorg(5, 7)
		now := chain.At(18)
		if now.Hash == old.Hash || chain.Height() != 22 || chain.By(old.Hash) != old {
			t.Fatalf("block 18 was %s and is %s at height %d", old.Hash, now.Hash, chain.Height())
		}
		chain.Forget()
		if chain.By(old.Hash) != nil {
			t.Error("a replaced block is still known")
		}
	}
}

// BenchmarkMake is how long the chain of a benchmark takes to make.
func BenchmarkMake(b *testing.B) {
	for name, config := range map[string]nodetest.Config{
		"own":    {Transactions: [2]int{100, 100}},
		"shared": {Transactions: [2]int{100, 100}, Bodies: 16},
		"small":  {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				nodetest.Make(config, 1000)
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}

// BenchmarkAnswer is how fast the node answers.
func BenchmarkAnswer(b *testing.B) {
	n := &nodetest.Node{Chain: nodetest.Make(nodetest.Config{Transactions: [2]int{100, 200}, Logs: [2]int{0, 6}, Bodies: 16}, 1000)}
	for name, call := range map[string][2]string{
		"header":   {"eth_getBlockByNumber", `["0x80",false]`},
		"block":    {"eth_getBlockByNumber", `["0x80",true]`},
		"receipts": {"eth_getBlockReceipts", `["0x80"]`},
		"logs":     {"eth_getLogs", `[{"fromBlock":"0x80","toBlock":"0x90","topics":[]}]`},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				raw, err := n.Answer(call[0], []byte(call[1]))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(raw)))
			}
		})
	}
}
