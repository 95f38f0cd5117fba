// Package chain is how a plugin asks the nodes of a network: through its host,
// which shares endpoints, rates, retries, answers in flight and a cache between
// all plugins, and needs no network of the plugin's own.
//
// Client is what authors use; package sdk hands one out. Do is its heart: it
// makes calls, and an answer counts only once the Decode of its call has taken
// it. An answer that is well-formed and wrong is asked for again, of another
// endpoint if there is one, like one that never came. What cannot be had is an
// *Error whose Kind says what to do.
//
// Service is what answers: a host, or in tests anything that can.
package chain

import "context"

// Service answers for networks. It is safe for concurrent use.
type Service interface {
	// Exchange makes calls and returns one result for each, in their order. It
	// blocks until all are answered or cannot be. The error is about the request
	// as a whole: a network that nobody knows, or the end of ctx.
	Exchange(ctx context.Context, r Request) ([]Result, error)
	// Subscribe calls take with one event after another until ctx ends, take
	// returns an error, or the subscription cannot go on. Events of newHeads are
	// there with every endpoint; the first is the head as it is.
	Subscribe(ctx context.Context, s Subscription, take func(event []byte) error) error
	// Known is what was learned about a network's nodes, and is not too old.
	Known(ctx context.Context, network string) (map[string]uint64, error)
	// Learn keeps a number under a name for processes to come, over restarts; 0
	// forgets it.
	Learn(ctx context.Context, network, name string, value uint64) error
}

// Asker is who asks, for the host's counters.
type Asker struct {
	Plugin string // set by the host
	Step   string // pipeline/step
}

// Request is calls to one network.
type Request struct {
	Asker
	Network string
	Calls   []Query
	// Together: one endpoint is to answer all calls, in one exchange, so that no
	// two of them are about different views of the chain.
	Together bool
	// ReadOnly: the caller does not write to results, which then may lie in memory
	// that others read too.
	ReadOnly bool
}

// Query is one JSON-RPC call.
type Query struct {
	Method string
	Params []byte // a JSON array
	// Once makes an error answer that is not known to pass come back without
	// another try, and a timeout too: for calls that can be cut smaller.
	Once bool
	// Never makes every error answer come back without another try.
	Never bool
	// Rejected are answers to this very call that were of no use. Who gave them is
	// asked last, and answers that were kept are forgotten.
	Rejected []Rejection
}

// Rejection says why an endpoint's answer was of no use.
type Rejection struct{ Endpoint, Reason string }

// Result is what became of one call: Raw, or Err.
type Result struct {
	Raw      []byte // JSON; the caller's to keep, and to write to unless it asked ReadOnly
	Err      *Error
	Endpoint string // its name and URL without credentials
}

// Subscription is what to be told of.
type Subscription struct {
	Asker
	Network string
	Params  []byte // those of eth_subscribe, a JSON array such as ["newHeads"]
}
