package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/trace"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

func tracesRegister() sdk.Register {
	return sdk.Reader("eth.traces", &traces{Dialect: string(trace.Auto), Batch: fewBlocks, BlockTimeout: 30 * time.Second, connection: defaults()}).
		Doc("reads the calls, creations and rewards of blocks, from nodes of both dialects")
}

// traces emits eth.trace.
type traces struct {
	Dialect      string        `hcl:"dialect,optional" doc:"how to ask: parity (trace_block), geth (debug_traceBlockByHash), or auto to find out"`
	Batch        int           `hcl:"batch,optional" doc:"blocks whose traces are read together"`
	BlockTimeout time.Duration `hcl:"block_timeout,optional" doc:"how long the node may take for a block; then it is traced transaction by transaction"`
	connection
}

func (t *traces) Validate() error {
	switch trace.Dialect(t.Dialect) {
	case trace.Auto, trace.Parity, trace.Geth:
	default:
		return fmt.Errorf("dialect is %q: write auto, parity or geth", t.Dialect)
	}
	if t.BlockTimeout < time.Second {
		return fmt.Errorf("block_timeout is %s: write 1s or more", t.BlockTimeout)
	}
	return t.validate(t.Batch)
}

// Read follows the chain and emits the traces of its blocks.
func (t *traces) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Trace]) error {
	p := processOf(ctx, start)
	return followed(ctx, p, t.connection, out, func(chainID uint64) follow.Source[eth.Trace] { return t.source(p, chainID) })
}

func (t *traces) source(p process, chainID uint64) follow.Source[eth.Trace] {
	return &trace.Source{
		Client: p.client, ChainID: chainID, Dialect: trace.Dialect(t.Dialect), Batch: uint64(t.Batch), Timeout: t.BlockTimeout, Log: p.log,
	}
}
