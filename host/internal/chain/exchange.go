package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// work is one request on its way to its results.
type work struct {
	n       *Network
	asker   chain.Asker
	began   time.Time
	results []chain.Result // each is written once, by who has its ask

	mu     sync.Mutex   // protects the fields below
	open   []*ask       // nobody has them yet
	gaveUp *chain.Error // why nothing more is tried
}

// Exchange makes calls and returns one result for each, in their order. It blocks
// until all are answered or cannot be. The error is the end of ctx or of the
// Network.
func (n *Network) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	ctx, over, err := n.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	w := &work{n: n, asker: r.Asker, began: n.clock.Now(), results: make([]chain.Result, len(r.Calls)), open: make([]*ask, 0, len(r.Calls))}
	asks := make([]ask, len(r.Calls))
	for i := range r.Calls {
		asks[i] = ask{query: &r.Calls[i], at: i, began: w.began}
		w.take(&asks[i])
	}
	if r.Together {
		asks := w.open
		w.open = nil // nobody else takes them
		err = w.together(ctx, asks)
	} else {
		err = w.all(ctx)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return w.results, err
}

// take opens an ask, or says at once that it is none.
func (w *work) take(a *ask) {
	q := a.query
	a.class, a.need = classOf(q), needOf(q)
	if err := valid(q); err != nil {
		w.results[a.at].Err = &chain.Error{Kind: chain.Invalid, Endpoint: "network " + w.n.name, What: chain.Describe(q.Method, q.Params), Tries: 1, Err: err}
		return
	}
	if len(q.Rejected) > 0 {
		last := q.Rejected[len(q.Rejected)-1]
		w.n.mismatched(last)
		a.tries = len(q.Rejected)
		if a.tries > w.n.retries {
			w.results[a.at] = chain.Result{Endpoint: last.Endpoint, Err: &chain.Error{
				Kind: kindOfReason(last.Reason), Endpoint: last.Endpoint, What: chain.Describe(q.Method, q.Params), Tries: a.tries,
				Err: fmt.Errorf("all answers were of no use; the last: %s", last.Reason),
			}}
			return
		}
		w.n.recall(a)
	}
	w.open = append(w.open, a)
}

// valid tells calls that can be written into a batch without harm to the others.
func valid(q *chain.Query) error {
	if q.Method == "" || strings.ContainsFunc(q.Method, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("%q is no method", q.Method)
	}
	if len(q.Params) > 0 && (!json.Valid(q.Params) || bytes.TrimLeft(q.Params, " \t\r\n")[0] != '[') {
		return errors.New("the parameters are no JSON array")
	}
	return nil
}

// kindOfReason is what is wrong with answers that were of no use.
func kindOfReason(reason string) chain.Kind {
	switch {
	case strings.Contains(reason, chain.ErrMismatch.Error()):
		return chain.Mismatch
	case strings.Contains(reason, chain.ErrMoved.Error()):
		return chain.Moved
	}
	return chain.Transient
}

// recall makes a call whose answers were of no use with all endpoints wait before
// the next round, as if they had just been tried.
func (n *Network) recall(a *ask) {
	rounds := len(a.query.Rejected)
	for _, ep := range n.endpoints {
		rounds = min(rounds, a.refused(ep))
	}
	if rounds > 0 {
		a.rounds, a.aside, a.tried = rounds-1, true, slices.Clone(n.endpoints)
	}
}

// mismatched counts an answer that was of no use against who gave it.
func (n *Network) mismatched(r chain.Rejection) {
	for _, ep := range n.endpoints {
		if ep.label == r.Endpoint {
			ep.mu.Lock()
			ep.counts.mismatches++
			ep.mu.Unlock()
		}
	}
}

// How many batches of one request are in flight: so many for each endpoint, and at
// most so many.
const (
	workersEach = 16
	mostWorkers = 32
)

// all answers the asks in as many batches as it takes, several at once.
func (w *work) all(ctx context.Context) error {
	if len(w.open) == 0 {
		return nil
	}
	best, _ := w.n.best(w.open[0], nil)
	size := best.sizes.fit(w.open, best, best.gate.largest())
	workers := min(mostWorkers, workersEach*len(w.n.endpoints), (len(w.open)+size-1)/size)
	if workers == 1 {
		return w.run(ctx)
	}
	var (
		group sync.WaitGroup
		errs  = make([]error, workers)
	)
	for i := range workers {
		group.Go(func() { errs[i] = w.run(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// run carries one batch after another until none is left.
func (w *work) run(ctx context.Context) error {
	for {
		mine := w.some()
		if len(mine) == 0 {
			return nil
		}
		for len(mine) > 0 {
			left, err := w.step(ctx, mine)
			if err != nil {
				return err
			}
			mine = w.unlessGivenUp(left)
		}
	}
}

// some takes open asks, as many as make a batch.
func (w *work) some() []*ask {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		return nil
	}
	best, _ := w.n.best(w.open[0], nil)
	size := best.sizes.fit(w.open, best, best.gate.largest())
	mine := w.open[:size:size]
	w.open = w.open[size:]
	return mine
}

// unlessGivenUp returns the asks, or settles them if nothing more is tried.
func (w *work) unlessGivenUp(asks []*ask) []*ask {
	w.mu.Lock()
	why := w.gaveUp
	w.mu.Unlock()
	if why == nil {
		return asks
	}
	w.settleAll(asks, why)
	return nil
}

// settleAll ends all asks for one reason.
func (w *work) settleAll(asks []*ask, why *chain.Error) {
	for _, a := range asks {
		fault := *why
		fault.What = chain.Describe(a.query.Method, a.query.Params)
		w.settle(a, nil, nil, &fault)
	}
}

// giveUp ends all other tries of the request: who asked has what went wrong.
func (w *work) giveUp(why *chain.Error) {
	w.mu.Lock()
	w.gaveUp = why
	open := w.open
	w.open = nil
	w.mu.Unlock()
	w.unlessGivenUp(open)
}

// step has one endpoint answer as many of the asks as it takes in one batch, and
// returns those that are still open.
func (w *work) step(ctx context.Context, asks []*ask) ([]*ask, error) {
	ep, fault, err := w.n.choose(ctx, asks[0])
	if err != nil {
		return nil, err
	}
	if fault != nil {
		w.settle(asks[0], nil, nil, fault)
		return asks[1:], nil
	}
	ep, batch, s, err := w.n.enter(ctx, w.asker, ep, asks)
	if errors.Is(err, errElsewhere) {
		return asks, nil
	}
	if err != nil {
		return nil, err
	}
	if s.err == nil {
		if s, err = w.n.race(ctx, ep, batch), context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	left := w.weigh(s, batch)
	return append(left, asks[len(batch):]...), nil
}

// enter has an endpoint let in as many of the asks as make a batch, or another if
// the first has no room now. It waits for the first if nobody has. If the endpoint
// cannot be used at all, sent says why.
func (n *Network) enter(ctx context.Context, asker chain.Asker, ep *endpoint, asks []*ask) (*endpoint, []*ask, sent, error) {
	fit := func(ep *endpoint) []*ask { return asks[:ep.sizes.fit(asks, ep, ep.gate.largest())] }
	batch := fit(ep)
	if s, err := n.ready(ctx, ep); err != nil || s.err != nil {
		return ep, batch, s, err
	}
	if ep.gate.tryEnter(ep.unitsOf(batch)) {
		return ep, batch, sent{}, nil
	}
	if other := n.roomier(asks[0], ep); other != nil {
		if s, err := n.ready(ctx, other); err != nil || s.err != nil {
			return other, fit(other), s, err
		}
		if batch := fit(other); other.gate.tryEnter(other.unitsOf(batch)) {
			return other, batch, sent{}, nil
		}
	}
	if wait := ep.gate.wait(); wait > longWait {
		n.log.Warn("the endpoint's rate is used up", "endpoint", ep.label, "wait", wait.Round(time.Second).String())
	}
	return ep, batch, sent{}, ep.gate.enter(ctx, asker.Step, asks[0].began, ep.unitsOf(batch))
}

// roomier is another endpoint that is as good for a call and has room.
func (n *Network) roomier(a *ask, full *endpoint) *endpoint {
	now := n.clock.Now()
	ep, r := n.best(a, func(ep *endpoint) bool { return ep != full && ep.role == full.role && ep.state(now) == serving })
	if ep == nil || r.tried || r.unfit > 0 || r.refused > a.refused(full) || r.paused || r.full {
		return nil
	}
	return ep
}

// ready makes sure that an endpoint may be asked; sent says why it may not.
func (n *Network) ready(ctx context.Context, ep *endpoint) (sent, error) {
	if ep.isAdmitted() {
		return sent{}, nil
	}
	if err := sleep(ctx, n.clock, ep.gate.pausedUntil().Sub(n.clock.Now())); err != nil {
		return sent{}, err
	}
	err := n.admit(ctx, ep)
	if ctx.Err() != nil {
		return sent{}, context.Cause(ctx)
	}
	return sent{ep: ep, burst: ep.began() - 1, err: err}, nil // a failure is counted already
}

// sent is what became of a batch.
type sent struct {
	ep      *endpoint
	burst   uint64
	replies []reply
	err     error // of all
	spent   time.Duration
	hedge   bool
}

// send has an endpoint, and no other, answer a batch. The error is the end of ctx,
// or errElsewhere.
func (n *Network) send(ctx context.Context, asker chain.Asker, ep *endpoint, batch []*ask) (sent, error) {
	if s, err := n.ready(ctx, ep); err != nil || s.err != nil {
		return s, err
	}
	if err := ep.gate.enter(ctx, asker.Step, batch[0].began, ep.unitsOf(batch)); err != nil {
		return sent{}, err
	}
	return n.exchange(ctx, ep, batch), context.Cause(ctx)
}

// exchange sends a batch to an endpoint that has let it in.
func (n *Network) exchange(ctx context.Context, ep *endpoint, batch []*ask) sent {
	defer ep.gate.leave()
	calls := make([]*chain.Query, len(batch))
	for i, a := range batch {
		calls[i] = a.query
	}
	s := sent{ep: ep, burst: ep.began()}
	began := n.clock.Now()
	s.replies, s.err = ep.conn.exchange(ctx, calls)
	s.spent = n.clock.Now().Sub(began)
	if s.err == nil || errors.Is(context.Cause(ctx), errOutrun) {
		ep.took(batch, s.spent)
	}
	return s
}

// weigh decides what becomes of each ask of a batch and returns those that are
// still open.
func (w *work) weigh(s sent, batch []*ask) (left []*ask) {
	w.n.note(s, batch, w.asker)
	if s.err != nil {
		w.n.blame(s.ep, s.err, s.burst)
	}
	for i, a := range batch {
		r := reply{err: s.err}
		if s.err == nil {
			r = s.replies[i]
		}
		v := w.n.judge(s, a, r, len(batch))
		switch {
		case v.again:
			left = append(left, a)
		case v.fault == nil:
			w.settle(a, s.ep, r.result, nil)
		default:
			w.settle(a, s.ep, nil, v.fault)
			if v.gaveUp {
				w.giveUp(v.fault)
			}
		}
	}
	return left
}

// settle writes the result of an ask.
func (w *work) settle(a *ask, ep *endpoint, result []byte, fault *chain.Error) {
	r := &w.results[a.at]
	if ep != nil {
		r.Endpoint = ep.label
	}
	if fault != nil {
		fault.Tries, fault.Spent = max(1, fault.Tries, a.tries), w.n.clock.Now().Sub(a.began)
	}
	r.Raw, r.Err = result, fault
}
