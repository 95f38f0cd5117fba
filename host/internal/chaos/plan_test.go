package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASeedGivesTheSamePlan(t *testing.T) {
	for seed := range uint64(50) {
		first, again := NewPlan(seed, 20*time.Second, 80), NewPlan(seed, 20*time.Second, 80)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("seed %d gives another plan the second time:\n%s", seed, diff)
		}
		if other := NewPlan(seed+1, 20*time.Second, 80); cmp.Equal(first.Events, other.Events) {
			t.Errorf("seeds %d and %d give the same events", seed, seed+1)
		}
	}
}

func TestAnActorDoesTheSameWhateverTheOthersDo(t *testing.T) {
	of := func(p Plan, actor Actor) []Event {
		return slices.DeleteFunc(slices.Clone(p.Events), func(e Event) bool { return e.Actor != actor })
	}
	few, many := NewPlan(4, 20*time.Second, 10), NewPlan(4, 20*time.Second, 500)
	for _, actor := range []Actor{Brancher, PluginKiller, HostKiller, Staller, LoaderDelay} {
		if diff := cmp.Diff(of(few, actor), of(many, actor)); diff != "" {
			t.Errorf("more blocks change what the %s does:\n%s", actor, diff)
		}
	}
}

func TestPlansKeepTheirBounds(t *testing.T) {
	const duration, blocks = 20 * time.Second, 80
	actors, most := map[Actor]int{}, uint64(0)
	for seed := range uint64(300) {
		p := NewPlan(seed, duration, blocks)
		if !slices.IsSortedFunc(p.Events, func(a, b Event) int { return int(a.At - b.At) }) {
			t.Errorf("seed %d: the events are not in the order of their times", seed)
		}
		if p.History < LeastHistory {
			t.Errorf("seed %d: %d blocks of history, want %d at least", seed, p.History, LeastHistory)
		}
		mined := uint64(0)
		for _, e := range p.Events {
			actors[e.Actor]++
			switch {
			case e.Actor == Miner:
				mined += e.Blocks
			case float64(e.At) > calm*float64(duration):
				t.Errorf("seed %d: %s does harm after %s", seed, e.Actor, e.At)
			case e.Actor == Brancher:
				most = max(most, e.Blocks)
			}
			if e.Jump > 24*time.Hour || e.Jump%time.Second != 0 || e.At > duration {
				t.Errorf("seed %d: %+v is beyond all bounds", seed, e)
			}
		}
		if mined != blocks {
			t.Errorf("seed %d: %d blocks are mined, want %d", seed, mined, blocks)
		}
	}
	for _, actor := range []Actor{Miner, Brancher, PluginKiller, HostKiller, Staller, LoaderDelay} {
		if actors[actor] < 300 {
			t.Errorf("the %s does something %d times in 300 plans", actor, actors[actor])
		}
	}
	if most < 50 {
		t.Errorf("the deepest reorganisation of 300 plans replaces %d blocks", most)
	}
}

func TestTheRateFallsToNothing(t *testing.T) {
	p := Plan{Rate: 0.2, Duration: 20 * time.Second}
	for at, want := range map[time.Duration]float64{0: 0.2, 15 * time.Second: 0.2, 17500 * time.Millisecond: 0.1, 20 * time.Second: 0, time.Minute: 0} {
		if got := p.rate(at); got != want {
			t.Errorf("after %s: got %g, want %g", at, got, want)
		}
	}
}
