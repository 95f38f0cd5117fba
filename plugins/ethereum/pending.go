package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/mempool"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

func pendingRegister() sdk.Register {
	return sdk.Reader("eth.pending", &pending{Source: mempool.Auto, Window: 100_000, connection: defaults()}).
		Doc("hears of transactions that wait to be put into a block").Unrepeatable()
}

// pending emits eth.pending_transaction.
type pending struct {
	Source string `hcl:"source,optional" doc:"how to hear of transactions: subscribe (WebSocket or IPC), pool (txpool_content again and again), or auto"`
	Window int    `hcl:"window,optional" doc:"how many transactions are remembered, so that none is told of twice"`
	connection
}

func (p *pending) Validate() error {
	switch p.Source {
	case mempool.Auto, mempool.Subscribe, mempool.Pool:
	default:
		return fmt.Errorf("source is %q: write auto, subscribe or pool", p.Source)
	}
	if p.Window < 1000 || p.Window > 10_000_000 {
		return fmt.Errorf("window is %d: write a number from 1,000 to 10,000,000", p.Window)
	}
	return p.validate(1)
}

// Read emits transactions as a node hears of them. Where the pipeline begins is of no matter: what was said before cannot be heard any more.
func (p *pending) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.PendingTransaction]) error {
	return p.read(ctx, processOf(ctx, start), out)
}

func (p *pending) read(ctx context.Context, process process, out mempool.Sink) error {
	v, id, err := process.looking(ctx)
	if err != nil {
		return err
	}
	heads := v.Heads(ctx, p.Poll, process.log)
	defer heads.Close()
	reader := &mempool.Reader{
		Client: process.client, Heads: heads, ChainID: id, Source: p.Source, Poll: p.Poll, Window: p.Window,
		Cursor: process.start.Cursor, To: process.start.To, Log: process.log, Now: time.Now,
	}
	return classed(reader.Run(ctx, out))
}
