package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Client asks about one network, for one process. It is safe for concurrent
// use; its zero value is not usable.
type Client struct {
	service Service
	network string
	asker   Asker
}

// NewClient makes a client of what answers. Package sdk does it for plugins.
func NewClient(service Service, network string, asker Asker) *Client {
	return &Client{service: service, network: network, asker: asker}
}

// Network is the name of the network that it asks about.
func (c *Client) Network() string { return c.network }

// Call is one JSON-RPC call.
type Call struct {
	Method string
	Params []any
	// Decode takes the result. An error means that the answer is not to be used:
	// the call is made again, so Decode may be called more than once. What raw
	// holds is not used again by others. ErrMoved and ErrMismatch in its chain give
	// the error its Kind where asking again does not help.
	Decode func(raw []byte) error
	Once   bool // as in Query
	Never  bool // as in Query
}

// What a Decode may say of an answer.
var (
	ErrMoved    = errors.New("it belongs to another block")
	ErrMismatch = errors.New("it cannot be true")
)

// rounds bounds how often answers are rejected, whatever the host thinks of it.
const rounds = 64

// Do makes all calls and returns when every Decode has taken its answer, or with
// the first error that asking again will not mend or has not mended: an *Error
// unless ctx ended.
func (c *Client) Do(ctx context.Context, calls []Call) error { return c.do(ctx, calls, false) }

// Together is Do where one endpoint has to answer all calls in one exchange: what
// one answer says holds for the others too. Where one Decode refuses, all calls
// are made again.
func (c *Client) Together(ctx context.Context, calls []Call) error { return c.do(ctx, calls, true) }

func (c *Client) do(ctx context.Context, calls []Call, together bool) error {
	queries, err := queriesOf(calls)
	if err != nil {
		return err
	}
	open := make([]int, len(calls)) // the indexes of calls that have no answer yet
	for i := range open {
		open[i] = i
	}
	var worst *Error
	for range rounds {
		if len(open) == 0 {
			return nil
		}
		results, err := c.exchange(ctx, queries, open, together)
		if err != nil {
			return err
		}
		open, worst = take(calls, queries, open, results)
		if worst != nil && !worst.again() {
			return worst
		}
		if together && len(open) > 0 {
			open = rejectAll(queries, open)
		}
	}
	return worst
}

func (c *Client) exchange(ctx context.Context, queries []Query, open []int, together bool) ([]Result, error) {
	r := Request{Asker: c.asker, Network: c.network, Calls: make([]Query, len(open)), Together: together}
	for i, at := range open {
		r.Calls[i] = queries[at]
	}
	results, err := c.service.Exchange(ctx, r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil && len(results) != len(open) {
		err = fmt.Errorf("ask about network %q: %d answers to %d calls", c.network, len(results), len(open))
	}
	return results, err
}

// take decodes results. It returns the calls that are still open, and the worst
// error of all.
func take(calls []Call, queries []Query, open []int, results []Result) (left []int, worst *Error) {
	for i, at := range open {
		q, r := &queries[at], &results[i]
		fault := r.Err
		if fault == nil {
			fault = q.reject(r, calls[at].Decode)
		}
		if fault == nil {
			continue
		}
		left = append(left, at)
		if worst == nil || !fault.again() && (worst.again() || fault.Kind > worst.Kind) {
			worst = fault
		}
	}
	return left, worst
}

// reject decodes a result, and remembers who gave it if that fails.
func (q *Query) reject(r *Result, decode func(raw []byte) error) *Error {
	err := decode(r.Raw)
	if err == nil {
		return nil
	}
	q.Rejected = append(q.Rejected, Rejection{Endpoint: r.Endpoint, Reason: err.Error()})
	return &Error{Kind: kindOfRefusal(err), Endpoint: r.Endpoint, What: Describe(q.Method, q.Params), Tries: len(q.Rejected), Err: rejectedError{err}}
}

// rejectedError marks an answer that did come, but was of no use: it is asked for
// again.
type rejectedError struct{ error }

func (e rejectedError) Unwrap() error { return e.error }

// again reports whether the host is to be asked once more.
func (e *Error) again() bool {
	_, rejected := errors.AsType[rejectedError](e.Err)
	return rejected
}

// rejectAll makes all calls of a request open again because one was not taken.
func rejectAll(queries []Query, left []int) []int {
	why := queries[left[0]].Rejected
	all := make([]int, len(queries))
	for i := range queries {
		all[i] = i
		if !slices.Contains(left, i) && len(why) > 0 {
			queries[i].Rejected = append(queries[i].Rejected, why[len(why)-1])
		}
	}
	return all
}

func kindOfRefusal(err error) Kind {
	switch {
	case errors.Is(err, ErrMoved):
		return Moved
	case errors.Is(err, ErrMismatch):
		return Mismatch
	}
	return Transient
}

func queriesOf(calls []Call) ([]Query, error) {
	queries := make([]Query, len(calls))
	for i, call := range calls {
		params := []byte("[]")
		if len(call.Params) > 0 {
			var err error
			if params, err = json.Marshal(call.Params); err != nil {
				return nil, fmt.Errorf("write the parameters of %s: %w", call.Method, err)
			}
		}
		queries[i] = Query{Method: call.Method, Params: params, Once: call.Once, Never: call.Never}
	}
	return queries, nil
}

// Subscribe calls take with one event after another: the results of a
// subscription of eth_subscribe with these parameters. It blocks until ctx ends,
// take returns an error, or the subscription cannot go on.
func (c *Client) Subscribe(ctx context.Context, params []any, take func(event []byte) error) error {
	text, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("write what to subscribe to: %w", err)
	}
	return c.service.Subscribe(ctx, Subscription{Asker: c.asker, Network: c.network, Params: text}, take)
}

// Known is what was learned about the network's nodes by this process or others.
func (c *Client) Known(ctx context.Context) (map[string]uint64, error) {
	return c.service.Known(ctx, c.network)
}

// Learn keeps a number under a name for processes to come, over restarts of the
// host, for some days; 0 forgets it.
func (c *Client) Learn(ctx context.Context, name string, value uint64) error {
	return c.service.Learn(ctx, c.network, name, value)
}

// Hex writes a number the way nodes want it.
func Hex(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }
