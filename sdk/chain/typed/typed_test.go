package typed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	devchain "github.com/penstock-io/penstock/examples/devchain/chain"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/chain/typed"
)

// lying is a host some of whose answers are changed on their way.
type lying struct {
	*nodetest.Service
	times int // how often it lies
	from  string
	to    string
}

func (l *lying) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	results, err := l.Service.Exchange(ctx, r)
	for i := range results {
		if text := string(results[i].Raw); l.times > 0 && strings.Contains(text, l.from) {
			results[i].Raw = []byte(strings.Replace(text, l.from, l.to, 1))
			l.times--
		}
	}
	return results, err
}

func start(t *testing.T) (*devchain.Chain, *lying, *typed.Client) {
	t.Helper()
	dev, err := devchain.Start(t.Context(), devchain.Config{Blocks: 20})
	if err != nil {
		t.Fatal(err)
	}
	host := &lying{Service: &nodetest.Service{URL: dev.HTTPURL()}}
	t.Cleanup(func() {
		host.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return dev, host, &typed.Client{Client: chain.NewClient(host, "dev", chain.Asker{}), ChainID: devchain.ChainID}
}

func TestRows(t *testing.T) {
	dev, _, c := start(t)
	ctx := t.Context()
	h, hashes, err := c.Header(ctx, typed.Latest)
	if err != nil || h.BlockHash != dev.Head().Hash() || h.ChainID != devchain.ChainID {
		t.Fatalf("Header: got %v, %v, want %s", h.BlockHash, err, dev.Head().Hash())
	}
	b, err := c.Block(ctx, typed.Number(20))
	if err != nil || len(b.Transactions) != len(hashes) || len(hashes) == 0 {
		t.Fatalf("Block: got %d transactions, %v, want %d", len(b.Transactions), err, len(hashes))
	}
	receipts, logs, err := c.Receipts(ctx, &h, hashes)
	if err != nil || len(receipts) != len(hashes) || len(logs) == 0 {
		t.Errorf("Receipts: got %d with %d logs, %v", len(receipts), len(logs), err)
	}
	same, err := c.Logs(ctx, 20, 20, nil, nil)
	if err != nil || len(same) != len(logs) {
		t.Errorf("Logs: got %d, %v, want the %d of the receipts", len(same), err, len(logs))
	}
	only, err := c.Logs(ctx, 0, 20, []common.Address{logs[0].Address}, [][]common.Hash{{*logs[0].Topic0}})
	if err != nil || len(only) == 0 || only[0].Address != logs[0].Address {
		t.Errorf("Logs of one contract: got %d, %v", len(only), err)
	}
	if got, err := c.Balance(ctx, b.Transactions[0].From, typed.Latest); err != nil || got.IsZero() {
		t.Errorf("Balance: got %s, %v", &got, err)
	}
	token := dev.Contracts().Tokens[0]
	answer, err := c.CallContract(ctx, typed.Message{To: token.Address, Data: common.FromHex("0x95d89b41")}, typed.Latest) // symbol()
	if err != nil || !strings.Contains(string(answer), token.Symbol) {
		t.Errorf("CallContract: got %q, %v, want %q within", answer, err, token.Symbol)
	}
	_, err = c.CallContract(ctx, typed.Message{To: token.Address, Data: common.FromHex("0xa9059cbb" + strings.Repeat("01", 64))}, typed.Latest)
	if chain.KindOf(err) != chain.Reverted {
		t.Errorf("a call that reverts: got %v", err)
	}
	if got, err := c.Latest(ctx); err != nil || got != 20 {
		t.Errorf("Latest: got %d, %v", got, err)
	}
	for finality, want := range map[string]uint64{"5": 15, "100": 0, "latest": 20} {
		if got, err := c.Final(ctx, finality); err != nil || got != want {
			t.Errorf("Final of %q: got %d, %v, want %d", finality, got, err, want)
		}
	}
}

// An answer that cannot be true is asked for again, and one that is never true is an
// error that names block and field.
func TestLies(t *testing.T) {
	_, host, c := start(t)
	host.times, host.from, host.to = 1, `"gasLimit":"0x`, `"gasLimit":"0x1`
	h, _, err := c.Header(t.Context(), typed.Number(7))
	if err != nil || h.BlockNumber != 7 || host.times != 0 {
		t.Errorf("after one lie: got block %d, %v", h.BlockNumber, err)
	}
	host.times = 1 << 30
	_, err = c.Block(t.Context(), typed.Number(7))
	if !strings.Contains(fmt.Sprint(err), "block 7 ") || !strings.Contains(fmt.Sprint(err), "does not verify: hash is") {
		t.Errorf("of somebody who always lies: got %v, want a mismatch of block 7", err)
	}
	host.from, host.to = `"number":"0x8"`, `"number":"0x9"`
	if _, _, err = c.Header(t.Context(), typed.Number(8)); !strings.Contains(fmt.Sprint(err), "asked for block 8, the node answered with block 9") {
		t.Errorf("another block than was asked for: got %v", err)
	}
	host.times = 0
	if _, _, err = c.Header(t.Context(), typed.Number(1000)); !errors.Is(err, typed.ErrNoBlock) {
		t.Errorf("a block that is not there: got %v", err)
	}
}
