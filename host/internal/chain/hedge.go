package chain

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// hedging is when a second endpoint is asked for what the first is slow to answer,
// and how often that may be.
type hedging struct {
	after time.Duration // 0: never, unless auto
	auto  bool          // after what 95 of 100 answers of the endpoint take

	mu      sync.Mutex // protects savings
	savings float64    // hedges that may be made
}

// What an exchange adds to the savings, which a hedge takes one of: one exchange
// in twenty may be hedged.
const (
	saving  = 0.05
	savings = 5
)

func (h *hedging) off() bool { return h.after == 0 && !h.auto }

func (h *hedging) save() {
	h.mu.Lock()
	h.savings = min(savings, h.savings+saving)
	h.mu.Unlock()
}

func (h *hedging) spend() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.savings < 1-1e-9 {
		return false
	}
	h.savings--
	return true
}

// times is how long the latest answers of one kind took.
type times struct {
	ring [64]time.Duration
	n    int
}

// few are too little to tell what is slow.
const few = 20

func (t *times) add(d time.Duration) {
	t.ring[t.n%len(t.ring)] = d
	t.n++
}

// slow is what 95 of 100 answers do not take longer than; false if that is not
// known yet.
func (t *times) slow() (time.Duration, bool) {
	if t.n < few {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(t.ring[:min(t.n, len(t.ring))]))
	return sorted[len(sorted)*95/100], true
}

// timesOf are those of exchanges that are like one of the batch. The caller holds
// the endpoint's lock.
func (ep *endpoint) timesOf(batch []*ask) *times {
	key := timesKey{batch[0].class, bits.Len(uint(len(batch)))}
	t := ep.times[key]
	if t == nil {
		t = &times{}
		if len(ep.times) < 256 {
			ep.times[key] = t
		}
	}
	return t
}

type timesKey struct {
	class string
	size  int
}

func (ep *endpoint) took(batch []*ask, d time.Duration) {
	ep.mu.Lock()
	ep.timesOf(batch).add(d)
	ep.mu.Unlock()
}

// hedgeAfter is how long a batch may take before it is asked for elsewhere too.
func (n *Network) hedgeAfter(ep *endpoint, batch []*ask) (time.Duration, bool) {
	if n.hedging.off() || len(n.endpoints) < 2 || slices.ContainsFunc(batch, func(a *ask) bool { return changes(a.query) }) {
		return 0, false
	}
	if !n.hedging.auto {
		return n.hedging.after, true
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	after, known := ep.timesOf(batch).slow()
	return max(after, leastHedge), known
}

// leastHedge is what is not slow even if nearly all answers are faster.
const leastHedge = 5 * time.Millisecond

// race has an endpoint that has let a batch in answer it, and another too if that
// one is slow. Who is not needed any more is told to stop and waited for.
func (n *Network) race(ctx context.Context, ep *endpoint, batch []*ask) sent {
	n.hedging.save()
	after, ok := n.hedgeAfter(ep, batch)
	if !ok {
		return n.exchange(ctx, ep, batch)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	results := make(chan sent, 2)
	var racing sync.WaitGroup
	defer racing.Wait()
	defer cancel(errOutrun)
	racing.Go(func() { results <- n.exchange(ctx, ep, batch) })
	slow := make(chan struct{})
	stop := n.clock.AfterFunc(after, func() { close(slow) })
	defer stop()
	select {
	case s := <-results:
		return s
	case <-slow:
	}
	other := n.second(ep, batch)
	if other == nil {
		return <-results
	}
	racing.Go(func() {
		s := n.exchange(ctx, other, batch)
		s.hedge = true
		results <- s
	})
	s := <-results
	if s.err == nil || ctx.Err() != nil {
		return s
	}
	n.blame(s.ep, s.err, s.burst)
	return <-results
}

var errOutrun = errors.New("another endpoint answered first")

// second lets a batch in at another endpoint of the same role, if one has room for
// it at once and the savings allow it.
func (n *Network) second(first *endpoint, batch []*ask) *endpoint {
	now := n.clock.Now()
	a := batch[0]
	ep, r := n.best(a, func(ep *endpoint) bool {
		return ep != first && ep.role == first.role && ep.state(now) == serving && ep.isAdmitted() && len(batch) <= ep.sizes.limit()
	})
	if ep == nil || r.tried || r.refused > 0 || r.unfit > 0 || r.paused || r.full || !n.hedging.spend() {
		return nil
	}
	if !ep.gate.tryEnter(ep.unitsOf(batch)) {
		return nil
	}
	ep.mu.Lock()
	ep.counts.hedges++
	ep.mu.Unlock()
	n.log.Debug("asking another endpoint too", "slow", first.label, "other", ep.label, "what", chain.Describe(a.query.Method, a.query.Params))
	return ep
}
