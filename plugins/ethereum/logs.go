package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/shared"
)

// logs emits eth.log.
type logs struct {
	Addresses []common.Address `hcl:"addresses,optional" doc:"only logs of these contracts; none: of all"`
	Events    []string         `hcl:"events,optional" doc:"only these events, by signature, such as Transfer(address,address,uint256)"`
	Topics    [][]common.Hash  `hcl:"topics,optional" doc:"only logs with one of the hashes listed for each position; an empty list takes any"`
	Contracts []contract       `hcl:"contract,block" doc:"contracts with events of their own"`
	Shared    string           `hcl:"shared,optional" doc:"also logs of the addresses in this set of the pipeline's shared state, whatever it holds at the time"`
	Range     uint64           `hcl:"range,optional" doc:"most blocks asked for in one eth_getLogs; fewer are asked for where the node wants it"`
	Complete  bool             `hcl:"complete,optional" doc:"prove that no log is missing and that all they say is so, out of receipts"`
	connection
}

// contract is addresses whose events are not those of the others.
type contract struct {
	Address   common.Address   `hcl:"address,optional" doc:"the contract"`
	Addresses []common.Address `hcl:"addresses,optional" doc:"more contracts of the kind"`
	Events    []string         `hcl:"events,optional" doc:"only these of their events; none: all"`
	Topics    [][]common.Hash  `hcl:"topics,optional" doc:"as outside"`
}

// Validate checks the events too.
func (l *logs) Validate() error {
	if _, err := l.filter(nil); err != nil {
		return err
	}
	if l.Complete && !l.Verify {
		return fmt.Errorf("complete = true proves logs, and verify = false says not to: take one of them out")
	}
	return l.validate(manyBlocks)
}

// Read follows the chain and emits the logs that the settings choose.
func (l *logs) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Log]) error {
	chosen, err := l.filter(nil)
	if err != nil {
		return sdk.Stop(err)
	}
	if l.Shared == "" {
		return run(ctx, l.connection, start, out, l.source(chosen, nil))
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watched{settings: l, log: sdk.Logger(ctx), first: make(chan struct{})}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		w.watch(ctx, func(ctx context.Context, take func(shared.Value) error) error { return sdk.Shared(ctx, l.Shared, take) })
	})
	if chosen, err = w.wait(ctx); err != nil {
		return err
	}
	return run(ctx, l.connection, start, out, l.source(chosen, w))
}

func (l *logs) source(chosen fetch.Filter, w *watched) opener[eth.Log] {
	return func(ctx context.Context, n *fetch.Node, heads *view.Heads) follow.Source[eth.Log] {
		source := fetch.NewLogs(ctx, n, chosen, fetch.LogsConfig{Most: l.Range, Complete: l.Complete, Head: heads.Announced})
		if w != nil {
			w.tell(source)
		}
		return source
	}
}

// watched is a filter whose addresses are in the pipeline's shared state.
type watched struct {
	settings *logs
	log      hclog.Logger
	first    chan struct{} // closed when the set is known

	mu     sync.Mutex // protects the fields below
	known  bool
	chosen fetch.Filter
	source *fetch.Logs // nil until it is made
}

// watch follows the set until ctx ends. While it cannot be had, what it held last counts.
func (w *watched) watch(ctx context.Context, follow func(context.Context, func(shared.Value) error) error) {
	for {
		err := follow(ctx, func(v shared.Value) error {
			w.take(v)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		w.log.Warn("the set of addresses cannot be watched: reading on with what it held", "set", w.settings.Shared, "error", err)
		timer := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// take makes a filter of a set. Words that are no addresses are left out with a word in the log.
func (w *watched) take(v shared.Value) {
	addresses := []common.Address{}
	for _, word := range v.Members {
		if !common.IsHexAddress(word) {
			w.log.Warn("a member of the set is no address: left out", "set", w.settings.Shared, "member", word)
			continue
		}
		addresses = append(addresses, common.HexToAddress(word))
	}
	chosen, err := w.settings.filter(addresses)
	if err != nil {
		w.log.Error("the set of addresses does not go with the settings: reading on with what it held", "set", w.settings.Shared, "error", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		w.known = true
		close(w.first)
	}
	w.chosen = chosen
	if w.source != nil {
		w.source.Choose(chosen)
	}
	w.log.Info("logs are chosen by a set of addresses", "set", w.settings.Shared, "version", v.Version, "addresses", len(addresses))
}

// wait returns the first filter.
func (w *watched) wait(ctx context.Context) (fetch.Filter, error) {
	select {
	case <-w.first:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.chosen, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// tell makes a source follow the set from now on.
func (w *watched) tell(source *fetch.Logs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = source
	source.Choose(w.chosen)
}
