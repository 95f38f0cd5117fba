package chain

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
)

// gate lets exchanges with one endpoint pass: as many at once as it stands, as
// fast as it may be asked, and not while it wants to be left alone. Who waits
// stands in a line for each asker; the lines take turns, so that nobody who asks
// for much keeps others from asking for little.
type gate struct {
	clock Clock

	mu       sync.Mutex // protects the fields below
	parallel float64    // how many may be in flight; whole ones count
	most     float64
	inFlight int
	lines    []*queue
	turn     int // of the line that is next
	windows  []*window
	pace     pace
	until    time.Time // nobody passes before
	stop     func() bool
	waiting  int
	today    int64 // the day that spent is about
	spent    float64
}

// queue is who waits of one asker, oldest first.
type queue struct {
	asker   string
	waiters []*waiter
}

type waiter struct {
	units float64
	age   time.Time
	ready chan struct{} // closed when it may go
	err   error         // why it may not, set before ready is closed
}

// errElsewhere tells who waits to choose another endpoint.
var errElsewhere = errors.New("the endpoint rests")

const (
	firstParallel = 16
	mostParallel  = 48
)

func newGate(c Clock, rates []config.Rate) *gate {
	g := &gate{clock: c, parallel: firstParallel, most: mostParallel}
	for _, r := range rates {
		g.windows = append(g.windows, newWindow(r))
	}
	return g
}

// enter returns when an exchange that costs so many units may go. Of one asker's,
// those with the least age go first. The caller calls leave when it is over.
func (g *gate) enter(ctx context.Context, asker string, age time.Time, units float64) error {
	w := &waiter{units: units, age: age, ready: make(chan struct{})}
	g.mu.Lock()
	g.join(asker, w)
	g.admit()
	g.mu.Unlock()
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.ready:
		if w.err == nil {
			g.inFlight--
		}
	default:
		g.quit(asker, w)
	}
	g.admit()
	return context.Cause(ctx)
}

// tryEnter is enter for those who will not wait.
func (g *gate) tryEnter(units float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if !g.room() || g.due(now, units).After(now) {
		return false
	}
	g.pass(now, units)
	return true
}

// hasRoom reports whether an exchange would pass at once.
func (g *gate) hasRoom(units float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	return g.room() && !g.due(now, units).After(now)
}

func (g *gate) room() bool { return g.waiting == 0 && g.inFlight < int(g.parallel) }

// wait is how long nobody passes.
func (g *gate) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	return g.due(now, 1).Sub(now)
}

// load is how busy the endpoint is: exchanges under way and waiting per exchange
// that it stands.
func (g *gate) load() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return float64(g.inFlight+g.waiting) / max(1, g.parallel)
}

// charge spends units without waiting.
func (g *gate) charge(units float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spend(g.clock.Now(), units)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	g.admit()
}

// pause lets nobody pass before a time.
func (g *gate) pause(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.until) {
		g.until = until
	}
}

func (g *gate) pausedUntil() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until
}

// clear sends everybody who waits elsewhere.
func (g *gate) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lines {
		for _, w := range l.waiters {
			w.err = errElsewhere
			close(w.ready)
		}
	}
	g.lines, g.turn, g.waiting = nil, 0, 0
}

// slower is told that the endpoint wants less: throttled if it said so.
func (g *gate) slower(throttled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if throttled {
		g.pace.lower(g.clock.Now())
	}
	g.parallel = max(1, g.parallel*lower)
}

// faster is told of an exchange that went well.
func (g *gate) faster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.raise(g.clock.Now())
	if g.waiting > 0 || g.inFlight >= int(g.parallel) {
		g.parallel = min(g.most, g.parallel+1/g.parallel)
	}
}

// largest is how many units one exchange may cost.
func (g *gate) largest() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	most := 1e18
	for _, w := range g.windows {
		most = min(most, w.units)
	}
	if g.pace.rate > 0 {
		most = min(most, g.pace.burst())
	}
	return most
}

func (g *gate) join(asker string, w *waiter) {
	g.waiting++
	at := slices.IndexFunc(g.lines, func(l *queue) bool { return l.asker == asker })
	if at < 0 {
		g.lines = append(g.lines, &queue{asker: asker})
		at = len(g.lines) - 1
	}
	l := g.lines[at]
	i := len(l.waiters)
	for i > 0 && l.waiters[i-1].age.After(w.age) {
		i--
	}
	l.waiters = slices.Insert(l.waiters, i, w)
}

func (g *gate) quit(asker string, w *waiter) {
	for _, l := range g.lines {
		if i := slices.Index(l.waiters, w); l.asker == asker && i >= 0 {
			l.waiters = slices.Delete(l.waiters, i, i+1)
			g.waiting--
		}
	}
	g.tidy()
}

// tidy drops lines in which nobody stands.
func (g *gate) tidy() {
	for i, q := range slices.Backward(g.lines) {
		if len(q.waiters) > 0 {
			continue
		}
		g.lines = slices.Delete(g.lines, i, i+1)
		if g.turn > i {
			g.turn--
		}
	}
	if g.turn >= len(g.lines) {
		g.turn = 0
	}
}

// admit lets pass who may, and sees to it that it is called again when the next
// may.
func (g *gate) admit() {
	for len(g.lines) > 0 && g.inFlight < int(g.parallel) {
		now := g.clock.Now()
		l := g.lines[g.turn]
		w := l.waiters[0]
		if due := g.due(now, w.units); due.After(now) {
			g.wake(due.Sub(now))
			return
		}
		g.pass(now, w.units)
		l.waiters = l.waiters[1:]
		g.waiting--
		close(w.ready)
		g.turn++
		g.tidy()
	}
}

func (g *gate) wake(after time.Duration) {
	if g.stop != nil {
		g.stop()
	}
	g.stop = g.clock.AfterFunc(after, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admit()
	})
}

// close ends the waiting of everybody.
func (g *gate) close() {
	g.clear()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop != nil {
		g.stop()
	}
}

func (g *gate) due(now time.Time, units float64) time.Time {
	due := g.until
	for _, w := range g.windows {
		if at := w.due(now, units); at.After(due) {
			due = at
		}
	}
	if at := g.pace.due(now, units); at.After(due) {
		due = at
	}
	return due
}

func (g *gate) pass(now time.Time, units float64) {
	g.inFlight++
	g.spend(now, units)
}

func (g *gate) spend(now time.Time, units float64) {
	for _, w := range g.windows {
		w.spend(now, units)
	}
	g.pace.spend(now, units)
	if day := now.Unix() / 86400; day != g.today {
		g.today, g.spent = day, 0
	}
	g.spent += units
}
