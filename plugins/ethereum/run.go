package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/transit"
)

// connection is the settings that all readers have.
type connection struct {
	Concurrency int           `hcl:"concurrency,optional" doc:"most batches or ranges under way at once while reading history; fewer where more gain nothing"`
	Poll        time.Duration `hcl:"poll,optional" doc:"how often to ask for the head while no subscription tells of it"`
	Verify      bool          `hcl:"verify,optional" doc:"recompute the hashes, roots and blooms of what nodes answer, and refuse what is not so"`

	// These were settings of readers once, and stand in people's files.
	Timeout *time.Duration `hcl:"timeout,optional" doc:"moved to the network: rpc { timeout = \"10s\" }"`
	Retries *int           `hcl:"retries,optional" doc:"moved to the network: rpc { retries = 10 }"`

	pause time.Duration // while endpoints contradict one another; 0: the default of follow
}

// defaults is what a connection is unless a pipeline says otherwise.
func defaults() connection {
	return connection{Concurrency: 16, Poll: 500 * time.Millisecond, Verify: true}
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
	case c.Timeout != nil:
		return errors.New(`timeout is a setting of the network now: take it out here and write rpc { timeout = "10s" } into the network block`)
	case c.Retries != nil:
		return errors.New("retries is a setting of the network now: take it out here and write rpc { retries = 10 } into the network block")
	}
	return nil
}

// chainView is what follow asks about the chain.
type chainView struct {
	*view.View
	*view.Heads
}

// opener makes the source of a register.
type opener[T any] func(ctx context.Context, n *fetch.Node, heads *view.Heads) follow.Source[T]

// run follows the chain that start names and emits what the source reads of it.
func run[T transit.Row](ctx context.Context, c connection, start sdk.Start, out follow.Sink[T], open opener[T]) error {
	return runOn(ctx, sdk.Chain(ctx), sdk.Logger(ctx), c, start, out, open)
}

// runOn is run with what it takes from the process.
func runOn[T transit.Row](
	ctx context.Context, client *chain.Client, log hclog.Logger, c connection, start sdk.Start, out follow.Sink[T], open opener[T],
) error {
	p := process{client: client, log: log, start: start}
	v, id, err := p.looking(ctx)
	if err != nil {
		return err
	}
	node := &fetch.Node{Client: client, ChainID: id, Verify: c.Verify, Log: log}
	v.Read = node.Ref
	return p.along(ctx, c, v, id, func(heads *view.Heads, f follow.Config) error {
		return follow.Run(ctx, f, chainView{v, heads}, open(ctx, node, heads), out)
	})
}

// classed stops the path at errors that starting again will not mend.
func classed(err error) error {
	if chain.Hopeless(err) {
		return sdk.Stop(err)
	}
	return err
}
