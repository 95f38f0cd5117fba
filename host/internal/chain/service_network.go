package chain

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/chain"
)

// served is one network of a service, whatever endpoints it has at the time.
type served struct {
	name     string
	logger   hclog.Logger
	heads    *heads
	learned  *learned
	counters *counters
	flights  flights
	beside   sync.WaitGroup // what goes on beside requests

	mu    sync.Mutex // protects the fields below
	line  *line
	asked time.Time // when the final height was asked for
	// linked is when it was asked whether a head follows from the one before.
	linked time.Time
	over   bool
}

// current is the line that is used now.
func (n *served) current() *line {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.line
}

// move puts another line in the place of the one that was used, which ends.
func (n *served) move(l *line) {
	n.mu.Lock()
	was := n.line
	n.line, n.asked = l, time.Time{}
	n.mu.Unlock()
	n.flights.forget()
	n.heads.moved()
	n.learned.belongTo(l.config)
	was.end()
}

// close ends all that is under way and waits for it.
func (n *served) close() {
	n.mu.Lock()
	n.over = true
	l := n.line
	n.mu.Unlock()
	l.end()
	n.heads.close()
	n.flights.close()
	n.beside.Wait()
	n.learned.flush()
}

// closing tells whether the network is not served any more.
func (n *served) closing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.over
}

// use runs f with the line of the time, and again with the one that takes its
// place.
func (n *served) use(ctx context.Context, f func(ctx context.Context, l *line) error) error {
	for {
		l := n.current()
		err := l.use(ctx, func(ctx context.Context) error { return f(ctx, l) })
		switch {
		case !errors.Is(err, errMoved):
			return err
		case n.closing():
			return errEnding
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// ask makes calls, without looking at what was kept.
func (n *served) ask(ctx context.Context, r chain.Request) (results []chain.Result, err error) {
	err = n.use(ctx, func(ctx context.Context, l *line) (err error) {
		results, err = l.Exchange(ctx, r)
		return err
	})
	return results, err
}

// subscribe tells of events of a node, until its connection breaks.
func (n *served) subscribe(ctx context.Context, params []byte, take func(event []byte) error) error {
	return n.use(ctx, func(ctx context.Context, l *line) error { return l.Subscribe(ctx, params, take) })
}

// request is a request that is being answered.
type request struct {
	chain.Request
	network *served
	line    *line // that was used when it began
	results []chain.Result
	keys    []callKey
	about   []subject
	stamp   uint64    // of the cache, when it began
	waits   []leg     // for each call that a flight of another answers
	own     []int     // the calls that nobody else asks for
	flights []*flight // that it waits for
	mine    *flight   // the one among them that it has begun
}

// exchange answers calls.
func (n *served) exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	q := &request{Request: r, network: n, line: n.current(), results: make([]chain.Result, len(r.Calls))}
	if open := q.look(); len(open) > 0 {
		q.board(ctx, open)
		defer n.flights.leave(q.flights)
		if err := q.await(ctx); err != nil {
			return nil, err
		}
	}
	q.land()
	return q.results, nil
}

// await returns when all flights have landed.
func (q *request) await(ctx context.Context) error {
	for _, l := range q.flights {
		select {
		case <-l.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if l.err != nil {
			return l.err
		}
	}
	return nil
}

// look finds answers that were kept, and returns the calls that have none. Those
// that are to be answered together are, or none of them.
func (q *request) look() (open []int) {
	q.stamp = q.line.cache.stamp()
	q.keys, q.about = make([]callKey, len(q.Calls)), make([]subject, len(q.Calls))
	for i := range q.Calls {
		c := &q.Calls[i]
		q.about[i] = subjectOf(c.Method, c.Params)
		q.keys[i] = callKey{c.Method, string(c.Params)}
		if len(c.Rejected) > 0 {
			q.line.cache.drop(q.keys[i])
		} else if q.about[i].kind != changing {
			if found, ok := q.line.cache.find(q.keys[i]); ok {
				q.results[i] = chain.Result{Raw: found.raw, Endpoint: found.endpoint}
				continue
			}
		}
		open = append(open, i)
	}
	if q.Together && len(open) > 0 && len(open) < len(q.Calls) {
		open = open[:0]
		for i := range q.Calls {
			q.results[i] = chain.Result{}
			open = append(open, i)
		}
	}
	return open
}

// board finds flights that answer the open calls, and begins one for those that
// are left.
func (q *request) board(ctx context.Context, open []int) {
	n := q.network
	era := n.heads.era()
	n.flights.mu.Lock()
	defer n.flights.mu.Unlock()
	q.waits = make([]leg, len(q.Calls))
	var keys []*flightKey
	for _, i := range open {
		key := q.flightKey(i, era)
		if key != nil {
			if l, ok := n.flights.join(*key, len(q.Calls)); ok {
				q.waits[i] = l
				q.waitFor(l.flight)
				continue
			}
		}
		keys, q.own = append(keys, key), append(q.own, i)
	}
	if len(q.own) == 0 {
		return
	}
	r := chain.Request{Asker: q.Asker, Network: q.Network, Together: q.Together, Calls: make([]chain.Query, len(q.own))}
	for at, i := range q.own {
		r.Calls[at] = q.Calls[i]
	}
	l := n.flights.begin(ctx, keys, func(ctx context.Context) ([]chain.Result, error) {
		results, err := n.ask(ctx, r)
		q.keep(results)
		return results, err
	})
	for at, i := range q.own {
		q.waits[i] = leg{l, at}
	}
	q.mine = l
	q.waitFor(l)
}

// flightKey is what others who want the answer to a call find it by; nil if they
// are to ask for themselves.
func (q *request) flightKey(i int, era uint64) *flightKey {
	c := &q.Calls[i]
	if q.Together || len(c.Rejected) > 0 || !repeatable(c.Method) {
		return nil
	}
	key := &flightKey{callKey: q.keys[i], once: c.Once, never: c.Never}
	if kind := q.about[i].kind; kind == changing || kind == aboutAnswer {
		key.era = era
	}
	return key
}

func (q *request) waitFor(l *flight) {
	if slices.Contains(q.flights, l) {
		return
	}
	l.waiting++
	q.flights = append(q.flights, l)
}

// land takes the answers of the flights. Those, and what was kept, are shared: who
// may write to his gets a copy.
func (q *request) land() {
	for i := range q.results {
		how := fromCache
		if i < len(q.waits) && q.waits[i].flight != nil {
			l := q.waits[i]
			q.results[i] = l.results[l.at]
			how = fromNode
			if l.flight != q.mine {
				how = fromOther
			}
		}
		if !q.ReadOnly {
			q.results[i].Raw = bytes.Clone(q.results[i].Raw)
		}
		q.network.counters.answered(q.Asker, q.Calls[i].Method, &q.results[i], how)
	}
}

// keep keeps answers that cannot change, and finds out what is final.
func (q *request) keep(results []chain.Result) {
	for at := range results {
		i, r := q.own[at], &results[at]
		if r.Err != nil {
			continue
		}
		q.network.notice(q.line, &q.Calls[i], r.Raw)
		q.line.cache.keep(q.keys[i], q.about[i], r.Raw, r.Endpoint, q.stamp)
		if q.about[i].kind == aboutHeight || q.about[i].kind == aboutAnswer {
			q.network.wantFinal(q.line, q.about[i].height)
		}
	}
}
