package mempool_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/mempool"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

// pool is a service that subscribes to what it is asked for, as a host does, and can be made to refuse or to break.
type pool struct {
	*nodetest.Service
	ws     string
	refuse func(params string) bool
	broken chan struct{} // receives one to break a subscription
	began  chan string   // the parameters of each subscription that has begun
}

func (p *pool) Subscribe(ctx context.Context, s chain.Subscription, take func(event []byte) error) error {
	if p.refuse != nil && p.refuse(string(s.Params)) {
		return errors.New("no endpoint has subscriptions")
	}
	client, err := rpc.DialContext(ctx, p.ws)
	if err != nil {
		return err
	}
	defer client.Close()
	var args []any
	if err := json.Unmarshal(s.Params, &args); err != nil {
		return err
	}
	feed := make(chan json.RawMessage, 1000)
	sub, err := client.EthSubscribe(ctx, feed, args...)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	var broken chan struct{} // heads are told of whatever happens
	if strings.Contains(string(s.Params), "Pending") {
		p.began <- string(s.Params)
		broken = p.broken
	}
	for {
		select {
		case raw := <-feed:
			if err := take(raw); err != nil {
				return err
			}
		case err := <-sub.Err():
			return err
		case <-broken:
			return errors.New("the connection was cut")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// heard is what a host keeps.
type heard struct {
	mu     sync.Mutex // protects the fields below
	rows   []eth.PendingTransaction
	points []sdk.SafePoint
	more   chan struct{} // has one when there is more; capacity 1
}

func (h *heard) EmitAll(rows []eth.PendingTransaction) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, row := range rows {
		if n := len(h.points); n > 0 && row.BlockNumber <= h.points[n-1].Cursor.Block {
			return errors.New("a transaction is of a block of which all was said to be told")
		}
	}
	h.rows = append(h.rows, rows...)
	h.wake()
	return nil
}

func (h *heard) SafePoint(p sdk.SafePoint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points = append(h.points, p)
	h.wake()
	return nil
}

func (h *heard) wake() {
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// until waits until so many transactions were told of and a place was marked, and returns them.
func (h *heard) until(t *testing.T, n int) []eth.PendingTransaction {
	t.Helper()
	h.wait(t, func() bool { return len(h.rows) >= n && len(h.points) > 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rows
}

// wait waits until something is so.
func (h *heard) wait(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		h.mu.Lock()
		done := so()
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-h.more:
		case <-deadline:
			t.Fatalf("it did not happen; %d transactions and %d places were told of", len(h.rows), len(h.points))
		}
	}
}

// last is the newest place that was marked.
func (h *heard) last() sdk.Cursor {
	if len(h.points) == 0 {
		return sdk.Cursor{}
	}
	return h.points[len(h.points)-1].Cursor
}

// reader runs one until the test says otherwise.
func reader(t *testing.T, p *pool, prepare func(r *mempool.Reader)) (out *heard, stop func() error) {
	t.Helper()
	client := chain.NewClient(p, "test", chain.Asker{})
	v, err := view.New(client, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heads := v.Heads(ctx, 5*time.Millisecond, hclog.NewNullLogger())
	r := &mempool.Reader{
		Client: client, Heads: heads, ChainID: realnode.ChainID, Source: mempool.Auto, Poll: 5 * time.Millisecond, Window: 1000, Log: hclog.NewNullLogger(), Now: time.Now,
	}
	if prepare != nil {
		prepare(r)
	}
	out = &heard{more: make(chan struct{}, 1)}
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx, out) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() {
			cancel()
			err = <-over
			heads.Close()
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return out, stop
}

func open(t *testing.T, n *realnode.Node) *pool {
	t.Helper()
	s := &nodetest.Service{URL: n.HTTP(t)}
	t.Cleanup(s.Close)
	return &pool{Service: s, ws: n.WebSocket(t), broken: make(chan struct{}), began: make(chan string, 10)}
}

func compare(t *testing.T, want []*types.Transaction, got []eth.PendingTransaction) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d transactions were told of, want %d", len(got), len(want))
	}
	for i, tx := range want {
		row := got[i]
		if row.TransactionHash != tx.Hash() || row.Nonce != tx.Nonce() || row.Value.ToBig().Cmp(tx.Value()) != 0 || row.GasLimit != tx.Gas() || row.ChainID != realnode.ChainID ||
			row.MaxFeePerGas.ToBig().Cmp(tx.GasFeeCap()) != 0 || row.Timestamp.IsZero() || row.From == (common.Address{}) {
			t.Errorf("transaction %d is %+v, want %s", i, row, tx.Hash())
		}
	}
}

func wants(refused ...string) func(string) bool {
	return func(params string) bool {
		for _, r := range refused {
			if strings.Contains(params, r) {
				return true
			}
		}
		return false
	}
}

// However transactions are heard of, all of them are told of, once, as they come.
func TestPendingTransactionsOfARealNode(t *testing.T) {
	for name, refuse := range map[string]func(string) bool{
		"whole":    nil,
		"by hash":  wants("true"),
		"the pool": wants("Pending"),
	} {
		t.Run(name, func(t *testing.T) {
			n := realnode.Start(t, nil)
			n.Commit()
			p := open(t, n)
			p.refuse = refuse
			out, stop := reader(t, p, nil)
			if name != "the pool" {
				<-p.began
			}
			var want []*types.Transaction
			for i := range 7 {
				want = append(want, n.Send(t, &common.Address{1}, big.NewInt(int64(i)), []byte{1, 0}))
				compare(t, want, out.until(t, i+1))
			}
			n.Commit()
			want = append(want, n.Send(t, &common.Address{1}, big.NewInt(9), nil))
			got := out.until(t, 8)
			compare(t, want, got)
			if got[0].BlockNumber != 1 || got[0].InputBytes != 2 || got[7].BlockNumber < got[0].BlockNumber {
				t.Errorf("got %+v and %+v", got[0], got[7])
			}
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// What comes while a subscription is broken is found in the pool, and nothing is told of twice.
func TestBrokenSubscriptions(t *testing.T) {
	n := realnode.Start(t, nil)
	n.Commit()
	p := open(t, n)
	out, _ := reader(t, p, func(r *mempool.Reader) { r.Poll = 20 * time.Millisecond })
	<-p.began
	want := []*types.Transaction{n.Send(t, &common.Address{1}, big.NewInt(0), nil)}
	out.until(t, 1)
	p.broken <- struct{}{}
	want = append(want, n.Send(t, &common.Address{1}, big.NewInt(1), nil))
	out.until(t, 2)
	<-p.began
	want = append(want, n.Send(t, &common.Address{1}, big.NewInt(2), nil))
	compare(t, want, out.until(t, 3))
}

// A reader that goes on where another was does not tell of what that has told of.
func TestGoingOn(t *testing.T) {
	n := realnode.Start(t, nil)
	n.Commit()
	p := open(t, n)
	p.refuse = wants("Pending")
	out, stop := reader(t, p, nil)
	want := []*types.Transaction{n.Send(t, &common.Address{1}, big.NewInt(0), nil), n.Send(t, &common.Address{1}, big.NewInt(1), nil)}
	out.until(t, 2)
	out.wait(t, func() bool { return len(out.last().Position) == 24 })
	at := out.last()
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	out, _ = reader(t, p, func(r *mempool.Reader) { r.Cursor = &at })
	want = append(want, n.Send(t, &common.Address{1}, big.NewInt(2), nil))
	compare(t, want[2:], out.until(t, 1))
}

// With a last block it comes to its end, after all that came before.
func TestTheLastBlock(t *testing.T) {
	n := realnode.Start(t, nil)
	n.Commit()
	p := open(t, n)
	last := uint64(3)
	out, stop := reader(t, p, func(r *mempool.Reader) { r.To = &last })
	<-p.began
	want := []*types.Transaction{n.Send(t, &common.Address{1}, big.NewInt(0), nil)}
	out.until(t, 1)
	for range 3 {
		n.Commit()
	}
	out.wait(t, func() bool { return out.last().Block >= last })
	if err := stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	compare(t, want, out.rows)
}

// A node that tells of nothing is named, with what would help.
func TestNobodyTells(t *testing.T) {
	c := nodetest.NewChain(3)
	s := &nodetest.Service{URL: (&nodetest.Node{Chain: c}).Serve(t)}
	defer s.Close()
	for _, source := range []string{mempool.Auto, mempool.Subscribe, mempool.Pool} {
		p := &pool{Service: s, refuse: wants("new"), began: make(chan string, 1)}
		client := chain.NewClient(p, "test", chain.Asker{})
		v, err := view.New(client, "")
		if err != nil {
			t.Fatal(err)
		}
		heads := v.Heads(t.Context(), time.Millisecond, hclog.NewNullLogger())
		r := &mempool.Reader{Client: client, Heads: heads, Source: source, Poll: time.Millisecond, Window: 1000, Log: hclog.NewNullLogger(), Now: time.Now}
		err = r.Run(t.Context(), &heard{more: make(chan struct{}, 1)})
		heads.Close()
		want := "no endpoint tells of pending transactions: name one for WebSocket or IPC, or enable the txpool namespace"
		if source == mempool.Subscribe {
			want = "subscribe to pending transactions, which needs an endpoint for WebSocket or IPC: no endpoint has subscriptions"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", source, err)
		}
	}
}
