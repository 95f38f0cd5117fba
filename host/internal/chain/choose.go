package chain

import (
	"cmp"
	"context"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// keptState is how many blocks of state nodes keep that are no archives.
const keptState = 128

// roleWait is how long an endpoint may want to be left alone before those of the
// next role are asked instead.
const roleWait = time.Second

// longWait is how long room at an endpoint may be away before those of the next
// role are asked instead: the quota of a day or an hour is used up.
const longWait = 5 * time.Minute

// rank is how good an endpoint is for a call: less is better, and what stands
// first counts most.
type rank struct {
	rests   bool          // its breaker is open
	tried   bool          // it has been tried in this round
	refused int           // its answers to this call were of no use
	unfit   int           // it does not know the method, or does not have the block
	paused  bool          // it wants to be left alone for longer than we wait
	role    int           // its turn by what it is there for
	full    bool          // it has no room now
	cost    float64       // of a unit
	load    float64       // if it has no room
	until   time.Duration // it rests
	place   int           // in the configuration
}

func (r rank) compare(o rank) int {
	return cmp.Or(
		compareBool(r.rests, o.rests), compareBool(r.tried, o.tried), cmp.Compare(r.refused, o.refused), cmp.Compare(r.unfit, o.unfit),
		compareBool(r.paused, o.paused), cmp.Compare(r.role, o.role), compareBool(r.full, o.full), cmp.Compare(r.cost, o.cost),
		cmp.Compare(r.load, o.load), cmp.Compare(r.until, o.until), cmp.Compare(r.place, o.place),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// choose finds the endpoint to ask next and waits if all have been tried. It wakes
// up endpoints whose rest is over. An error is about the call, or the end of ctx.
func (n *Network) choose(ctx context.Context, a *ask) (*endpoint, *chain.Error, error) {
	n.wake(ctx)
	best, r := n.best(a, nil)
	if r.tried {
		a.tried = nil
		a.rounds++
		if a.aside {
			a.aside = false
			if err := sleep(ctx, n.clock, n.wait(a.rounds)); err != nil {
				return nil, nil, err
			}
		}
		best, r = n.best(a, nil)
	}
	if !r.rests {
		return best, nil, nil
	}
	if fault := n.strangers(); fault != nil {
		return nil, fault, nil
	}
	// All rest: then one has to be asked nevertheless, at the pace of its failures.
	now := n.clock.Now()
	if err := sleep(ctx, n.clock, best.gate.pausedUntil().Sub(now)); err != nil {
		return nil, nil, err
	}
	best.probe(n.clock.Now(), true)
	return best, nil, nil
}

// best ranks the endpoints that are allowed; nil allows all.
func (n *Network) best(a *ask, allowed func(*endpoint) bool) (*endpoint, rank) {
	now := n.clock.Now()
	head := n.head()
	var (
		best  *endpoint
		least rank
	)
	for i, ep := range n.endpoints {
		if allowed != nil && !allowed(ep) {
			continue
		}
		r := ep.rank(a, now, head)
		r.place = i
		if best == nil || r.compare(least) < 0 {
			best, least = ep, r
		}
	}
	return best, least
}

func (ep *endpoint) rank(a *ask, now time.Time, head uint64) rank {
	units := ep.units(a.query)
	r := rank{tried: a.hasTried(ep), refused: a.refused(ep), cost: ep.cost}
	r.paused = ep.gate.pausedUntil().Sub(now) > roleWait
	if r.full = !ep.gate.hasRoom(units); r.full {
		r.load = ep.gate.load()
		r.paused = r.paused || ep.gate.wait() > longWait
	}
	if ep.state(now) != serving {
		r.rests, r.until = true, ep.restsUntil().Sub(now)
	}
	r.unfit = ep.unfit(a, now, head)
	r.role = roles[ep.role]
	if r.role == roles[config.Archive] && a.need.state && a.need.known && a.need.oldest+keptState < head {
		r.role = -1 // that is what it is there for
	}
	return r
}

var roles = map[string]int{config.Primary: 0, config.Fallback: 1, config.Archive: 2}

// unfit is how likely it is that an endpoint cannot answer a call, by what it
// could not before.
func (ep *endpoint) unfit(a *ask, now time.Time, head uint64) int {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	unfit := 0
	if ep.stranger != nil {
		unfit += 8
	}
	if until, listed := ep.unknown[a.query.Method]; listed && until.After(now) {
		unfit += 4
	}
	if behind, listed := ep.pruned[a.need.state]; listed && a.need.known && a.need.oldest+behind <= head {
		unfit += 2
	}
	if a.need.known && ep.lacksTil.After(now) && a.need.block >= ep.lacks {
		unfit++
	}
	return unfit
}

// other reports whether an endpoint is there that has not been tried in this round
// and may know better.
func (n *Network) other(a *ask) bool {
	now := n.clock.Now()
	ep, r := n.best(a, func(ep *endpoint) bool { return !a.hasTried(ep) && ep.state(now) == serving })
	return ep != nil && r.unfit < 2
}

// head is the newest block that any endpoint has shown.
func (n *Network) head() uint64 {
	head := uint64(0)
	for _, ep := range n.endpoints {
		ep.mu.Lock()
		head = max(head, ep.height)
		ep.mu.Unlock()
	}
	return head
}

// strangers is what to say if all endpoints serve another chain.
func (n *Network) strangers() *chain.Error {
	var fault *chain.Error
	for _, ep := range n.endpoints {
		ep.mu.Lock()
		stranger, again := ep.stranger, !ep.rests.After(ep.clock.Now())
		ep.mu.Unlock()
		if stranger == nil || again {
			return nil
		}
		if fault == nil {
			fault = stranger
		}
	}
	return fault
}

// wake asks endpoints whose rest is over whether they serve again, beside the work
// that others do meanwhile.
func (n *Network) wake(ctx context.Context) {
	now := n.clock.Now()
	for _, ep := range n.endpoints {
		if ep.state(now) != due || !n.othersServe(ep, now) || !ep.probe(now, false) {
			continue
		}
		n.beside(ctx, func(ctx context.Context) {
			if err := n.admit(ctx, ep); err != nil {
				n.log.Debug("the endpoint does not serve yet", "endpoint", ep.label, "error", err)
			}
		})
	}
}

func (n *Network) othersServe(ep *endpoint, now time.Time) bool {
	for _, other := range n.endpoints {
		if other != ep && other.state(now) == serving {
			return true
		}
	}
	return false
}
