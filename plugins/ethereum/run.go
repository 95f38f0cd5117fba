package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/node"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// connection is the settings that all readers have.
type connection struct {
	batch       int
	concurrency int
	poll        time.Duration
	timeout     time.Duration
	retries     int
	backoff     time.Duration // before the first retry, at most; 0: the defaults of node and follow
}

func (c connection) validate() error {
	switch {
	case c.batch < 1 || c.batch > 1000:
		return fmt.Errorf("batch is %d: write a number from 1 to 1000", c.batch)
	case c.concurrency < 1 || c.concurrency > 100:
		return fmt.Errorf("concurrency is %d: write a number from 1 to 100", c.concurrency)
	case c.poll < 10*time.Millisecond:
		return fmt.Errorf("poll is %s: write 10ms or more", c.poll)
	case c.timeout < 100*time.Millisecond:
		return fmt.Errorf("timeout is %s: write 100ms or more", c.timeout)
	case c.retries < 0:
		return fmt.Errorf("retries is %d: write 0 or more", c.retries)
	}
	return nil
}

// chainView is what follow asks about the chain.
type chainView struct {
	*node.Node
	*node.Heads
}

// opener makes the source of a register.
type opener[T any] func(n *node.Node, log hclog.Logger) follow.Source[T]

// run follows the chain that start names and emits what the source reads of it.
func run[T transit.Row](ctx context.Context, c connection, start sdk.Start, out follow.Sink[T], open opener[T]) error {
	log := sdk.Logger(ctx)
	n, err := node.New(node.Config{
		Network: start.Network.Name, ChainID: start.Network.ChainID, Finality: start.Network.Finality, Endpoints: start.Network.Endpoints,
		Timeout: c.timeout, Retries: orNone(c.retries), Backoff: c.backoff,
		Batch: 2 * c.batch, Log: log,
	})
	if err != nil {
		return sdk.Stop(err)
	}
	defer n.Close()
	id, err := n.ChainID(ctx)
	if err != nil {
		return classed(err)
	}
	if at := start.Cursor; at != nil && at.ChainID != 0 && at.ChainID != id {
		return sdk.Stop(fmt.Errorf("reading ended on chain %d, but network %q is chain %d now: restore the endpoint, or start the pipeline anew",
			at.ChainID, start.Network.Name, id))
	}
	heads := n.Heads(c.poll)
	defer heads.Close()
	return classed(follow.Run(ctx, follow.Config{
		ChainID: id, Cursor: start.Cursor, From: start.From, FromLatest: start.FromLatest, To: start.To,
		Width: c.concurrency, Pause: c.backoff, Log: log,
	}, chainView{n, heads}, open(n, log), out))
}

// orNone tells node that no retries are wanted, which is not the default.
func orNone(retries int) int {
	if retries == 0 {
		return -1
	}
	return retries
}

// classed stops the path at errors that starting again will not mend.
func classed(err error) error {
	if node.Hopeless(err) {
		return sdk.Stop(err)
	}
	return err
}
