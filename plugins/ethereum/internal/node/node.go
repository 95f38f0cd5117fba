// Package node asks the endpoints of one network, one JSON-RPC batch at a time.
//
// Do is the heart: it sends calls in batches as large as the endpoint takes, tries again what may pass, goes to the next endpoint when one
// keeps failing and comes back to it later, and returns at once what asking again will not mend, with a Kind that says what to do. An
// answer counts only once its Decode has accepted it, so an answer that is well-formed and wrong is tried again like one that never came.
package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
)

// Config says what to ask and how patiently. Zero values mean the defaults.
type Config struct {
	Network   string
	ChainID   uint64         // 0: whatever the first endpoint says
	Finality  string         // "finalized", "safe" or a number of confirmations; "": finalized
	Endpoints []sdk.Endpoint // in order of preference
	Timeout   time.Duration  // of one exchange; 10 seconds
	Retries   int            // tries after the first; 0: 10, negative: none
	Backoff   time.Duration  // longest wait before the first retry, doubled by each; 100 milliseconds
	Batch     int            // most calls in a JSON-RPC batch; 100
	Log       hclog.Logger
}

// Node is a network seen through its endpoints. It is safe for concurrent use.
type Node struct {
	network   string
	timeout   time.Duration
	retries   int
	backoff   time.Duration
	log       hclog.Logger
	finality  finality
	endpoints []*endpoint

	mu      sync.Mutex // protects chainID
	chainID uint64     // 0 until known
}

// Call is one JSON-RPC call.
type Call struct {
	Method string
	Params []any
	// Decode takes the result. An error means that the answer is not to be used: the call is tried again, so Decode may be
	// called more than once. What raw holds is not used again by others.
	Decode func(raw []byte) error
	// Once makes an error answer that is not known to pass come back without another try, and a timeout too.
	Once bool
	// Never makes every error answer come back without another try.
	Never bool
}

// New makes a Node without asking anything yet. The error says which endpoint cannot be used and how to write it.
func New(c Config) (*Node, error) {
	if len(c.Endpoints) == 0 {
		return nil, fmt.Errorf("network %q has no endpoint: add a block such as endpoint \"local\" { url = \"http://127.0.0.1:8545\" }", c.Network)
	}
	rule, err := parseFinality(c.Finality)
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", c.Network, err)
	}
	n := &Node{
		network: c.Network, chainID: c.ChainID, finality: rule, log: c.Log,
		timeout: orDefault(c.Timeout, 10*time.Second), backoff: orDefault(c.Backoff, 100*time.Millisecond),
		retries: max(0, orDefault(c.Retries, 10)),
	}
	if n.log == nil {
		n.log = hclog.NewNullLogger()
	}
	for _, e := range c.Endpoints {
		ep, err := newEndpoint(e, orDefault(c.Batch, 100))
		if err != nil {
			return nil, fmt.Errorf("network %q: %w", c.Network, err)
		}
		n.endpoints = append(n.endpoints, ep)
	}
	return n, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Close ends all connections. Calls under way fail.
func (n *Node) Close() {
	for _, ep := range n.endpoints {
		ep.close()
	}
}

// Do makes all calls and returns when every Decode has taken its answer, or with the first error that trying again will not mend or
// has not mended. The error is an *Error unless ctx ended.
func (n *Node) Do(ctx context.Context, calls []Call) error {
	left := make([]*Call, len(calls))
	for i := range calls {
		left[i] = &calls[i]
	}
	var (
		tries int
		began = time.Now()
	)
	for len(left) > 0 {
		ep := n.pick()
		part := left[:min(len(left), ep.batch.limit())]
		open, err := n.exchange(ctx, ep, part)
		if err == nil {
			left, tries = left[len(part):], 0
			ep.succeeded()
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(open) < len(part) {
			tries = 0 // it goes on, if not all at once
		}
		left = append(open, left[len(part):]...)
		tries++
		err.Tries, err.Spent = tries, time.Since(began)
		if err := n.weigh(ctx, ep, err, len(part)); err != nil {
			return err
		}
	}
	return nil
}

// weigh decides what becomes of a failed exchange: nil means try again, after whatever wait was due.
func (n *Node) weigh(ctx context.Context, ep *endpoint, err *Error, size int) error {
	if err.answered {
		return err
	}
	if !err.once && n.shrink(ep, err, size) && err.Kind != timedOut {
		return nil
	}
	switch err.Kind {
	case Moved, TooMuch, TooManyAddresses, NoMethod, Pruned, Invalid, WrongChain:
		return err
	case timedOut, unclear:
		if err.once {
			err.Kind = TooMuch
			return err
		}
	case refused:
		if n.moveOn(ep) {
			return nil
		}
		return err
	default: // it may pass
	}
	if err.Tries > n.retries {
		return err
	}
	ep.failed(len(n.endpoints) > 1)
	wait := n.wait(err)
	n.log.Warn("asking the node again", "error", err.Err, "endpoint", ep.label, "what", err.What, "try", err.Tries+1, "in", wait.Round(time.Millisecond).String())
	return sleep(ctx, wait)
}

// shrink makes batches smaller if that may mend the error of a batch of the given size.
func (n *Node) shrink(ep *endpoint, err *Error, size int) bool {
	if err.Kind != TooMuch && err.Kind != timedOut && err.Kind != unbatched {
		return false
	}
	if !ep.batch.shrink(size, err.Kind == unbatched) {
		return false
	}
	n.log.Debug("smaller batches", "endpoint", ep.label, "calls", ep.batch.limit(), "why", err.Err)
	return true
}

// wait is how long to wait before a call is tried again: exponential with full jitter, or as long as the node wants.
func (n *Node) wait(err *Error) time.Duration {
	const longest = 10 * time.Second
	most := n.backoff << min(err.Tries-1, 20)
	if most > longest || most <= 0 {
		most = longest
	}
	wait := time.Duration(rand.Int64N(int64(most) + 1))
	return max(wait, min(err.After, time.Minute))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// pick chooses the first endpoint that is not resting, or the one that rests least.
func (n *Node) pick() *endpoint {
	now := time.Now()
	best := n.endpoints[0]
	soonest := best.restsUntil()
	for _, ep := range n.endpoints {
		until := ep.restsUntil()
		if !until.After(now) {
			return ep
		}
		if until.Before(soonest) {
			best, soonest = ep, until
		}
	}
	return best
}

// moveOn rests an endpoint that refuses to serve and reports whether another is there to ask.
func (n *Node) moveOn(ep *endpoint) bool {
	ep.rest(time.Minute)
	other := n.pick()
	return other != ep && !other.restsUntil().After(time.Now())
}

// exchange sends calls as one batch and decodes the answers. It returns the calls that are still open and why.
func (n *Node) exchange(ctx context.Context, ep *endpoint, calls []*Call) ([]*Call, *Error) {
	if err := n.admit(ctx, ep); err != nil {
		return calls, err
	}
	replies, err := n.send(ctx, ep, calls)
	if err != nil {
		return calls, n.fault(ep, calls, err)
	}
	var (
		open  []*Call
		worst *Error
	)
	for i, c := range calls {
		err := replies[i].err
		if err == nil {
			err = c.Decode(replies[i].result)
		}
		if err == nil {
			continue
		}
		open = append(open, c)
		if fault := n.fault(ep, []*Call{c}, err); worst == nil || fault.Kind > worst.Kind {
			worst = fault
		}
	}
	return open, worst
}

func (n *Node) send(ctx context.Context, ep *endpoint, calls []*Call) ([]reply, error) {
	if err := ep.rate.wait(ctx, len(calls)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	replies, err := ep.exchange(ctx, calls)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w within %s", errTimedOut, n.timeout)
	}
	return replies, err
}
