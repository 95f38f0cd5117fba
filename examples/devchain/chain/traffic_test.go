package chain_test

import (
	"context"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/examples/devchain/chain"
	"github.com/penstock-io/penstock/examples/devchain/contracts"
)

// reserves are the two reserves of a pair.
type reserves [2]*big.Int

// ledger replays the logs of all pairs and holds them against the rules of a constant-product pair.
type ledger struct {
	t      *testing.T
	set    contracts.Set
	pairs  map[common.Address]reserves // after the last Sync
	before map[common.Address]reserves // before it
	synced *types.Log                  // the last Sync, when no other event of its pair has followed
	seen   map[string]int              // event name to number
}

// The logs of some thirty blocks, from the first one on, must tell a consistent story.
func TestLogsAgreeWithTheReserves(t *testing.T) {
	c := start(t, chain.Config{Blocks: 36})
	client := dial(t, c.HTTPURL())
	set, err := contracts.Load()
	if err != nil {
		t.Fatal(err)
	}
	book := &ledger{
		t: t, set: set, seen: map[string]int{},
		pairs: map[common.Address]reserves{}, before: map[common.Address]reserves{},
	}
	for _, block := range blocks(t, client) {
		hash := block.Hash()
		logs, err := client.FilterLogs(t.Context(), ethereum.FilterQuery{BlockHash: &hash})
		if err != nil {
			t.Fatal(err)
		}
		for i := range logs {
			book.enter(&logs[i])
		}
		book.compare(t.Context(), client, block.Number())
	}
	if len(book.pairs) != len(c.Contracts().Pairs) {
		t.Errorf("got events of %d pairs, want %d", len(book.pairs), len(c.Contracts().Pairs))
	}
	for _, pair := range c.Contracts().Pairs {
		if _, ok := book.pairs[pair.Address]; !ok {
			t.Errorf("no PairCreated for %s", pair.Address)
		}
	}
	for _, event := range []string{"PairCreated", "Transfer", "Approval", "Sync", "Swap", "Mint", "Burn"} {
		if book.seen[event] < 3 {
			t.Errorf("%s: got %d, want several", event, book.seen[event])
		}
	}
}

// enter checks one log; logs come in the order of the chain.
func (b *ledger) enter(log *types.Log) {
	in := b.set.Pair.ABI
	if _, err := b.set.Factory.ABI.EventByID(log.Topics[0]); err == nil {
		in = b.set.Factory.ABI
	}
	event, err := in.EventByID(log.Topics[0])
	if err != nil {
		b.t.Fatalf("log %d of block %d: %v", log.Index, log.BlockNumber, err)
	}
	values, err := event.Inputs.NonIndexed().Unpack(log.Data)
	if err != nil {
		b.t.Fatalf("%s: %v", event.Name, err)
	}
	b.seen[event.Name]++
	switch event.Name {
	case "PairCreated":
		b.pairs[values[0].(common.Address)] = reserves{new(big.Int), new(big.Int)}
	case "Sync":
		b.before[log.Address] = b.pairs[log.Address]
		b.pairs[log.Address] = reserves{values[0].(*big.Int), values[1].(*big.Int)}
		b.synced = log
	case "Swap", "Mint", "Burn":
		b.move(event, log, values)
	}
}

// move checks that the amounts of the event are the difference between the reserves before and after it.
func (b *ledger) move(event *abi.Event, log *types.Log, values []any) {
	if b.synced == nil || b.synced.Address != log.Address || b.synced.Index+1 != log.Index || b.synced.TxHash != log.TxHash {
		b.t.Fatalf("%s, log %d of block %d: the log before is not a Sync of the same pair", event.Name, log.Index, log.BlockNumber)
	}
	b.synced = nil
	before, after := b.before[log.Address], b.pairs[log.Address]
	amount := func(i int) *big.Int { return values[i].(*big.Int) }
	var paid reserves // amounts in, for a swap
	for side := range 2 {
		change := new(big.Int).Sub(after[side], before[side])
		var want *big.Int
		switch event.Name {
		case "Swap":
			paid[side] = amount(side)
			want = new(big.Int).Sub(amount(side), amount(2+side))
		case "Mint":
			want = amount(side)
		case "Burn":
			want = new(big.Int).Neg(amount(side))
		}
		if change.Cmp(want) != 0 {
			b.t.Errorf("%s, log %d of block %d: reserve %d changed by %s, the event says %s",
				event.Name, log.Index, log.BlockNumber, side, change, want)
		}
	}
	if event.Name == "Swap" && withFee(after, paid).Cmp(withFee(before, reserves{new(big.Int), new(big.Int)})) < 0 {
		b.t.Errorf("Swap, log %d of block %d: k fell", log.Index, log.BlockNumber)
	}
}

// withFee is the product of the reserves, in millionths, without the fee on what was paid in.
func withFee(r, paid reserves) *big.Int {
	product := big.NewInt(1)
	for side := range 2 {
		net := new(big.Int).Mul(r[side], big.NewInt(1000))
		product.Mul(product, net.Sub(net, new(big.Int).Mul(paid[side], big.NewInt(3))))
	}
	return product
}

// compare asks the node for the reserves of each pair at the block, and for what the pair really owns.
func (b *ledger) compare(ctx context.Context, client *ethclient.Client, number *big.Int) {
	b.t.Helper()
	for address, want := range b.pairs {
		got := b.call(ctx, client, number, address, b.set.Pair.ABI, "getReserves")
		for side := range 2 {
			if reserve := got[side].(*big.Int); reserve.Cmp(want[side]) != 0 {
				b.t.Errorf("block %d: getReserves of %s: reserve %d is %s, the logs say %s", number, address, side, reserve, want[side])
			}
			token := b.call(ctx, client, number, address, b.set.Pair.ABI, fmt.Sprintf("token%d", side))[0].(common.Address)
			owned := b.call(ctx, client, number, token, b.set.Token.ABI, "balanceOf", address)[0].(*big.Int)
			if owned.Cmp(want[side]) != 0 {
				b.t.Errorf("block %d: %s owns %s of token %d, its reserve is %s", number, address, owned, side, want[side])
			}
		}
	}
}

func (b *ledger) call(ctx context.Context, client *ethclient.Client, number *big.Int, to common.Address, in abi.ABI, method string, args ...any) []any {
	b.t.Helper()
	data, err := in.Pack(method, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := client.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, number)
	if err != nil {
		b.t.Fatalf("%s at block %d: %v", method, number, err)
	}
	values, err := in.Unpack(method, answer)
	if err != nil {
		b.t.Fatal(err)
	}
	return values
}

// Readers must cope with every type of transaction, with ones that fail and with ones that create contracts.
func TestTrafficIsVaried(t *testing.T) {
	c := start(t, chain.Config{Blocks: 40})
	client := dial(t, c.HTTPURL())
	kinds, failed, created, silent, traffic := map[uint8]int{}, 0, 0, 0, 0
	for _, block := range blocks(t, client) {
		receipts, err := client.BlockReceipts(t.Context(), rpc.BlockNumberOrHashWithHash(block.Hash(), false))
		if err != nil {
			t.Fatal(err)
		}
		for _, receipt := range receipts {
			kinds[receipt.Type]++
			switch {
			case receipt.ContractAddress != common.Address{}:
				created++
			case receipt.Status == types.ReceiptStatusFailed:
				failed++
			case len(receipt.Logs) == 0:
				silent++
			}
			traffic++
		}
	}
	for _, kind := range []uint8{types.LegacyTxType, types.AccessListTxType, types.DynamicFeeTxType} {
		if kinds[kind] < 5 {
			t.Errorf("transactions of type %d: got %d, want several", kind, kinds[kind])
		}
	}
	if want := len(c.Contracts().Tokens) + 2; created != want {
		t.Errorf("contracts created by transactions: got %d, want %d", created, want)
	}
	if failed < 2 || failed > traffic/20 {
		t.Errorf("failed: got %d of %d transactions, want a few", failed, traffic)
	}
	if silent < 5 {
		t.Errorf("without a log: got %d, want several", silent)
	}
}
