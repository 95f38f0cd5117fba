package chain_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/examples/devchain/chain"
)

const depth = 3

func TestReorgIsSeenBySubscribers(t *testing.T) {
	c := start(t, chain.Config{Blocks: 20})
	client := dial(t, c.WSURL())
	heads, logs := subscribe(t, client)
	known := []common.Hash{c.Head().Hash()}
	var old []types.Log
	for range depth {
		head := mine(t, c, 1)
		known = append(known, head.Hash())
		old = append(old, logsOf(t, client, head.Hash())...)
	}
	branch, err := c.Reorg(t.Context(), depth)
	if err != nil {
		t.Fatal(err)
	}
	if branch.Fork != known[0] || !slices.Equal(branch.Old, known[1:]) || len(branch.New) != depth+1 {
		t.Errorf("branch: got %+v, want the blocks %v replaced by %d", branch, known[1:], depth+1)
	}
	for _, want := range known[1:] {
		if got := receive(t, heads).Hash(); got != want {
			t.Errorf("head before the reorganisation: got %s, want %s", got, want)
		}
	}
	head := receive(t, heads)
	if head.Hash() != branch.New[depth] || slices.Contains(known, head.ParentHash) {
		t.Errorf("head after it: got %s with parent %s, want %s with a parent never announced", head.Hash(), head.ParentHash, branch.New[depth])
	}

	again := 0
	for _, hash := range branch.New {
		again += len(logsOf(t, client, hash))
	}
	var mined, removed, anew []types.Log
	for len(mined)+len(removed)+len(anew) < 2*len(old)+again {
		switch log := receive(t, logs); {
		case log.Removed:
			removed = append(removed, log)
		case slices.Contains(branch.New, log.BlockHash):
			anew = append(anew, log)
		default:
			mined = append(mined, log)
		}
	}
	if diff := cmp.Diff(places(old), places(mined)); diff != "" {
		t.Errorf("logs announced before it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(places(old), places(removed)); diff != "" {
		t.Errorf("logs removed (-want +got):\n%s", diff)
	}
	if len(anew) != again {
		t.Errorf("logs of the new branch: got %d, want %d", len(anew), again)
	}
}

func subscribe(t *testing.T, client *ethclient.Client) (<-chan *types.Header, <-chan types.Log) {
	t.Helper()
	heads, logs := make(chan *types.Header, 16), make(chan types.Log, 4096)
	headSub, err := client.SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(headSub.Unsubscribe)
	logSub, err := client.SubscribeFilterLogs(t.Context(), ethereum.FilterQuery{}, logs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(logSub.Unsubscribe)
	return heads, logs
}

// place is where a log is.
type place struct {
	Block common.Hash
	Index uint
}

func places(logs []types.Log) (out []place) {
	for _, log := range logs {
		out = append(out, place{log.BlockHash, log.Index})
	}
	return out
}

func logsOf(t *testing.T, client *ethclient.Client, block common.Hash) []types.Log {
	t.Helper()
	out, err := client.FilterLogs(t.Context(), ethereum.FilterQuery{BlockHash: &block})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReorgMinesTheSameTransactionsToAnotherOutcome(t *testing.T) {
	c := start(t, chain.Config{Blocks: 20})
	client := dial(t, c.HTTPURL())
	before := receiptsOf(t, client, 20-depth+1)
	var branch chain.Branch
	if err := client.Client().CallContext(t.Context(), &branch, "dev_reorg", depth); err != nil {
		t.Fatal(err)
	}
	if got := c.Head().Number.Uint64(); got != 21 {
		t.Errorf("head: got %d, want 21", got)
	}
	blocks(t, client) // linked
	after := receiptsOf(t, client, 20-depth+1)
	var changed, moved int
	for hash, receipt := range before {
		now, ok := after[hash]
		if !ok {
			t.Errorf("transaction %s is gone", hash)
			continue
		}
		if now.BlockNumber.Cmp(receipt.BlockNumber) != 0 {
			moved++
		}
		if !slices.EqualFunc(now.Logs, receipt.Logs, func(a, b *types.Log) bool { return string(a.Data) == string(b.Data) }) {
			changed++
		}
	}
	if moved == 0 || changed == 0 {
		t.Errorf("%d of %d transactions are in a block of another number and %d have other logs, want some of each", moved, len(before), changed)
	}
	if want := len(before) + chain.DefaultTxPerBlock + chain.DefaultPairs; len(after) != want {
		t.Errorf("transactions on the branch: got %d, want %d", len(after), want)
	}
	for range 2 { // the generator goes on, and another branch can follow
		mine(t, c, 2)
		if _, err := c.Reorg(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	blocks(t, client)
}

// receiptsOf are those of all blocks from the given one on, by transaction.
func receiptsOf(t *testing.T, client *ethclient.Client, from uint64) map[common.Hash]*types.Receipt {
	t.Helper()
	head, err := client.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[common.Hash]*types.Receipt{}
	for number := from; number <= head; number++ {
		receipts, err := client.BlockReceipts(t.Context(), rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(number)))
		if err != nil {
			t.Fatal(err)
		}
		for _, receipt := range receipts {
			out[receipt.TxHash] = receipt
		}
	}
	return out
}

func TestReorgStopsAtWhatIsFinal(t *testing.T) {
	c := start(t, chain.Config{Blocks: 70, TxPerBlock: -1})
	client := dial(t, c.HTTPURL())
	final, err := client.HeaderByNumber(t.Context(), big.NewInt(int64(rpc.FinalizedBlockNumber)))
	if err != nil {
		t.Fatal(err)
	}
	most := 70 - final.Number.Uint64()
	for _, depth := range []uint64{0, most + 1, 1000} {
		if _, err := c.Reorg(t.Context(), depth); err == nil || !strings.Contains(err.Error(), "want 1 to 38: block 32 and those before it stay") {
			t.Errorf("Reorg of %d blocks: got %v, want a refusal", depth, err)
		}
	}
	if _, err := c.Reorg(t.Context(), most); err != nil {
		t.Errorf("Reorg of %d blocks: %v", most, err)
	}
	block, err := client.HeaderByNumber(t.Context(), final.Number)
	if err != nil || block.Hash() != final.Hash() {
		t.Errorf("the final block: got %v, %v; want it unchanged", block, err)
	}
}

func TestABranchIsReplacedByAnother(t *testing.T) {
	c := start(t, chain.Config{Blocks: 20})
	for _, depth := range []uint64{1, 2, 5, 1, 12, 3} {
		mine(t, c, 1)
		if _, err := c.Reorg(t.Context(), depth); err != nil {
			t.Fatalf("replace %d blocks, some of which have replaced others: %v", depth, err)
		}
	}
	blocks(t, dial(t, c.HTTPURL()))
}

func TestReorgLeavesTheContracts(t *testing.T) {
	c := start(t, chain.Config{})
	if _, err := c.Reorg(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "stay") {
		t.Errorf("Reorg of the blocks that deploy the contracts: got %v, want a refusal", err)
	}
}
