package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/balance"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/epoch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/statetest"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/shared"
)

// on makes a process of what a test has.
func on(client *chain.Client, from uint64) process {
	return process{client: client, log: hclog.NewNullLogger(), start: sdk.Start{From: from, Network: sdk.Network{Name: "test", ChainID: 7}}}
}

// From history over the seam to the head, whatever the node and the chain do meanwhile: every balance and epoch once, in order, and of the
// block that it says it is of.
func TestStatesAreOfTheirBlocks(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			u, from := newUnruly(seed), seed%30
			node := &nodetest.Node{Chain: u.chain, Before: u.before, Height: u.lag, NoFinal: seed%3 == 0, BatchItems: 12}
			state := &statetest.State{Node: node, NoHashes: seed%8 == 4, Traces: statetest.Traces{Parity: seed%8 < 4, Geth: seed%8 >= 4}}
			server := httptest.NewServer(u.cut(state.Handler(t)))
			defer server.Close()
			url := server.URL
			if seed%4 < 2 {
				url = nodetest.WebSocket(url)
			}
			var got, want []string
			switch seed % 5 {
			case 0:
				got, want = settledBalances(t, u, url, from, 1+seed%5)
			case 1:
				got, want = settledEpochs(t, u, url, from, 1+seed%7)
			case 2:
				got, want = settledTraces(t, u, url, from)
			case 3:
				got, want = settledCalls(t, u, url, from, 1+seed%4)
			default:
				got, want = settledGas(t, u, url, from)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func settledBalances(t *testing.T, u *unruly, url string, from, every uint64) (got, want []string) {
	t.Helper()
	accounts := []common.Address{{1}, {2}, {3}}
	b := &balances{schedule: schedule{Every: every}}
	for _, row := range settle(t, u, url, from, func(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Balance] {
		return b.source(on(n.Client, from), 7, balance.NewSet(accounts))
	}) {
		if row.Balance != statetest.Balance(row.BlockHash, row.Address) {
			t.Errorf("the balance of %s at block %d is of another block", row.Address, row.BlockNumber)
		}
		got = append(got, nodetest.Key(row.BlockNumber, row.BlockHash, uint64(row.Address[0])))
	}
	for _, block := range u.chain.Range(from, u.chain.Height()) {
		for i := range accounts {
			if block.Number%every == 0 {
				want = append(want, nodetest.Key(block.Number, block.Hash, uint64(i+1)))
			}
		}
	}
	return got, want
}

func settledEpochs(t *testing.T, u *unruly, url string, from, size uint64) (got, want []string) {
	t.Helper()
	for _, row := range settle(t, u, url, from, func(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Epoch] {
		return &epoch.Source{Client: n.Client, ChainID: 7, Length: size, First: from}
	}) {
		got = append(got, fmt.Sprintf("%d: %x %x", row.EpochNumber, row.BeginHash[:4], row.EndHash[:4]))
	}
	for begin, n := from, 0; begin+size-1 <= u.chain.Height(); begin, n = begin+size, n+1 {
		want = append(want, fmt.Sprintf("%d: %x %x", n, u.chain.At(begin).Hash[:4], u.chain.At(begin + size - 1).Hash[:4]))
	}
	return got, want
}

func settledTraces(t *testing.T, u *unruly, url string, from uint64) (got, want []string) {
	t.Helper()
	r := &traces{Dialect: "auto", Batch: 7, BlockTimeout: time.Minute}
	for _, row := range settle(t, u, url, from, func(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Trace] {
		return r.source(on(n.Client, from), 7)
	}) {
		if !bytes.Equal(row.Input, row.BlockHash[:4]) {
			t.Errorf("trace %s of block %d is of another block", row.TraceID, row.BlockNumber)
		}
		got = append(got, fmt.Sprintf("%s %d", nodetest.Key(row.BlockNumber, row.BlockHash, *row.TransactionIndex), row.TraceAddress))
	}
	for _, block := range u.chain.Range(from, u.chain.Height()) {
		for i := range block.Transactions {
			key := nodetest.Key(block.Number, block.Hash, uint64(i))
			want = append(want, key+" []", key+" [0]")
		}
	}
	return got, want
}

func settledGas(t *testing.T, u *unruly, url string, from uint64) (got, want []string) {
	t.Helper()
	g := &gasPrices{Percentiles: []float64{50}, Prices: true}
	for _, row := range settle(t, u, url, from, func(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Gas] {
		return g.source(on(n.Client, from), 7)
	}) {
		got = append(got, nodetest.Key(row.BlockNumber, row.BlockHash, 0))
	}
	for _, block := range u.chain.Range(from, u.chain.Height()) {
		want = append(want, nodetest.Key(block.Number, block.Hash, 0))
	}
	return got, want
}

func settledCalls(t *testing.T, u *unruly, url string, from, epoch uint64) (got, want []string) {
	t.Helper()
	c := &calls{Multicall: from%2 == 0, schedule: schedule{Every: 1, Epoch: epoch}, Calls: []callBlock{
		{To: common.Address{1}, Method: "a()(uint256)"}, {To: common.Address{2}, Method: "b(uint8)(uint256)", Args: []string{"7"}},
	}}
	views, err := c.views()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range settle(t, u, url, from, func(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Call] {
		return c.source(on(n.Client, from), 7, views)
	}) {
		of := []common.Address{{1}, common.BytesToAddress([]byte{7})}[i%2]
		if n := statetest.Balance(row.BlockHash, of); row.Values != fmt.Sprintf("[%q]", n.Dec()) {
			t.Errorf("what %s answers at block %d is of another block", row.Function, row.BlockNumber)
		}
		got = append(got, nodetest.Key(row.BlockNumber, row.BlockHash, uint64(i%2)))
	}
	for last := from + epoch - 1; last <= u.chain.Height(); last += epoch {
		b := u.chain.At(last)
		want = append(want, nodetest.Key(b.Number, b.Hash, 0), nodetest.Key(b.Number, b.Hash, 1))
	}
	return got, want
}

// Addresses that people add and remove count from the next block that is read.
func TestAddressesComeAndGo(t *testing.T) {
	c := nodetest.NewChain(20)
	server := httptest.NewServer((&statetest.State{Node: &nodetest.Node{Chain: c}}).Handler(t))
	defer server.Close()
	service := &nodetest.Service{URL: server.URL, Poll: time.Millisecond}
	defer service.Close()
	p := on(chain.NewClient(service, "test", chain.Asker{}), 20)
	sets, taken := make(chan []string), make(chan struct{})
	watch := func(ctx context.Context, key string, take func(shared.Value) error) error {
		for {
			select {
			case set := <-sets:
				if err := take(shared.Value{Version: 1, Members: set}); err != nil || key != "addresses" {
					t.Errorf("take of %s: %v", key, err)
				}
				taken <- struct{}{}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	put := func(set ...string) {
		sets <- set
		<-taken
	}
	one, two := common.Address{1}, common.Address{2}
	b := &balances{Addresses: []common.Address{one}, schedule: schedule{Every: 1}, connection: defaults()}
	b.Poll = 10 * time.Millisecond
	enough := errors.New("enough")
	ctx, end := context.WithCancelCause(t.Context())
	reached := make(chan uint64, 100)
	out := &rows[eth.Balance]{after: func(p sdk.SafePoint) { reached <- p.Cursor.Block }}
	over := make(chan error, 1)
	go func() { over <- b.read(ctx, p, watch, out) }()
	until := func(block uint64) {
		for b := range reached {
			if b == block {
				return
			}
		}
	}
	put()
	until(20)
	put(two.Hex(), "nobody")
	c.Mine(1)
	until(21)
	put()
	c.Mine(1)
	until(22)
	end(enough)
	if err := <-over; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	var got []string
	for _, row := range out.all {
		got = append(got, fmt.Sprint(row.BlockNumber, " ", row.Address[0]))
	}
	if want := []string{"20 1", "21 1", "21 2", "22 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Without a host that shares anything the addresses of the settings count; where there are none either, that is an error that says so.
func TestNothingIsShared(t *testing.T) {
	c := nodetest.NewChain(20)
	server := httptest.NewServer((&statetest.State{Node: &nodetest.Node{Chain: c}}).Handler(t))
	defer server.Close()
	plugin := serve(t, server.URL)
	to := uint64(4)
	start := sdk.Start{Network: sdk.Network{Name: "test", ChainID: 7}, From: 2, To: &to}
	got := plugintest.Read[eth.Balance](t, plugin, "eth.balances", map[string]any{"addresses": []string{"0x0100000000000000000000000000000000000000"}, "every": 2}, start)
	if len(got.Rows) != 2 || got.Rows[1].BlockNumber != 4 || got.Rows[1].ChainID != 7 {
		t.Errorf("got %+v", got.Rows)
	}
	b := &balances{schedule: schedule{Every: 1}, connection: defaults()}
	none := func(context.Context, string, func(shared.Value) error) error {
		return errors.New("this host has no shared state")
	}
	err := b.read(t.Context(), process{log: hclog.NewNullLogger()}, none, nil)
	if !errors.Is(err, balance.ErrNobody) || !strings.Contains(err.Error(), "this host has no shared state") {
		t.Errorf("got %v", err)
	}
}

// What cannot be meant is refused before anything runs.
func TestSettingsOfStates(t *testing.T) {
	for want, settings := range map[string]interface{ Validate() error }{
		"every is 0":                           &balances{connection: defaults()},
		"every = 2 and epoch = 3 both say":     &balances{schedule: schedule{Every: 2, Epoch: 3}, connection: defaults()},
		"size is 0: write how many blocks":     &epochs{connection: defaults()},
		`dialect is "erigon": write auto, par`: &traces{Dialect: "erigon", Batch: 1, BlockTimeout: time.Second, connection: defaults()},
		"block_timeout is 1ms: write 1s or mo": &traces{Dialect: "geth", Batch: 1, BlockTimeout: time.Millisecond, connection: defaults()},
		"percentiles has 101: write numbers f": &gasPrices{Percentiles: []float64{101}, connection: defaults()},
		"percentiles is [50 10]: write it in ": &gasPrices{Percentiles: []float64{50, 10}, connection: defaults()},
		"percentiles has 101 numbers: write a": &gasPrices{Percentiles: make([]float64, 101), connection: defaults()},
		"there is nothing to call: write call": &calls{schedule: schedule{Every: 1}, connection: defaults()},
		`call 1: method: "f" is no function: `: &calls{Calls: []callBlock{{Method: "f"}}, schedule: schedule{Every: 1}, connection: defaults()},
		"call 1: args: f(bool) takes 1 argume": &calls{Calls: []callBlock{{Method: "f(bool)"}}, schedule: schedule{Every: 1}, connection: defaults()},
		`source is "gossip": write auto, subs`: &pending{Source: "gossip", Window: 1000, connection: defaults()},
		"window is 1: write a number from 1,0": &pending{Source: "auto", Window: 1, connection: defaults()},
		"batch is 0: write a number from 1 to": &traces{Dialect: "geth", BlockTimeout: time.Second, connection: defaults()},
		"concurrency is 0: write a number":     &epochs{Length: 1},
		"concurrency is 1000: write a number ": &balances{schedule: schedule{Every: 1}, connection: connection{Concurrency: 1000}},
	} {
		if err := settings.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", settings, err, want)
		}
	}
}

// Epochs of a node are told of when the head is past them by the offset, and all of them.
func TestEpochsAtADistance(t *testing.T) {
	c := nodetest.NewChain(33)
	plugin := serve(t, (&nodetest.Node{Chain: c}).Serve(t))
	to := uint64(29)
	start := sdk.Start{Network: sdk.Network{Name: "test", ChainID: 7}, From: 2, To: &to}
	got := plugintest.Read[eth.Epoch](t, plugin, "eth.epochs", map[string]any{"size": 5, "offset": 4}, start)
	if n := len(got.Rows); n != 5 || got.Rows[4].BeginBlock != 22 || got.Rows[4].EndBlock != 26 || got.Rows[4].EpochNumber != 4 {
		t.Errorf("got %+v", got.Rows)
	}
	if last := got.SafePoints[len(got.SafePoints)-1]; last.Cursor.Block != 29 || last.Head != 29 {
		t.Errorf("the last safe point is %+v, want block 29, and that for the head, which is 4 past it", last)
	}
}
