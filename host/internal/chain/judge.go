package chain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// verdict is what becomes of an ask.
type verdict struct {
	again  bool         // it is asked once more
	fault  *chain.Error // why it has no answer; nil with again unset: it has one
	gaveUp bool         // it was tried as often as allowed
}

// lagRounds is how often all endpoints are asked for a block that is null with
// each although one of them has shown it, before it is believed to be gone.
const lagRounds = 3

// fewTries is how often an error that nobody understands must have come before two
// endpoints are believed that say it.
const fewTries = 4

// judge decides about one answer of a batch of the given size.
func (n *Network) judge(s sent, a *ask, r reply, size int) verdict {
	if r.err == nil {
		return n.judgeAnswer(s.ep, a, r.result)
	}
	fault := n.fault(s.ep, a.query, size, r.err)
	told, answered := errors.AsType[*chain.RPCError](r.err)
	if answered && told.OfBatch() || fault.Kind == chain.Unbatched || s.err != nil && fault.Kind == chain.TooMuch {
		if s.ep.sizes.shrink(size, fault.Kind == chain.Unbatched) {
			n.log.Debug("smaller batches", "endpoint", s.ep.label, "calls", s.ep.sizes.limit(), "why", fault.Err)
			return verdict{again: true}
		}
	}
	a.try(s.ep, fault)
	if final(a.query, fault.Kind, answered) {
		return verdict{fault: fault}
	}
	if !n.mayPass(s, a, fault, size) {
		return verdict{fault: fault, gaveUp: s.err != nil && (fault.Kind == chain.Refused || fault.Kind == chain.WrongChain)}
	}
	if a.tries > n.retries && (fault.Kind == chain.Transient || fault.Kind == chain.TimedOut || fault.Kind == chain.Unclear) {
		return verdict{fault: fault, gaveUp: true} // for the others each endpoint is asked once
	}
	n.log.Debug("asking again", "error", fault.Err, "endpoint", s.ep.label, "what", fault.What, "try", a.tries+1)
	return verdict{again: true}
}

// final reports whether who asks wants an error at once.
func final(q *chain.Query, k chain.Kind, answered bool) bool {
	return q.Never && answered || q.Once && (k == chain.TimedOut || k == chain.Unclear)
}

// mayPass reports whether an error is worth another try, and notes what it says
// about the endpoint.
func (n *Network) mayPass(s sent, a *ask, fault *chain.Error, size int) bool {
	switch fault.Kind {
	case chain.NoMethod:
		s.ep.learnUnknown(a.query.Method)
		return n.other(a)
	case chain.Pruned:
		s.ep.learnPruned(a.need, n.head())
		return n.other(a)
	case chain.Refused:
		if s.err == nil {
			s.ep.shun(fault)
		}
		return n.other(a)
	case chain.WrongChain:
		return n.other(a)
	case chain.Unclear:
		if !slices.Contains(a.unclear, s.ep) {
			a.unclear = append(a.unclear, s.ep)
		}
		a.aside = true
		return len(a.unclear) < 2 || a.tries < fewTries
	case chain.TimedOut:
		s.ep.sizes.shrink(size, false)
		return true
	case chain.Transient:
		if s.err == nil {
			a.aside = true
		}
		return true
	default:
		return false // the answer would be the same
	}
}

// judgeAnswer decides about an answer that is no error: whether it is null only
// because the endpoint is behind.
func (n *Network) judgeAnswer(ep *endpoint, a *ask, result []byte) verdict {
	if height, newest, known := shown(a.query, a.need, result); known {
		ep.show(height, newest)
	}
	if !isNull(result) {
		return verdict{}
	}
	missing := &chain.Error{Kind: chain.Transient, Endpoint: ep.label, What: chain.Describe(a.query.Method, a.query.Params), Err: errors.New("null")}
	switch {
	case a.need.byHash:
		a.try(ep, missing)
		a.nulls++
		return verdict{again: a.nulls < 2 && n.other(a)}
	case !a.need.known || a.need.block > n.head():
		return verdict{} // there is no such block
	}
	ep.lack(a.need.block)
	a.try(ep, missing)
	a.nulls++
	a.aside = true
	return verdict{again: a.tries <= n.retries && a.nulls <= lagRounds*len(n.endpoints)}
}

// blame counts an error of a whole exchange against the endpoint, if it is the
// endpoint's.
func (n *Network) blame(ep *endpoint, err error, burst uint64) {
	err = ep.secrets.clean(err)
	switch kindOf(err) {
	case chain.Refused, chain.WrongChain:
		before := ep.state(n.clock.Now())
		ep.shun(err)
		if before == serving {
			n.log.Error("the endpoint is of no use: it is left alone for a while", "endpoint", ep.label, "error", err, "rest", ep.rest.String())
			return
		}
		n.tellFailure(ep, before, resting, err, 0)
	case chain.TooMuch, chain.Unbatched:
	default:
		n.failed(ep, err, burst)
	}
}

// failed counts a failure of an endpoint.
func (n *Network) failed(ep *endpoint, err error, burst uint64) {
	wait := time.Duration(0)
	before := ep.state(n.clock.Now())
	ep.failed(err, burst, isThrottled(err), func(level int) time.Duration {
		wait = max(n.wait(level), afterOf(err))
		return wait
	})
	n.tellFailure(ep, before, ep.state(n.clock.Now()), err, wait)
}

// note learns from a batch, and tells who observes.
func (n *Network) note(s sent, batch []*ask, asker chain.Asker) {
	good, bad := 0, error(nil)
	var throttled error
	bytes := 0
	for i := range s.replies {
		err := s.replies[i].err
		bytes += len(s.replies[i].result)
		switch {
		case err == nil || answersWell(kindOf(err)):
			good++
		case isThrottled(err):
			throttled = err
		default:
			bad = err
		}
	}
	switch {
	case s.err != nil:
	case throttled != nil:
		n.failed(s.ep, s.ep.secrets.clean(throttled), s.burst)
	case good == 0 && bad != nil && kindOf(bad) != chain.TooMuch:
		n.failed(s.ep, s.ep.secrets.clean(bad), s.burst)
	default:
		s.ep.succeeded()
		s.ep.gate.faster()
	}
	if s.err == nil {
		s.ep.sizes.learn(batch, s.replies, s.spent)
	}
	s.ep.mu.Lock()
	s.ep.counts.exchanges++
	s.ep.counts.calls += uint64(len(batch))
	s.ep.counts.bytes += uint64(bytes)
	s.ep.mu.Unlock()
	n.tell(s, batch, asker)
}

// answersWell tells errors that are as good as an answer: the endpoint is well.
func answersWell(k chain.Kind) bool {
	switch k {
	case chain.Reverted, chain.Invalid, chain.TooMuch, chain.TooManyAddresses, chain.Pruned, chain.NoMethod, chain.Unbatched:
		return true
	default:
		return false
	}
}

func (n *Network) tell(s sent, batch []*ask, asker chain.Asker) {
	if n.observe == nil {
		return
	}
	for i, a := range batch {
		o := Observation{
			Asker: asker, Endpoint: s.ep.name, Method: a.query.Method, Units: s.ep.units(a.query), Duration: s.spent, Batch: len(batch), Hedge: s.hedge,
		}
		err := s.err
		if err == nil {
			err = s.replies[i].err
			o.Bytes = len(s.replies[i].result)
		}
		if o.OK = err == nil; !o.OK {
			o.Kind = kindOf(err)
		}
		n.observe(o)
	}
}

// fault makes an Error of what went wrong with a call in a batch.
func (n *Network) fault(ep *endpoint, q *chain.Query, batch int, err error) *chain.Error {
	if e, ok := errors.AsType[*chain.Error](err); ok {
		return new(*e)
	}
	e := &chain.Error{Kind: kindOf(err), Endpoint: ep.label, What: chain.Describe(q.Method, q.Params), Tries: 1, Err: ep.secrets.clean(err)}
	told, answered := errors.AsType[*chain.RPCError](err)
	switch spans, asked := spanOf(q); {
	case !answered:
	case spans:
		e.Limit = chain.LimitBelow(err, asked)
	case e.Kind == chain.TooMuch && !told.OfBatch():
		e.Kind = chain.Unclear // what cannot be asked for in parts
	}
	if !answered && batch > 1 {
		e.What += fmt.Sprintf(", one of %d calls in a batch", batch)
	}
	return e
}
