// Package chain answers what plugins ask about networks.
//
// A Network is the endpoints of one network seen as one: it chooses who is asked,
// keeps to what endpoints stand, tries again what may pass and returns at once
// what asking again will not mend. A Service is all networks of a project, and
// keeps answers for those who ask the same. Neither looks into answers further
// than it must: that is done once, by who asked.
package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// NetworkConfig says which network to ask, and how patiently. Its zero values mean
// the defaults.
type NetworkConfig struct {
	Network *config.Network
	Logger  hclog.Logger
	// Observe is told of every call that an endpoint has answered or not. It must
	// not block.
	Observe func(Observation)
	Backoff time.Duration  // longest wait before the first retry, doubled by each; 100 milliseconds
	Clock   Clock          // nil: the machine's
	Random  func() float64 // for jitter, from 0 to 1; nil: math/rand
}

// Observation is what became of a call at one endpoint.
type Observation struct {
	chain.Asker
	Endpoint string // its name
	Method   string
	OK       bool
	Kind     chain.Kind // of the error, unless OK
	Bytes    int        // of the answer
	Units    float64    // spent
	Duration time.Duration
	Batch    int  // calls in the same exchange
	Hedge    bool // it was asked because another was slow
}

// Network is a network seen through its endpoints. It is safe for concurrent use.
type Network struct {
	name      string
	log       hclog.Logger
	observe   func(Observation)
	clock     Clock
	random    func() float64
	backoff   time.Duration
	retries   int
	hedging   hedging
	endpoints []*endpoint

	mu      sync.Mutex // protects the fields below
	chainID uint64     // 0 until known
	closed  bool
	next    uint64
	flights map[uint64]context.CancelCauseFunc // of what is under way
	working sync.WaitGroup                     // what is under way
}

// The defaults of a network.
const (
	defaultTimeout  = 10 * time.Second
	defaultRetries  = 10
	defaultFailures = 5
	defaultRest     = time.Minute
	defaultBackoff  = 100 * time.Millisecond
	longestBackoff  = 10 * time.Second
)

// NewNetwork makes a Network without asking anything yet. The error says which
// endpoint cannot be used and how to write it.
func NewNetwork(c NetworkConfig) (*Network, error) {
	if len(c.Network.Endpoints) == 0 {
		return nil, fmt.Errorf("network %q has no endpoint: add a block such as endpoint \"local\" { url = \"http://127.0.0.1:8545\" }", c.Network.Name)
	}
	settings := c.Network.RPC
	n := &Network{
		name: c.Network.Name, chainID: c.Network.ChainID, log: c.Logger, observe: c.Observe, clock: c.Clock, random: c.Random,
		backoff: orDefault(c.Backoff, defaultBackoff), retries: defaultRetries, flights: map[uint64]context.CancelCauseFunc{},
	}
	if settings.Retries != nil {
		n.retries = int(*settings.Retries)
	}
	n.hedging.after, n.hedging.auto = settings.HedgeAfter()
	if n.log == nil {
		n.log = hclog.NewNullLogger()
	}
	if n.clock == nil {
		n.clock = machine{}
	}
	if n.random == nil {
		n.random = rand.Float64
	}
	t := tuning{
		timeout: orDefault(settings.Timeout, defaultTimeout), failures: uint(orDefault(settings.Breaker.Failures, defaultFailures)),
		rest: orDefault(settings.Breaker.Rest, defaultRest),
	}
	for _, e := range c.Network.Endpoints {
		ep, err := newEndpoint(e, n.clock, t)
		if err != nil {
			n.Close()
			return nil, fmt.Errorf("network %q: %w", n.name, err)
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

var errNetworkClosed = errors.New("the network was closed: its configuration changed, or the host ends")

// Close ends what is under way and all connections, and returns when that is done.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	for _, end := range n.flights {
		end(errNetworkClosed)
	}
	n.mu.Unlock()
	for _, ep := range n.endpoints {
		ep.gate.close()
		ep.conn.close()
	}
	n.working.Wait()
	for _, ep := range n.endpoints {
		ep.conn.close() // what was begun before the first
	}
}

// begin lets something run until it is over or the Network is closed.
func (n *Network) begin(ctx context.Context) (_ context.Context, over func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, nil, errNetworkClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	id := n.next
	n.next++
	n.flights[id] = cancel
	n.working.Add(1)
	return ctx, func() {
		cancel(nil)
		n.mu.Lock()
		delete(n.flights, id)
		n.mu.Unlock()
		n.working.Done()
	}, nil
}

// beside runs f in a goroutine that ends with the Network. Values of ctx go along,
// its end does not.
func (n *Network) beside(ctx context.Context, f func(ctx context.Context)) {
	ctx, over, err := n.begin(context.WithoutCancel(ctx))
	if err != nil {
		return
	}
	go func() {
		defer over()
		f(ctx)
	}()
}

// wait is how long to wait before another try: exponential with full jitter.
func (n *Network) wait(tries int) time.Duration {
	most := n.backoff << min(max(tries-1, 0), 20)
	if most > longestBackoff || most <= 0 {
		most = longestBackoff
	}
	return time.Duration(n.random() * float64(most))
}

// ChainID is the id of the chain, asked for if it is not known yet.
func (n *Network) ChainID(ctx context.Context) (uint64, error) {
	n.mu.Lock()
	id := n.chainID
	n.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	results, err := n.Exchange(ctx, chain.Request{Calls: []chain.Query{*chainIDQuery}})
	if err != nil {
		return 0, err
	}
	if results[0].Err != nil {
		return 0, results[0].Err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chainID, nil
}

// Subscribe calls take with one event after another, from the best endpoint that
// can, until ctx ends, take returns an error, or the subscription breaks.
func (n *Network) Subscribe(ctx context.Context, params []byte, take func([]byte) error) error {
	ctx, over, err := n.begin(ctx)
	if err != nil {
		return err
	}
	defer over()
	heads := string(element(params, 0)) == `"newHeads"`
	a := &ask{query: &chain.Query{Method: "eth_subscribe", Params: params}, began: n.clock.Now()}
	failure := errNoSubscriptions
	n.wake(ctx)
	for range n.endpoints {
		ep, _ := n.best(a, func(ep *endpoint) bool { return !a.hasTried(ep) })
		a.tried = append(a.tried, ep)
		begun := false
		err := n.subscribe(ctx, ep, params, func(event []byte) error {
			begun = true
			if height, known := numberIn(event); heads && known {
				ep.show(height, true)
			}
			return take(event)
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case begun:
			return err
		case !errors.Is(err, errNoSubscriptions):
			failure = err
		}
	}
	return failure
}

func (n *Network) subscribe(ctx context.Context, ep *endpoint, params []byte, take func([]byte) error) error {
	if _, cannot := ep.conn.(*httpConn); cannot {
		return errNoSubscriptions
	}
	if !ep.isAdmitted() {
		if err := n.admit(ctx, ep); err != nil {
			return err
		}
	}
	err := ep.conn.subscribe(ctx, params, take)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("subscribe at %s to %s: %w", ep.label, chain.Short(string(params)), ep.secrets.clean(err))
	}
	return err
}
