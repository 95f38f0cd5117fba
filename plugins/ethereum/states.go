package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/transit"
)

// process is what a reader has of its host.
type process struct {
	client *chain.Client
	log    hclog.Logger
	start  sdk.Start
}

func processOf(ctx context.Context, start sdk.Start) process {
	return process{client: sdk.Chain(ctx), log: sdk.Logger(ctx), start: start}
}

// looking asks about the chain as a whole, and for its id where the network's block does not say it.
func (p process) looking(ctx context.Context) (*view.View, uint64, error) {
	v, err := view.New(p.client, p.start.Network.Finality)
	if err != nil {
		return nil, 0, sdk.Stop(err)
	}
	id := p.start.Network.ChainID
	if id == 0 {
		if id, err = v.ChainID(ctx); err != nil {
			return nil, 0, classed(err)
		}
	}
	if at := p.start.Cursor; at != nil && at.ChainID != 0 && at.ChainID != id {
		return nil, 0, sdk.Stop(fmt.Errorf("reading ended on chain %d, but network %q is chain %d now: restore the endpoint, or start the pipeline anew",
			at.ChainID, p.start.Network.Name, id))
	}
	return v, id, nil
}

// followed reads a source along the chain, as run does, for sources that are told the chain's id.
func followed[T transit.Row](ctx context.Context, p process, c connection, out follow.Sink[T], open func(chainID uint64) follow.Source[T]) error {
	return followedAt(ctx, p, c, func(chain follow.Chain) follow.Chain { return chain }, out, open)
}

// followedAt is followed along what at makes of the chain.
func followedAt[T transit.Row](
	ctx context.Context, p process, c connection, at func(follow.Chain) follow.Chain, out follow.Sink[T], open func(chainID uint64) follow.Source[T],
) error {
	v, id, err := p.looking(ctx)
	if err != nil {
		return err
	}
	v.Read = (&fetch.Node{Client: p.client, ChainID: id, Verify: c.Verify, Log: p.log}).Ref
	return p.along(ctx, c, v, id, func(heads *view.Heads, f follow.Config) error {
		return follow.Run(ctx, f, at(chainView{v, heads}), open(id), out)
	})
}

// along watches the head while something follows the chain.
func (p process) along(ctx context.Context, c connection, v *view.View, id uint64, follows func(*view.Heads, follow.Config) error) error {
	heads := v.Heads(ctx, c.Poll, p.log)
	defer heads.Close()
	return classed(follows(heads, follow.Config{
		ChainID: id, Cursor: p.start.Cursor, From: p.start.From, FromLatest: p.start.FromLatest, To: p.start.To,
		Width: c.Concurrency, Pause: c.pause, Log: p.log,
	}))
}

// schedule is the settings that say at which blocks the state is looked at.
type schedule struct {
	Every uint64 `hcl:"every,optional" doc:"only at blocks whose number is a multiple; 1: at every block"`
	Epoch uint64 `hcl:"epoch,optional" doc:"only at the last block of every epoch of so many blocks, counted from the first block of the pipeline"`
}

func (s schedule) validate() error {
	switch {
	case s.Every == 0:
		return errors.New("every is 0: write 1 for every block, or a larger number")
	case s.Every > 1 && s.Epoch > 0:
		return fmt.Errorf("every = %d and epoch = %d both say at which blocks: keep one of them", s.Every, s.Epoch)
	}
	return nil
}

func (s schedule) from(first uint64) place.Schedule {
	if s.Epoch > 0 {
		return place.LastOf(s.Epoch, first)
	}
	return place.EveryBlocks(s.Every)
}
