package chain_test

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/examples/devchain/chain"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// go-ethereum starts these once for the process, and goleveldb's ends up to half a minute after its database.
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"),
	)
}

func TestEveryEndpointServesTheSameLinkedBlocks(t *testing.T) {
	c := start(t, chain.Config{Blocks: 20, IPC: filepath.Join(t.TempDir(), "dev.ipc")})
	var want []common.Hash
	for _, url := range []string{c.HTTPURL(), c.WSURL(), c.IPCPath()} {
		client := dial(t, url)
		id, err := client.ChainID(t.Context())
		if err != nil || id.Uint64() != chain.ChainID {
			t.Fatalf("%s: chain id %v, %v; want %d", url, id, err, chain.ChainID)
		}
		var got []common.Hash
		for _, block := range blocks(t, client) {
			got = append(got, block.Hash())
		}
		if len(got) != 21 {
			t.Errorf("%s: got %d blocks, want 20 and the genesis block", url, len(got))
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: other blocks than %s (-want +got):\n%s", url, c.HTTPURL(), diff)
		}
	}
}

func TestHistoryEndsNow(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := start(t, chain.Config{Blocks: 30, BlockTime: time.Hour, Now: func() time.Time { return now }})
	if got := c.Head().Time; got != uint64(now.Unix()) {
		t.Errorf("time of the head: got %d, want %d", got, now.Unix())
	}
	parent, err := dial(t, c.HTTPURL()).HeaderByNumber(t.Context(), big.NewInt(29))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Head().Time - parent.Time; got != 3600 {
		t.Errorf("time between two blocks of the history: got %d s, want the block time of 3600 s", got)
	}
}

func TestMinesByItselfAndAnnouncesHeads(t *testing.T) {
	c := start(t, chain.Config{BlockTime: 20 * time.Millisecond})
	heads := make(chan *types.Header, 16)
	sub, err := dial(t, c.WSURL()).SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	before := receive(t, heads)
	for range 5 {
		head := receive(t, heads)
		if head.ParentHash != before.Hash() {
			t.Errorf("head %d: parent %s, want %s", head.Number, head.ParentHash, before.Hash())
		}
		before = head
	}
}

func TestSameSeedSameChain(t *testing.T) {
	clock := func() time.Time { return time.Unix(1_700_000_000, 0) }
	a := start(t, chain.Config{Seed: 7, Blocks: 12, Now: clock})
	b := start(t, chain.Config{Seed: 7, Blocks: 12, Now: clock})
	later := start(t, chain.Config{Seed: 7, Blocks: 12})
	other := start(t, chain.Config{Seed: 8, Blocks: 12, Now: clock})
	for _, c := range []*chain.Chain{a, b, later, other} {
		mine(t, c, 3)
	}
	if a.Head().Hash() != b.Head().Hash() {
		t.Error("same seed and clock: the heads differ")
	}
	want, got := transactions(t, a), transactions(t, later)
	if len(want) < 10*chain.DefaultTxPerBlock {
		t.Fatalf("got only %d transactions", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("same seed, another time: other transactions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(addresses(a), addresses(later)); diff != "" {
		t.Errorf("same seed: other addresses (-want +got):\n%s", diff)
	}
	for i, address := range addresses(other) {
		if address == addresses(a)[i] {
			t.Errorf("another seed: contract %d is at %s too", i, address)
		}
	}
}

// Pipelines and documents name these addresses; they change only together with the contracts.
func TestAddressesOfTheFirstSeed(t *testing.T) {
	c := start(t, chain.Config{Seed: 1})
	got := []string{c.Contracts().Factory.Hex(), c.Contracts().Tokens[0].Address.Hex(), c.Contracts().Pairs[0].Address.Hex()}
	want := []string{
		"0xcbF4402060486216Fa239c49920363Dd938a4158",
		"0x8BAB439A7952b6cfC7d44141e9A102e2ecD27f91",
		"0x4b72F701a28705E438E9cC86C85FeF86cec1b6EE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("factory, first token, first pair (-want +got):\n%s", diff)
	}
}

func addresses(c *chain.Chain) []common.Address {
	deployed := c.Contracts()
	out := []common.Address{deployed.Factory, deployed.Router}
	for _, token := range deployed.Tokens {
		out = append(out, token.Address)
	}
	for _, pair := range deployed.Pairs {
		out = append(out, pair.Address)
	}
	return out
}

func transactions(t *testing.T, c *chain.Chain) (out []common.Hash) {
	t.Helper()
	for _, block := range blocks(t, dial(t, c.HTTPURL())) {
		for _, tx := range block.Transactions() {
			out = append(out, tx.Hash())
		}
	}
	return out
}

func TestFinalityMovesByEpochs(t *testing.T) {
	c := start(t, chain.Config{Blocks: 63, TxPerBlock: -1})
	client := dial(t, c.HTTPURL())
	for _, want := range []struct{ head, safe, finalized int64 }{{63, 32, 0}, {64, 64, 32}, {65, 64, 32}} {
		var got [3]int64
		for i, tag := range []rpc.BlockNumber{rpc.LatestBlockNumber, rpc.SafeBlockNumber, rpc.FinalizedBlockNumber} {
			header, err := client.HeaderByNumber(t.Context(), big.NewInt(int64(tag)))
			if err != nil {
				t.Fatalf("block %q: %v", tag, err)
			}
			got[i] = header.Number.Int64()
		}
		if got != [3]int64{want.head, want.safe, want.finalized} {
			t.Errorf("latest, safe, finalized: got %v, want %v", got, want)
		}
		mine(t, c, 1)
	}
}

func TestMinesWhatOthersSend(t *testing.T) {
	c := start(t, chain.Config{})
	client := dial(t, c.HTTPURL())
	key, err := crypto.HexToECDSA(chain.FaucetKey)
	if err != nil {
		t.Fatal(err)
	}
	to := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	var last common.Hash
	for nonce := range uint64(2) {
		tx := types.MustSignNewTx(key, types.LatestSignerForChainID(big.NewInt(chain.ChainID)), &types.DynamicFeeTx{
			ChainID: big.NewInt(chain.ChainID), Nonce: nonce, To: &to, Value: big.NewInt(params.Ether), Gas: params.TxGas,
			GasFeeCap: big.NewInt(100 * params.GWei), GasTipCap: big.NewInt(params.GWei),
		})
		if err := client.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		last = tx.Hash()
	}
	var mined chain.Mined
	if err := client.Client().CallContext(t.Context(), &mined, "dev_mine"); err != nil {
		t.Fatal(err)
	}
	receipt, err := client.TransactionReceipt(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.BlockHash != mined.Hash || receipt.Status != types.ReceiptStatusSuccessful {
		t.Errorf("receipt: block %s, status %d; want block %s and success", receipt.BlockHash, receipt.Status, mined.Hash)
	}
	balance, err := client.BalanceAt(t.Context(), to, nil)
	if err != nil || balance.Cmp(big.NewInt(2*params.Ether)) != 0 {
		t.Errorf("balance: got %v, %v; want 2 ether", balance, err)
	}
	mine(t, c, 1) // the generator goes on
}

// A chain that ran for ever at the largest setting must not price its own transactions out.
func TestFullBlocksKeepTheBaseFeeFalling(t *testing.T) {
	c := start(t, chain.Config{Pairs: 32, TxPerBlock: 200})
	for range 3 {
		before := c.Head().BaseFee
		head := mine(t, c, 1)
		if head.GasUsed >= head.GasLimit/2 {
			t.Errorf("block %d: %d gas used, want less than half of %d", head.Number, head.GasUsed, head.GasLimit)
		}
		if len(c.Contracts().Pairs) != 32 || before.BitLen() > 33 {
			t.Errorf("base fee %s with %d pairs: want at most a few gwei and 32", before, len(c.Contracts().Pairs))
		}
	}
}

func TestClose(t *testing.T) {
	c, err := chain.Start(t.Context(), chain.Config{BlockTime: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	url := c.HTTPURL()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := c.Mine(t.Context()); !errors.Is(err, chain.ErrClosed) {
		t.Errorf("Mine after Close: got %v, want %v", err, chain.ErrClosed)
	}
	if _, err := c.Reorg(t.Context(), 1); !errors.Is(err, chain.ErrClosed) {
		t.Errorf("Reorg after Close: got %v, want %v", err, chain.ErrClosed)
	}
	client, err := ethclient.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.BlockNumber(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("call after Close: got %v, want the connection refused", err)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	running := start(t, chain.Config{})
	taken := strings.TrimPrefix(running.HTTPURL(), "http://")
	for name, c := range map[string]struct {
		cfg  chain.Config
		want string
	}{
		"port taken":     {chain.Config{HTTP: taken}, taken + ": bind: address already in use"},
		"no port":        {chain.Config{HTTP: "localhost"}, `address "localhost": want host:port`},
		"port too large": {chain.Config{WS: "127.0.0.1:70000"}, `address "127.0.0.1:70000": want a port from 0 to 65535`},
		"block time":     {chain.Config{BlockTime: -time.Second}, "block time -1s: want 0"},
		"pairs":          {chain.Config{Pairs: 33}, "33 pairs: want 1 to 32"},
		"transactions":   {chain.Config{TxPerBlock: 201}, "201 transactions per block: want at most 200"},
		"history":        {chain.Config{Blocks: 100_001}, "100001 blocks of history: want at most 100000"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := chain.Start(t.Context(), c.cfg)
			if err == nil {
				t.Error("got a chain, want an error")
				_ = got.Close()
			} else if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to contain %q", err, c.want)
			}
		})
	}
}

func TestStartIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chain.Start(ctx, chain.Config{Blocks: 100}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
