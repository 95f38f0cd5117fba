package ethclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"go.uber.org/goleak"

	devchain "github.com/penstock-io/penstock/examples/devchain/chain"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/ethclient"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// start starts a chain of some blocks and returns a client of a host that asks it.
func start(t *testing.T) (*devchain.Chain, *chain.Client) {
	t.Helper()
	c, err := devchain.Start(context.Background(), devchain.Config{Blocks: 20})
	if err != nil {
		t.Fatal(err)
	}
	service := &host{Service: nodetest.Service{URL: c.WSURL()}}
	t.Cleanup(func() {
		service.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, chain.NewClient(service, "dev", chain.Asker{Step: "p/s"})
}

// host also subscribes to what is no head, as a host does: raw, at a node.
type host struct{ nodetest.Service }

func (h *host) Subscribe(ctx context.Context, s chain.Subscription, take func([]byte) error) error {
	if strings.Contains(string(s.Params), "newHeads") {
		return h.Service.Subscribe(ctx, s, take)
	}
	client, err := rpc.DialContext(ctx, h.URL)
	if err != nil {
		return err
	}
	defer client.Close()
	var args []any
	if err := json.Unmarshal(s.Params, &args); err != nil {
		return err
	}
	events := make(chan json.RawMessage)
	sub, err := client.EthSubscribe(ctx, events, args...)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	for {
		select {
		case event := <-events:
			if err := take(event); err != nil {
				return err
			}
		case err := <-sub.Err():
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// token is what abigen makes of the interface of a token, cut to what is used.
type token struct{ *bind.BoundContract }

func newToken(at common.Address, backend bind.ContractBackend) (*token, error) {
	parsed, err := abi.JSON(strings.NewReader(`[
		{"type":"function","name":"symbol","stateMutability":"view","inputs":[],"outputs":[{"type":"string"}]},
		{"type":"function","name":"balanceOf","stateMutability":"view","inputs":[{"type":"address"}],"outputs":[{"type":"uint256"}]},
		{"type":"function","name":"transfer","stateMutability":"nonpayable","inputs":[{"type":"address"},{"type":"uint256"}],"outputs":[{"type":"bool"}]},
		{"type":"event","name":"Transfer","anonymous":false,"inputs":[{"name":"from","type":"address","indexed":true},{"name":"to","type":"address","indexed":true},{"name":"value","type":"uint256","indexed":false}]}
	]`))
	if err != nil {
		return nil, err
	}
	return &token{bind.NewBoundContract(at, parsed, backend, backend, backend)}, nil
}

func (t *token) symbol(opts *bind.CallOpts) (string, error) {
	var out []any
	if err := t.Call(opts, &out, "symbol"); err != nil {
		return "", err
	}
	return *abi.ConvertType(out[0], new(string)).(*string), nil
}

// What programs for Ethereum do with a client works through a host: blocks,
// receipts, logs, and contracts by their bindings.
func TestClientOfAHost(t *testing.T) {
	dev, c := start(t)
	ec := ethclient.New(c)
	defer ec.Close()
	ctx := t.Context()
	if id, err := ec.ChainID(ctx); err != nil || id.Uint64() != devchain.ChainID {
		t.Errorf("ChainID: got %v, %v", id, err)
	}
	block, err := ec.BlockByNumber(ctx, big.NewInt(20))
	if err != nil || block.Hash() != dev.Head().Hash() || len(block.Transactions()) == 0 {
		t.Fatalf("BlockByNumber: got %v, %v, want the head %s", block, err, dev.Head().Hash())
	}
	receipts, err := ec.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(block.Hash(), false))
	if err != nil || len(receipts) != len(block.Transactions()) {
		t.Errorf("BlockReceipts: got %d, %v, want %d", len(receipts), err, len(block.Transactions()))
	}
	is := dev.Contracts().Tokens[0]
	contract, err := newToken(is.Address, ec)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := contract.symbol(&bind.CallOpts{Context: ctx}); err != nil || got != is.Symbol {
		t.Errorf("symbol: got %q, %v, want %q", got, err, is.Symbol)
	}
	logs, sub, err := contract.FilterLogs(&bind.FilterOpts{Start: 0, Context: ctx}, "Transfer")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if l := <-logs; l.Address != is.Address {
		t.Errorf("FilterLogs: got a log of %s", l.Address)
	}
}

// An error has the code and data of the node, as those need it who decode reverts.
func TestErrorsOfContracts(t *testing.T) {
	dev, c := start(t)
	ec := ethclient.New(c)
	defer ec.Close()
	data := append(common.FromHex("a9059cbb"), common.LeftPadBytes([]byte{1}, 32)...)
	data = append(data, common.LeftPadBytes([]byte{2}, 32)...)
	_, err := ec.CallContract(t.Context(), ethereum.CallMsg{To: &dev.Contracts().Tokens[0].Address, Data: data}, nil)
	coded, withData := rpc.Error(nil), rpc.DataError(nil)
	if !errors.As(err, &coded) || coded.ErrorCode() != 3 {
		t.Errorf("a revert: got %v, want code 3", err)
	}
	if !errors.As(err, &withData) {
		t.Fatalf("a revert: got %v, want its data", err)
	}
	if text, is := withData.ErrorData().(string); !is || !strings.HasPrefix(text, "0x") {
		t.Errorf("the data of a revert: got %v", withData.ErrorData())
	}
	err = ec.Client().CallContext(t.Context(), new(any), "eth_wonders")
	if !errors.As(err, &coded) || coded.ErrorCode() != -32601 {
		t.Errorf("a method that is not there: got %v, want code -32601", err)
	}
	if _, err := ec.TransactionReceipt(t.Context(), common.Hash{1}); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("a receipt that is not there: got %v, want not found", err)
	}
}

// A batch is one request to the host, and each of its calls has its own answer.
func TestBatch(t *testing.T) {
	_, c := start(t)
	ec := ethclient.New(c)
	defer ec.Close()
	batch := make([]rpc.BatchElem, 50)
	for i := range batch {
		batch[i] = rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{fmt.Sprintf("0x%x", i%20), false}, Result: &types.Header{}}
	}
	batch[7].Method = "eth_wonders"
	if err := ec.Client().BatchCallContext(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i, b := range batch {
		if i == 7 {
			if b.Error == nil {
				t.Error("a method that is not there has an answer")
			}
			continue
		}
		if got := b.Result.(*types.Header).Number.Uint64(); b.Error != nil || got != uint64(i%20) {
			t.Errorf("call %d: got block %d, %v", i, got, b.Error)
		}
	}
}

// Heads and logs come as they are mined, until they are not wanted any more.
func TestSubscriptions(t *testing.T) {
	dev, c := start(t)
	ec := ethclient.New(c)
	defer ec.Close()
	heads, logs := make(chan *types.Header, 10), make(chan types.Log, 1000)
	sub, err := ec.SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	more, err := ec.SubscribeFilterLogs(t.Context(), ethereum.FilterQuery{}, logs)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Unsubscribe()
	if first := next(t, heads); first.Number.Uint64() != 20 {
		t.Errorf("the first head is %d, want the head as it is, 20", first.Number)
	}
	mined := mineUntil(t, dev, logs)
	if got := next(t, heads); got.Number.Uint64() != 21 {
		t.Errorf("the next head is %d, want 21 of %d", got.Number, mined)
	}
	sub.Unsubscribe()
	if err, open := <-sub.Err(); open {
		t.Errorf("a subscription that was ended says %v", err)
	}
}

// mineUntil mines until somebody is told of a log: the subscription may not have
// begun at the first block.
func mineUntil(t *testing.T, dev *devchain.Chain, logs <-chan types.Log) uint64 {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		h, err := dev.Mine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-logs:
			return h.Number.Uint64()
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("no log came")
	return 0
}

func next[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing came within 20 seconds")
	}
	return v
}

// breaking is a host whose subscriptions break.
type breaking struct{ chain.Service }

func (breaking) Subscribe(_ context.Context, _ chain.Subscription, take func([]byte) error) error {
	if err := take([]byte(`{"number":"0x1"}`)); err != nil {
		return err
	}
	return errors.New("the connection broke")
}

func (breaking) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	if r.Calls[0].Method == "eth_chainId" {
		return []chain.Result{{Raw: json.RawMessage(`"0x5"`)}}, nil
	}
	return nil, errors.New("this host knows no network")
}

// A subscription that breaks ends with an error, and what is called then works on.
// What the host itself refuses is an error too.
func TestWhatBreaks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ec := ethclient.New(chain.NewClient(breaking{}, "dev", chain.Asker{}))
	defer ec.Close()
	events := make(chan json.RawMessage, 10)
	sub, err := ec.Client().EthSubscribe(t.Context(), events, "newHeads")
	if err != nil {
		t.Fatal(err)
	}
	if err := next(t, sub.Err()); err == nil {
		t.Error("the subscription broke without an error")
	}
	id, err := ec.ChainID(t.Context())
	for i := 0; err != nil && i < 10; i++ { // the connection may still be on its way out
		id, err = ec.ChainID(t.Context())
	}
	if err != nil || id.Uint64() != 5 {
		t.Errorf("after a subscription has broken: got %v, %v", id, err)
	}
	if _, err := ec.BlockNumber(t.Context()); err == nil || !strings.Contains(err.Error(), "this host knows no network") {
		t.Errorf("what the host refuses: got %v", err)
	}
}
