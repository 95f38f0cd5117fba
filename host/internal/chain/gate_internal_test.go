package chain

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
)

// watch is a clock that a test moves.
type watch struct {
	mu     sync.Mutex
	now    time.Time
	timers []*alarm
}

type alarm struct {
	at   time.Time
	f    func()
	over bool
}

func newWatch() *watch { return &watch{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) AfterFunc(d time.Duration, f func()) func() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &alarm{at: w.now.Add(d), f: f}
	w.timers = append(w.timers, a)
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		was := a.over
		a.over = true
		return !was
	}
}

// advance moves the clock and calls what is due, itself.
func (w *watch) advance(d time.Duration) {
	w.mu.Lock()
	end := w.now.Add(d)
	for {
		slices.SortStableFunc(w.timers, func(a, b *alarm) int { return a.at.Compare(b.at) })
		if len(w.timers) == 0 || w.timers[0].at.After(end) {
			break
		}
		a := w.timers[0]
		w.timers = w.timers[1:]
		if a.over {
			continue
		}
		a.over = true
		w.now = a.at
		w.mu.Unlock()
		a.f()
		w.mu.Lock()
	}
	w.now = end
	w.mu.Unlock()
}

func rates(t *testing.T, text string) []config.Rate {
	t.Helper()
	r, err := config.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// In no span of a window does more pass than it lets, and in a long time nearly as
// much as it lets.
func TestWindowsAreKept(t *testing.T) {
	for _, text := range []string{"25/s", "2500/second;20000/minute", "0.5/s", "7/minute;3/s", "100/hour"} {
		seed := rand.New(rand.NewPCG(1, 2))
		clock := newWatch()
		g := newGate(clock, rates(t, text))
		type passed struct {
			at    time.Time
			units float64
		}
		var all []passed
		for range 3000 {
			units := 1 + float64(seed.IntN(3))
			clock.mu.Lock()
			due := g.due(clock.now, units)
			if due.After(clock.now) {
				clock.now = due
			}
			clock.now = clock.now.Add(time.Duration(seed.IntN(5)) * time.Millisecond)
			now := clock.now
			clock.mu.Unlock()
			if g.due(now, units).After(now) {
				continue
			}
			g.spend(now, units)
			all = append(all, passed{now, units})
		}
		for _, r := range rates(t, text) {
			if r.Units < 1 {
				r.Units, r.Per = 1, time.Duration(float64(r.Per)/r.Units)
			}
			sum, first := 0.0, 0
			for i, p := range all {
				sum += p.units
				for p.at.Sub(all[first].at) >= r.Per {
					sum -= all[first].units
					first++
				}
				if sum > max(r.Units, all[i].units)+1e-9 {
					t.Fatalf("%s: %v units passed in a span of %s", text, sum, r.Per)
				}
			}
		}
		if len(all) < 100 {
			t.Errorf("%s: %d passed", text, len(all))
		}
	}
}

// A call that costs more than a window holds passes alone, and is made up for.
func TestCallThatCostsMoreThanItsWindow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := newWindow(config.Rate{Units: 25, Per: time.Second})
	if due := w.due(now, 75); due.After(now) {
		t.Errorf("it is due %s later although nothing was spent", due.Sub(now))
	}
	w.spend(now, 75)
	if got := w.due(now, 1).Sub(now); got < 3*time.Second || got > 3100*time.Millisecond {
		t.Errorf("the next may pass after %s, want 3 s", got)
	}
	if got := w.due(now.Add(3*time.Second), 25); got.After(now.Add(3 * time.Second)) {
		t.Errorf("after three seconds all may pass again: not before %s", got)
	}
}

// The rate that an endpoint stands is found: nearly all of it is used, and few
// calls are refused.
func TestPaceFindsTheRate(t *testing.T) {
	const limit = 100.0 // units a second, counted by the endpoint in whole seconds
	clock := newWatch()
	g := newGate(clock, nil)
	second, inSecond := int64(0), 0.0
	served, refused := 0.0, 0
	began := clock.now
	const long = 10 * time.Minute
	for clock.now.Sub(began) < long {
		now := clock.now
		if due := g.due(now, 1); due.After(now) {
			clock.now = due
			continue
		}
		g.spend(now, 1)
		if now.Unix() != second {
			second, inSecond = now.Unix(), 0
		}
		if inSecond++; inSecond > limit {
			refused++
			g.pace.lower(now)
			clock.now = clock.now.Add(100 * time.Millisecond) // the pause of the burst
			continue
		}
		served++
		g.pace.raise(now)
		clock.now = clock.now.Add(time.Millisecond)
	}
	if rate := served / long.Seconds(); rate < 0.75*limit {
		t.Errorf("%.0f of %.0f units a second are used", rate, limit)
	}
	if share := float64(refused) / served; share > 0.01 {
		t.Errorf("%.2f %% of the calls are refused", 100*share)
	}
}

func TestPaceForgivesFewCalls(t *testing.T) {
	clock := newWatch()
	g := newGate(clock, nil)
	g.spend(clock.now, 2)
	g.slower(true)
	if g.pace.rate != 0 {
		t.Errorf("two calls and one refusal made a rate of %v a second", g.pace.rate)
	}
}

func TestParallelFallsFastAndRisesSlowly(t *testing.T) {
	clock := newWatch()
	g := newGate(clock, nil)
	g.slower(false)
	g.slower(false)
	fallen := g.parallel
	if fallen > firstParallel*0.5 {
		t.Errorf("two refusals: %v at once, want half of %d", fallen, firstParallel)
	}
	for range 10 {
		g.faster()
	}
	if g.parallel != fallen {
		t.Error("it rose although nobody waits")
	}
	for range int(g.parallel) {
		if !g.tryEnter(1) {
			t.Fatal("there is no room")
		}
	}
	if g.tryEnter(1) {
		t.Error("more are let in than it stands")
	}
	for range 4 {
		g.faster()
	}
	if g.parallel <= fallen || g.parallel > fallen+1 {
		t.Errorf("four good answers: from %v to %v", fallen, g.parallel)
	}
	for range 100 {
		g.slower(false)
	}
	if g.parallel != 1 {
		t.Errorf("it fell to %v, want 1", g.parallel)
	}
}

// standing has somebody wait at a gate; what got in is told in order.
type standing struct {
	gate    *gate
	entered chan string
	waiting sync.WaitGroup
}

func (l *standing) enter(t *testing.T, asker, name string, age time.Time) {
	t.Helper()
	before := l.gate.load()
	l.waiting.Go(func() {
		if err := l.gate.enter(t.Context(), asker, age, 1); err != nil {
			t.Error(err)
		}
		l.entered <- name
	})
	for l.gate.load() == before { // it is not in the line yet
	}
}

// Who asks for much does not keep others from asking for little; of one's own,
// the oldest comes first.
func TestLinesTakeTurns(t *testing.T) {
	clock := newWatch()
	g := newGate(clock, nil)
	g.parallel = 1
	if !g.tryEnter(1) {
		t.Fatal("there is no room")
	}
	l := &standing{gate: g, entered: make(chan string)}
	at := clock.Now()
	for i, name := range []string{"greedy 2", "greedy 3", "greedy 4", "greedy 5"} {
		l.enter(t, "greedy", name, at.Add(time.Duration(i)*time.Second))
	}
	l.enter(t, "modest", "modest 1", at)
	l.enter(t, "greedy", "greedy 1", at.Add(-time.Second))
	l.enter(t, "modest", "modest 2", at)
	var got []string
	for range 7 {
		g.leave()
		got = append(got, <-l.entered)
	}
	l.waiting.Wait()
	want := []string{"greedy 1", "modest 1", "greedy 2", "modest 2", "greedy 3", "greedy 4", "greedy 5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	g.leave()
	if g.inFlight != 0 || g.waiting != 0 || len(g.lines) != 0 {
		t.Errorf("%d in flight, %d waiting, %d lines at the end", g.inFlight, g.waiting, len(g.lines))
	}
}

// Who stops waiting leaves no place behind.
func TestWhoStopsWaitingTakesNoPlace(t *testing.T) {
	clock := newWatch()
	g := newGate(clock, rates(t, "1/s"))
	if !g.tryEnter(1) {
		t.Fatal("there is no room")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	done := make(chan error)
	go func() { done <- g.enter(ctx, "a", clock.Now(), 1) }()
	for g.load() < 2.0/firstParallel {
	}
	cancel(enough)
	if err := <-done; !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	l := &standing{gate: g, entered: make(chan string, 1)}
	l.enter(t, "a", "next", clock.Now())
	clock.advance(1100 * time.Millisecond)
	<-l.entered
	l.waiting.Wait()
	if g.inFlight != 2 || g.waiting != 0 {
		t.Errorf("%d in flight, %d waiting", g.inFlight, g.waiting)
	}
}

// While an endpoint wants to be left alone nobody passes; if it rests, who waits is
// sent elsewhere.
func TestPauseAndClear(t *testing.T) {
	clock := newWatch()
	g := newGate(clock, nil)
	g.pause(clock.Now().Add(time.Minute))
	g.pause(clock.Now().Add(time.Second)) // a shorter one changes nothing
	if g.tryEnter(1) || g.hasRoom(1) {
		t.Error("somebody passes during a pause")
	}
	l := &standing{gate: g, entered: make(chan string, 1)}
	l.enter(t, "a", "first", clock.Now())
	clock.advance(59 * time.Second)
	select {
	case <-l.entered:
		t.Error("somebody passes before the pause is over")
	default:
	}
	clock.advance(time.Second)
	<-l.entered
	l.waiting.Wait()
	g.pause(clock.Now().Add(time.Hour))
	done := make(chan error)
	go func() { done <- g.enter(t.Context(), "a", clock.Now(), 1) }()
	for g.load() < 2.0/firstParallel {
	}
	g.clear()
	if err := <-done; !errors.Is(err, errElsewhere) {
		t.Errorf("got %v, want to be sent elsewhere", err)
	}
}
