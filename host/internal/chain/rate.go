package chain

import (
	"math"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
)

// slots is into how many parts a window is cut: what was spent in a part is
// forgotten as one.
const slots = 50

// window lets so many units pass in any span of its length. It is exact where
// buckets are not: they let twice as many pass in a span that begins full.
type window struct {
	units  float64
	per    time.Duration
	slot   time.Duration
	spent  [slots + 1]float64 // a ring, by the number of the slot
	newest int64              // number of the newest slot
	sum    float64
	shut   time.Time // a call that costs more than units shuts it for longer
}

func newWindow(r config.Rate) *window {
	w := &window{units: r.Units, per: r.Per, slot: max(1, r.Per/slots)}
	if w.units < 1 { // less than one in a span is one in a longer span
		w.per = time.Duration(float64(w.per) / w.units)
		w.units, w.slot = 1, w.per/slots
	}
	return w
}

// forget goes on to the slot of a time.
func (w *window) forget(now time.Time) {
	at := now.UnixNano() / int64(w.slot)
	for n := min(at-w.newest, slots+1); n > 0; n-- {
		slot := &w.spent[(at-n+1)%(slots+1)]
		w.sum -= *slot
		*slot = 0
	}
	if at > w.newest {
		w.newest = at
	}
	if w.sum < 1e-9 {
		w.sum = 0
	}
}

// due is when so many more units may pass.
func (w *window) due(now time.Time, units float64) time.Time {
	w.forget(now)
	if w.shut.After(now) {
		return w.shut
	}
	units = min(units, w.units)
	over := w.sum + units - w.units
	if over <= 1e-9 {
		return now
	}
	for n := int64(slots); n >= 0; n-- { // the oldest slots first
		over -= w.spent[(w.newest-n)%(slots+1)]
		if over <= 1e-9 {
			return time.Unix(0, (w.newest-n+slots+1)*int64(w.slot))
		}
	}
	return now.Add(w.per)
}

// spend notes that units have passed.
func (w *window) spend(now time.Time, units float64) {
	w.forget(now)
	w.spent[w.newest%(slots+1)] += units
	w.sum += units
	if more := units/w.units - 1; more > 0 {
		w.shut = now.Add(w.per + time.Duration(more*float64(w.per)))
	}
}

// pace is the rate that an endpoint turned out to stand: it is lowered when the
// endpoint says that it is too much, and raised a little while it does not. A zero
// pace lets everything pass.
type pace struct {
	rate   float64 // units a second; 0: not known
	bad    float64 // that was too much
	tokens float64
	filled time.Time // when tokens was right
	held   bool      // it has held somebody back since it was last raised
	raised time.Time
	meter  meter
}

const (
	lower     = 0.7
	raise     = 1.05
	raiseFast = 1.25
)

// burst is how much may pass at once.
func (p *pace) burst() float64 { return max(1, p.rate/10) }

func (p *pace) fill(now time.Time) {
	if gone := now.Sub(p.filled).Seconds(); gone > 0 {
		p.tokens = min(p.burst(), p.tokens+gone*p.rate)
		p.filled = now
	}
}

// due is when so many units may pass. A call that costs more than a burst passes
// when the burst is there, and is made up for afterwards.
func (p *pace) due(now time.Time, units float64) time.Time {
	if p.rate == 0 {
		return now
	}
	p.fill(now)
	missing := min(units, p.burst()) - p.tokens
	if missing <= 1e-9 {
		return now
	}
	p.held = true
	return now.Add(time.Duration(math.Ceil(missing / p.rate * float64(time.Second))))
}

func (p *pace) spend(now time.Time, units float64) {
	p.meter.add(now, units)
	if p.rate > 0 {
		p.fill(now)
		p.tokens -= units
	}
}

// fewUnits a second are too few to tell what an endpoint stands: others may use it
// too.
const fewUnits = 5

// lower is told that the endpoint wants less.
func (p *pace) lower(now time.Time) {
	seen := p.meter.rate(now)
	if p.rate == 0 && seen < fewUnits {
		return
	}
	if p.rate == 0 || seen < p.rate {
		p.rate = max(seen, fewUnits)
	}
	p.bad = p.rate
	p.rate = max(p.rate*lower, 0.1)
	p.tokens, p.filled, p.raised, p.held = 0, now, now, false
}

// raise is told that the endpoint still serves. Only a rate that is used to the
// full is raised, once a second: fast while it is far from what was too much.
func (p *pace) raise(now time.Time) {
	if p.rate == 0 || !p.held || now.Sub(p.raised) < time.Second {
		return
	}
	p.fill(now)
	if p.rate < p.bad/2 {
		p.rate *= raiseFast
	} else {
		p.rate *= raise
	}
	p.raised, p.held = now, false
}

// meter measures how many units pass in a second.
type meter struct {
	second    int64
	now, last float64
}

func (m *meter) add(now time.Time, units float64) {
	m.turn(now)
	m.now += units
}

func (m *meter) turn(now time.Time) {
	switch at := now.Unix(); at - m.second {
	case 0:
	case 1:
		m.second, m.last, m.now = at, m.now, 0
	default:
		m.second, m.last, m.now = at, 0, 0
	}
}

func (m *meter) rate(now time.Time) float64 {
	m.turn(now)
	return max(m.now, m.last, 1)
}
