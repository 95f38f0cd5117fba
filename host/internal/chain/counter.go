package chain

import (
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// kinds is how many kinds of errors there are.
const kinds = int(chain.WrongChain) + 1

// Failures is how often which kind of error came, by chain.Kind.
type Failures [kinds]uint64

// recently is how far back the errors of a status go, in minutes.
const recently = 5

// counters is what was asked about one network since the host began, by endpoint
// and method, and by who asked. It is safe for concurrent use, and bounded.
type counters struct {
	mu     sync.Mutex // protects the fields below
	spots  map[spot]*tally
	askers map[chain.Asker]*wants
	forks  uint64
	purged uint64 // answers that were forgotten because of a fork
}

// spot is a method at an endpoint.
type spot struct{ endpoint, method string }

// tally is what became of calls at a spot.
type tally struct {
	attempts uint64 // answered or not
	failures Failures
	bytes    uint64 // of answers
	units    float64
	times    durations
	minutes  [recently]minute // of failures, by minute modulo their number
	spent    spending
}

// spending is how many units were spent in this stretch of time, and in the one
// before.
type spending struct {
	stretch     int64 // since 1970
	now, before float64
}

// stretch is the time over which a rate is told, at least.
const stretch = 10 * time.Second

func (s *spending) add(at time.Time, units float64) {
	s.turn(at)
	s.now += units
}

func (s *spending) turn(at time.Time) {
	switch number := at.UnixNano() / int64(stretch); number - s.stretch {
	case 0:
	case 1:
		s.stretch, s.before, s.now = number, s.now, 0
	default:
		s.stretch, s.before, s.now = number, 0, 0
	}
}

// rate is units per second of late.
func (s *spending) rate(at time.Time) float64 {
	s.turn(at)
	within := time.Duration(at.UnixNano() % int64(stretch))
	return (s.before + s.now) / (stretch + within).Seconds()
}

type minute struct {
	number   int64 // since 1970
	failures uint64
}

// wants is what somebody has asked for.
type wants struct {
	methods map[string]*want
}

// want is what became of calls to a method that somebody wanted.
type want struct {
	calls    uint64 // all of them
	kept     uint64 // answered from what was kept
	joined   uint64 // answered with what another waited for already
	failures Failures
	bytes    uint64 // of answers
	attempts uint64 // at endpoints, for this one
}

// Plugins name what they ask for, so what is counted by name is bounded.
const (
	mostSpots   = 2000
	mostAskers  = 1000
	mostMethods = 200
	others      = "(others)"
)

func newCounters() *counters {
	return &counters{spots: make(map[spot]*tally), askers: make(map[chain.Asker]*wants)}
}

// observe counts an attempt.
func (c *counters) observe(o Observation) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(spot{o.Endpoint, o.Method})
	t.attempts++
	t.bytes += uint64(o.Bytes)
	t.units += o.Units
	t.spent.add(now, o.Units)
	t.times.add(now, o.Duration)
	if !o.OK {
		t.failures[int(o.Kind)%kinds]++
		t.failed(now)
	}
	c.want(o.Asker, o.Method).attempts++
}

func (c *counters) tally(at spot) *tally {
	t := c.spots[at]
	if t == nil && len(c.spots) >= mostSpots {
		at.method = others
		t = c.spots[at]
	}
	if t == nil {
		t = &tally{}
		c.spots[at] = t
	}
	return t
}

func (c *counters) want(who chain.Asker, method string) *want {
	w := c.askers[who]
	if w == nil && len(c.askers) >= mostAskers {
		who = chain.Asker{Plugin: others}
		w = c.askers[who]
	}
	if w == nil {
		w = &wants{methods: make(map[string]*want)}
		c.askers[who] = w
	}
	if w.methods[method] == nil && len(w.methods) >= mostMethods {
		method = others
	}
	if w.methods[method] == nil {
		w.methods[method] = &want{}
	}
	return w.methods[method]
}

// answered counts what somebody has got for a call.
func (c *counters) answered(who chain.Asker, method string, r *chain.Result, how source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.want(who, method)
	w.calls++
	switch how {
	case fromCache:
		w.kept++
	case fromOther:
		w.joined++
	case fromNode:
	}
	if r.Err != nil {
		w.failures[int(r.Err.Kind)%kinds]++
	} else {
		w.bytes += uint64(len(r.Raw))
	}
}

// own counts a call that the host itself wants.
func (c *counters) own(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want(chain.Asker{}, method).calls++
}

// source is where an answer came from.
type source uint8

const (
	fromNode source = iota
	fromCache
	fromOther
)

// forked counts a fork, and what it has made wrong.
func (c *counters) forked(purged int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forks++
	c.purged += uint64(purged)
}

func (t *tally) failed(now time.Time) {
	number := now.Unix() / 60
	m := &t.minutes[number%recently]
	if m.number != number {
		*m = minute{number: number}
	}
	m.failures++
}

// recent is how many failures there were within the last minutes.
func (t *tally) recent(now time.Time) uint64 {
	sum, number := uint64(0), now.Unix()/60
	for _, m := range t.minutes {
		if m.number > number-recently {
			sum += m.failures
		}
	}
	return sum
}

// kindNames are the kinds of errors in a word or two, by chain.Kind.
var kindNames = [kinds]string{
	"transient", "unclear", "timeout", "refused", "no batches", "moved", "mismatch", "too much", "too many addresses", "pruned", "no method", "invalid",
	"reverted", "wrong chain",
}

// KindName is a kind of error in a word or two.
func KindName(k chain.Kind) string {
	if int(k) < kinds {
		return kindNames[k]
	}
	return "unknown"
}
