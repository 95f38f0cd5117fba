package proxy

import (
	"math/rand/v2"
	"time"
)

// Kind is one way in which a request goes wrong.
type Kind string

// The kinds. A fault that makes no sense for a request, such as another order of
// a single answer, does not happen.
const (
	None     Kind = ""
	Busy     Kind = "busy"     // 429 with Retry-After
	Broken   Kind = "broken"   // a gateway's error page, 500 to 504
	Page     Kind = "page"     // 200 with a page for people
	Refused  Kind = "refused"  // a JSON-RPC error that passes
	TooMuch  Kind = "too much" // eth_getLogs wants a smaller range
	Silent   Kind = "silent"   // no answer for long, then the connection is closed
	Slow     Kind = "slow"     // a late answer
	Cut      Kind = "cut"      // half of an answer, as if it were whole
	Reset    Kind = "reset"    // the connection is reset in the middle of an answer
	Lagging  Kind = "lagging"  // a replica some blocks behind
	Doubled  Kind = "doubled"  // a log, an answer or a notification comes twice
	Shuffled Kind = "shuffled" // the answers to a batch come in another order
	Missing  Kind = "missing"  // an answer of a batch or a notification does not come
)

// weights says how often each kind is drawn, of 100.
var weights = []struct {
	kind   Kind
	weight int
}{
	{Busy, 8},
	{Broken, 10},
	{Page, 3},
	{Refused, 14},
	{TooMuch, 8},
	{Silent, 4},
	{Slow, 12},
	{Cut, 7},
	{Reset, 9},
	{Lagging, 13},
	{Doubled, 5},
	{Shuffled, 3},
	{Missing, 4},
}

// Kinds are all kinds of faults.
func Kinds() []Kind {
	kinds := make([]Kind, len(weights))
	for i, w := range weights {
		kinds[i] = w.kind
	}
	return kinds
}

// Fault is what happens to one request.
type Fault struct {
	Number uint64 // the request's, from 1
	Kind   Kind
	About  string        // what was asked, or how it goes wrong
	Pause  time.Duration // of Silent and Slow
	Behind uint64        // blocks, of Lagging
	pick   uint64        // chooses among whatever there is to choose from
}

const (
	longestSilence = 12 * time.Second // longer than most programs wait
	longestDelay   = 900 * time.Millisecond
	mostBehind     = 6
)

// draw says what happens to the request of a number, if a share of rate goes
// wrong.
func draw(seed, number uint64, rate float64) Fault {
	rng := rand.New(rand.NewPCG(seed, number))
	f := Fault{Number: number}
	if rng.Float64() >= rate {
		return f
	}
	at := rng.IntN(100)
	for _, w := range weights {
		if at -= w.weight; at < 0 {
			f.Kind = w.kind
			break
		}
	}
	f.Pause = time.Duration(rng.Int64N(int64(longestDelay)))
	if f.Kind == Silent {
		f.Pause = longestDelay + time.Duration(rng.Int64N(int64(longestSilence-longestDelay)))
	}
	f.Behind = 1 + rng.Uint64N(mostBehind)
	f.pick = rng.Uint64()
	return f
}

// of picks one of n.
func (f Fault) of(n int) int { return int(f.pick % uint64(n)) }
