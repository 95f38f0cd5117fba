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
	Concurrency int           `hcl:"concurrency,optional" doc:"batches or ranges under way at once while reading history"`
	Poll        time.Duration `hcl:"poll,optional" doc:"how often to ask for the head where there is no subscription"`
	Timeout     time.Duration `hcl:"timeout,optional" doc:"how long to wait for one answer"`
	Retries     int           `hcl:"retries,optional" doc:"how often to ask again before giving up"`

	backoff time.Duration // before the first retry, at most; 0: the defaults of node and follow
}

// defaults is what a connection is unless a pipeline says otherwise.
func defaults() connection {
	return connection{Concurrency: 4, Poll: 500 * time.Millisecond, Timeout: 10 * time.Second, Retries: 10}
}

// validate checks the settings and the size of a batch.
func (c connection) validate(batch int) error {
	switch {
	case batch < 1 || batch > 1000:
		return fmt.Errorf("batch is %d: write a number from 1 to 1000", batch)
	case c.Concurrency < 1 || c.Concurrency > 100:
		return fmt.Errorf("concurrency is %d: write a number from 1 to 100", c.Concurrency)
	case c.Poll < 10*time.Millisecond:
		return fmt.Errorf("poll is %s: write 10ms or more", c.Poll)
	case c.Timeout < 100*time.Millisecond:
		return fmt.Errorf("timeout is %s: write 100ms or more", c.Timeout)
	case c.Retries < 0:
		return fmt.Errorf("retries is %d: write 0 or more", c.Retries)
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

// run follows the chain that start names and emits what the source reads of it;
// batch is how many blocks it asks for at once.
func run[T transit.Row](ctx context.Context, c connection, batch int, start sdk.Start, out follow.Sink[T], open opener[T]) error {
	log := sdk.Logger(ctx)
	n, err := node.New(node.Config{
		Network: start.Network.Name, ChainID: start.Network.ChainID, Finality: start.Network.Finality, Endpoints: start.Network.Endpoints,
		Timeout: c.Timeout, Retries: orNone(c.Retries), Backoff: c.backoff,
		Batch: 2 * batch, Log: log,
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
	heads := n.Heads(c.Poll)
	defer heads.Close()
	return classed(follow.Run(ctx, follow.Config{
		ChainID: id, Cursor: start.Cursor, From: start.From, FromLatest: start.FromLatest, To: start.To,
		Width: c.Concurrency, Pause: c.backoff, Log: log,
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
