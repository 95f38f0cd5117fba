package main

import (
	"context"
	"errors"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/epoch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

func epochsRegister() sdk.Register {
	return sdk.Reader("eth.epochs", &epochs{connection: defaults()}).Doc("tells of stretches of blocks when they are over")
}

// epochs emits eth.epoch.
type epochs struct {
	Length uint64 `hcl:"size" doc:"blocks in an epoch; epochs are counted from the first block of the pipeline"`
	Offset uint64 `hcl:"offset,optional" doc:"an epoch is told of when the head is so many blocks past its end"`
	connection
}

func (e *epochs) Validate() error {
	if e.Length == 0 {
		return errors.New("size is 0: write how many blocks an epoch has, 1 or more")
	}
	return e.validate(1)
}

// Read follows the chain and emits its epochs.
func (e *epochs) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Epoch]) error {
	return e.read(ctx, processOf(ctx, start), out)
}

func (e *epochs) read(ctx context.Context, p process, out follow.Sink[eth.Epoch]) error {
	at := func(chain follow.Chain) follow.Chain { return &epoch.Behind{Chain: chain, Offset: e.Offset} }
	return followedAt(ctx, p, e.connection, at, out, func(chainID uint64) follow.Source[eth.Epoch] {
		return &epoch.Source{Client: p.client, ChainID: chainID, Length: e.Length, First: p.start.From}
	})
}
