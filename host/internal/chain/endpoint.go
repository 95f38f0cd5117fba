package chain

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// endpoint is one way to reach the network, and what is known about it.
type endpoint struct {
	name    string
	where   string // its URL without credentials
	label   string // both, for messages
	role    string
	cost    float64
	weights map[string]float64
	clock   Clock
	conn    transport
	secrets *secrets
	gate    *gate
	sizes   *sizes
	rest    time.Duration

	entering chan struct{} // holds one token, taken while the chain id is asked for

	mu       sync.Mutex // protects the fields below
	breaker  circuitbreaker.CircuitBreaker[any]
	rests    time.Time            // until then, if the breaker is open
	outage   outage               // of the breaker, if it is open
	admitted bool                 // it serves the right chain
	stranger *chain.Error         // it serves another: what to say
	epoch    uint64               // bursts of failures so far
	level    int                  // bursts since it last answered
	height   uint64               // newest block that it has shown
	lacks    uint64               // it did not have this block
	lacksTil time.Time            // and will be asked for it again then
	pruned   map[bool]uint64      // how far behind the head, by whether it is about state, it no longer has what was asked
	unknown  map[string]time.Time // methods that it does not know, until they are asked again
	times    map[timesKey]*times
	counts   counts
	last     error // the last failure
}

// counts is what an endpoint has done.
type counts struct {
	exchanges, calls, failures, throttled, mismatches, hedges uint64
	bytes                                                     uint64
}

// tuning is how patient a network is.
type tuning struct {
	timeout  time.Duration
	failures uint
	rest     time.Duration
}

func newEndpoint(e config.Endpoint, c Clock, t tuning) (*endpoint, error) {
	rates, err := config.ParseRate(e.Rate)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: rate %q is not understood: write units per time, such as \"25/s\" or \"20000/minute;2500/second\": %w", e.Name, e.Rate, err)
	}
	switch e.Role {
	case "", config.Primary, config.Fallback, config.Archive:
	default:
		return nil, fmt.Errorf("endpoint %q: %q is no role: write \"primary\", \"fallback\" or \"archive\"", e.Name, e.Role)
	}
	conn, where, err := dial(e, t.timeout)
	if err != nil {
		return nil, err
	}
	ep := &endpoint{
		name: e.Name, where: where, label: label(e.Name, where), role: orDefault(e.Role, config.Primary), cost: orDefault(e.Cost, 1), weights: e.Weights,
		clock: c, conn: conn, secrets: secretsOf(e), gate: newGate(c, rates), sizes: newSizes(int(e.Batch)), rest: t.rest,
		entering: make(chan struct{}, 1), pruned: map[bool]uint64{}, unknown: map[string]time.Time{}, times: map[timesKey]*times{},
	}
	// The breaker itself never ends its rest: time is ours to tell.
	ep.breaker = circuitbreaker.NewBuilder[any]().WithFailureThreshold(t.failures).WithSuccessThreshold(1).WithDelay(math.MaxInt64).Build()
	return ep, nil
}

// label names an endpoint without what may be a key.
func label(name, where string) string {
	if name == "" {
		return where
	}
	return name + " (" + where + ")"
}

// units is what a call costs here.
func (ep *endpoint) units(q *chain.Query) float64 {
	if w, listed := ep.weights[q.Method]; listed {
		return w
	}
	return 1
}

func (ep *endpoint) unitsOf(batch []*ask) float64 {
	if len(ep.weights) == 0 {
		return float64(len(batch))
	}
	sum := 0.0
	for _, a := range batch {
		sum += ep.units(a.query)
	}
	return sum
}

// state is how an endpoint can be used now.
type state uint8

const (
	serving state = iota
	resting       // its breaker is open
	due           // its breaker may be closed if the endpoint answers one call
	probed        // somebody asks it that call
)

func (ep *endpoint) state(now time.Time) state {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	switch {
	case ep.breaker.IsHalfOpen():
		return probed
	case !ep.breaker.IsOpen():
		return serving
	case ep.rests.After(now):
		return resting
	}
	return due
}

func (ep *endpoint) restsUntil() time.Time {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.rests
}

// began is the burst of failures that an exchange belongs to if it fails.
func (ep *endpoint) began() uint64 {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.epoch
}

// succeeded notes an exchange that went well.
func (ep *endpoint) succeeded() {
	ep.mu.Lock()
	ep.level = 0
	if ep.breaker.IsClosed() {
		ep.breaker.RecordSuccess()
	}
	ep.mu.Unlock()
}

// failed notes a failure. Of failures of exchanges that were under way together
// the first counts: whatever broke them broke once. The endpoint is left alone for
// a time that pause says, by how many bursts there were in a row.
func (ep *endpoint) failed(err error, burst uint64, throttled bool, pause func(level int) time.Duration) {
	now := ep.clock.Now()
	ep.mu.Lock()
	ep.counts.failures++
	ep.last = err
	if throttled {
		ep.counts.throttled++
	}
	if burst != ep.epoch {
		ep.mu.Unlock()
		return
	}
	ep.epoch++
	ep.level++
	wait := pause(ep.level)
	if isBroken(err) {
		ep.admitted = false // another node may answer from now on
	}
	if ep.breaker.IsClosed() {
		ep.breaker.RecordFailure()
		if ep.breaker.IsOpen() {
			ep.rests, ep.admitted = now.Add(ep.rest), false
			ep.opened(now)
		}
	}
	open := ep.breaker.IsOpen()
	ep.mu.Unlock()
	ep.gate.pause(now.Add(wait))
	if throttled || kindOf(err) == chain.TimedOut {
		ep.gate.slower(throttled)
	}
	if open {
		ep.gate.clear()
	}
}

// shun opens the breaker at once.
func (ep *endpoint) shun(err error) {
	now := ep.clock.Now()
	ep.mu.Lock()
	ep.counts.failures++
	ep.last = err
	ep.epoch++
	if ep.breaker.IsClosed() {
		ep.opened(now)
	}
	ep.breaker.Open()
	ep.rests, ep.admitted = now.Add(ep.rest), false
	ep.mu.Unlock()
	ep.gate.clear()
}

// probe half-opens the breaker for one call, if its rest is over or anyhow is set.
func (ep *endpoint) probe(now time.Time, anyhow bool) bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if !ep.breaker.IsOpen() || !anyhow && ep.rests.After(now) {
		return false
	}
	ep.breaker.HalfOpen()
	return ep.breaker.TryAcquirePermit()
}

// answered closes the breaker after a probe that went well, or leaves the endpoint
// alone for longer. again: it was open, and there were so many failures.
func (ep *endpoint) answered(err error) (failures uint64, again bool) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	switch {
	case ep.breaker.IsClosed():
	case err == nil:
		ep.breaker.Close()
		ep.level = 0
		return ep.outage.failures, true
	default:
		ep.last = err
		ep.breaker.Open()
		ep.rests = ep.clock.Now().Add(ep.rest)
	}
	return 0, false
}

func (ep *endpoint) isAdmitted() bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.admitted
}

// show notes a height that the endpoint has; newest if it has none above.
func (ep *endpoint) show(height uint64, newest bool) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if newest || height > ep.height {
		ep.height = height
	}
	if height >= ep.lacks {
		ep.lacksTil = time.Time{}
	}
}

// lag is how long an endpoint that lacked a block is not asked for it where others
// are.
const lag = 2 * time.Second

// lack notes a block that the endpoint does not have although it exists.
func (ep *endpoint) lack(height uint64) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.lacks, ep.lacksTil = height, ep.clock.Now().Add(lag)
	if height <= ep.height && height > 0 {
		ep.height = height - 1
	}
}

// forgetful is how long a method that an endpoint does not know is not asked of it
// where others are.
const forgetful = 10 * time.Minute

func (ep *endpoint) learnUnknown(method string) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if len(ep.unknown) < 256 {
		ep.unknown[method] = ep.clock.Now().Add(forgetful)
	}
}

// learnPruned notes how far behind the head something was that the endpoint no
// longer has.
func (ep *endpoint) learnPruned(n need, head uint64) {
	if !n.known || head < n.oldest {
		return
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	behind := head - n.oldest
	if had, ok := ep.pruned[n.state]; !ok || behind < had {
		ep.pruned[n.state] = behind
	}
}
