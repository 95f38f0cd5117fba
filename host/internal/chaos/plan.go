package chaos

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

// Actor is one who does harm, or mines.
type Actor string

// The actors. Each draws what it does from a stream of its own, so that one
// that does more leaves the others what they do.
const (
	Miner        Actor = "miner"         // mines blocks, alone or in bursts
	Brancher     Actor = "brancher"      // has the chain reorganise
	PluginKiller Actor = "plugin killer" // kills a plugin's process
	HostKiller   Actor = "host killer"   // kills the host and starts it again
	Staller      Actor = "staller"       // stops a plugin's process for a while
	LoaderDelay  Actor = "loader delay"  // stops a loader's process for a while
)

// Event is something that an actor does.
type Event struct {
	At     time.Duration
	Actor  Actor
	Number int    // the actor's, from 1
	Blocks uint64 // to mine, or to replace if there are so many that are not final
	Jump   time.Duration
	Pause  time.Duration // how long a process stands still, or is gone
	Pick   uint64        // chooses among whatever processes there are
}

// Plan is all that follows from a seed. What the events meet when their time
// has come does not.
type Plan struct {
	Seed     uint64
	Duration time.Duration
	Rate     float64 // the share of the requests that go wrong, before it falls
	Limits   bool    // whether eth_getLogs takes a bounded range only
	Socket   bool    // whether ETH_RPC_URL is a WebSocket
	History  uint64  // blocks before the start
	Events   []Event // by time
}

// ChainID is that of the development chain, and LeastHistory how many blocks it
// has at the start.
const (
	ChainID      = 1337
	LeastHistory = 40
)

// calm is the share of the duration after which no process is harmed any more,
// and the requests that go wrong become fewer.
const calm = 0.75

// NewPlan draws a plan in which so many blocks are mined.
func NewPlan(seed uint64, duration time.Duration, blocks uint64) Plan {
	rng := stream(seed, "setup")
	p := Plan{
		Seed: seed, Duration: duration,
		Rate:    []float64{0.02, 0.05, 0.12, 0.3}[rng.IntN(4)],
		Limits:  rng.IntN(2) == 0,
		Socket:  rng.IntN(3) == 0,
		History: LeastHistory + rng.Uint64N(80),
	}
	if rng.IntN(5) == 0 {
		p.History += 60 + rng.Uint64N(140) // more than a request or two
	}
	p.mine(blocks, rng.IntN(2) == 0)
	// Harm of every kind at once hides what one kind does alone.
	chosen := func() bool { return rng.IntN(4) > 0 }
	harm := []struct {
		actor Actor
		on    bool
		every time.Duration
		draw  func(*rand.Rand, *Event)
	}{
		{Brancher, chosen(), 2500 * time.Millisecond, func(rng *rand.Rand, e *Event) { e.Blocks = depth(rng) }},
		{PluginKiller, chosen(), 4 * time.Second, func(*rand.Rand, *Event) {}},
		{HostKiller, chosen(), 7 * time.Second, func(rng *rand.Rand, e *Event) { e.Pause = between(rng, 0, time.Second) }},
		{Staller, chosen(), 5 * time.Second, func(rng *rand.Rand, e *Event) { e.Pause = between(rng, 100*time.Millisecond, 2*time.Second) }},
		{LoaderDelay, chosen(), 6 * time.Second, func(rng *rand.Rand, e *Event) { e.Pause = between(rng, 500*time.Millisecond, 3*time.Second) }},
	}
	for _, h := range harm {
		if h.on {
			p.harm(h.actor, h.every, h.draw)
		}
	}
	slices.SortStableFunc(p.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return p
}

// mine spreads blocks over the whole time, most alone and some in bursts.
func (p *Plan) mine(blocks uint64, jumps bool) {
	rng := stream(p.Seed, Miner)
	var events []Event
	for left := blocks; left > 0; {
		e := Event{Actor: Miner, At: between(rng, 0, p.Duration), Blocks: 1}
		if rng.IntN(12) == 0 {
			e.Blocks = min(left, 4+rng.Uint64N(24))
		}
		if jumps && rng.IntN(20) == 0 {
			e.Jump = between(rng, 10*time.Second, 24*time.Hour).Truncate(time.Second)
		}
		left -= e.Blocks
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	for i := range events {
		events[i].Number = i + 1
	}
	p.Events = append(p.Events, events...)
}

// harm draws the events of an actor, at random times every so often; in a short
// storm more often, so that something happens.
func (p *Plan) harm(actor Actor, every time.Duration, draw func(*rand.Rand, *Event)) {
	rng := stream(p.Seed, actor)
	every = time.Duration(float64(every) * min(max(p.Duration.Seconds()/20, 0.4), 1))
	end := time.Duration(calm * float64(p.Duration))
	at := time.Duration(rng.ExpFloat64() * float64(every) / 2)
	for n := 1; at < end; n++ {
		e := Event{At: at, Actor: actor, Number: n, Pick: rng.Uint64()}
		draw(rng, &e)
		p.Events = append(p.Events, e)
		at += time.Duration(rng.ExpFloat64() * float64(every))
	}
}

// depth is how many blocks a reorganisation replaces: mostly few, now and then
// as many as there can be.
func depth(rng *rand.Rand) uint64 {
	switch roll := rng.IntN(20); {
	case roll < 12:
		return 1 + rng.Uint64N(3)
	case roll < 17:
		return 4 + rng.Uint64N(9)
	default:
		return 13 + rng.Uint64N(51)
	}
}

// rate is the share of the requests that go wrong at a time.
func (p *Plan) rate(at time.Duration) float64 {
	begin := calm * float64(p.Duration)
	left := 1 - (float64(at)-begin)/(float64(p.Duration)-begin)
	return p.Rate * max(min(left, 1), 0)
}

// stream is the random numbers of an actor.
func stream(seed uint64, name Actor) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it cannot fail
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)+1))
}
