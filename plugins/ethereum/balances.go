package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/balance"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/shared"
)

func balancesRegister() sdk.Register {
	return sdk.Reader("eth.balances", &balances{Multicall: true, schedule: schedule{Every: 1}, connection: defaults()}).
		Doc("reads what accounts have; addresses may come and go while it runs").Addressable()
}

// balances emits eth.balance.
type balances struct {
	Addresses []common.Address `hcl:"addresses,optional" doc:"accounts to look at, besides those of the pipeline's shared set \"addresses\""`
	Token     *common.Address  `hcl:"token,optional" doc:"an ERC-20 contract, whose balances are read instead of ether"`
	Nonce     bool             `hcl:"nonce,optional" doc:"read the nonces of the accounts too"`
	Multicall bool             `hcl:"multicall,optional" doc:"ask for many balances in one call"`
	schedule
	connection
}

func (b *balances) Validate() error {
	if err := b.schedule.validate(); err != nil {
		return err
	}
	return b.connection.validate(1)
}

// Read follows the chain and emits balances.
func (b *balances) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Balance]) error {
	return b.read(ctx, processOf(ctx, start), sdk.Shared, out)
}

// sharing watches a set of the pipeline's shared state, as sdk.Shared does.
type sharing func(ctx context.Context, key string, take func(shared.Value) error) error

func (b *balances) read(ctx context.Context, p process, watch sharing, out follow.Sink[eth.Balance]) error {
	set := balance.NewSet(b.Addresses)
	beside, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end()
	first := make(chan error, 1)
	watching.Go(func() { b.watch(beside, p, watch, set, first) })
	select {
	case err := <-first:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return followed(ctx, p, b.connection, out, func(chainID uint64) follow.Source[eth.Balance] { return b.source(p, chainID, set) })
}

// watch keeps a set as people want it, and says when it is for the first time.
func (b *balances) watch(ctx context.Context, p process, watch sharing, set *balance.Set, first chan<- error) {
	told := false
	err := watch(ctx, "addresses", func(v shared.Value) error {
		if others := set.Put(v.Members); len(others) > 0 {
			p.log.Warn("some words of the shared set \"addresses\" are no addresses: they are left out", "words", len(others), "first", others[0])
		}
		p.log.Info("balances are read of these accounts from the next block on", "addresses", len(set.Addresses()), "version", v.Version)
		if !told {
			told = true
			first <- nil
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
	case told:
		p.log.Warn("what the pipeline shares is not heard of any more: the addresses stay what they are", "error", err)
	case len(b.Addresses) > 0:
		p.log.Warn("what the pipeline shares cannot be heard of: only the addresses of the settings are looked at", "error", err)
		first <- nil
	default:
		first <- fmt.Errorf("%w: %w", balance.ErrNobody, err)
	}
}

func (b *balances) source(p process, chainID uint64, set *balance.Set) follow.Source[eth.Balance] {
	states := &place.States{Client: p.client, Log: p.log}
	return &balance.Source{
		Client: p.client, States: states, Calls: &multicall.Caller{States: states, Plain: !b.Multicall, Log: p.log}, ChainID: chainID,
		Set: set, Schedule: b.from(p.start.From), Token: b.Token, Nonce: b.Nonce, Log: p.log,
	}
}
