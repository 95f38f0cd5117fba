package chain

import (
	"math"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// What a batch should come to.
const (
	targetBytes = 4 << 20
	targetTime  = time.Second
	firstItems  = 100
	mostItems   = 1000 // go-ethereum takes no more
)

// sizes says how many calls to put into a batch for one endpoint, by what earlier
// ones came to. It is quick to ask for less and slow to ask for more.
type sizes struct {
	mu      sync.Mutex // protects the fields below
	most    int        // the endpoint takes no more calls in one batch
	allowed int        // most as it was set
	good    int        // batches taken since most was lowered
	classes map[string]*class
}

// class is what is known of calls that are alike.
type class struct {
	bytes float64 // of one answer
	items float64 // as many calls are answered in time
}

func newSizes(allowed int) *sizes {
	if allowed <= 0 {
		allowed = mostItems
	}
	return &sizes{most: allowed, allowed: allowed, classes: map[string]*class{}}
}

// classOf tells calls apart whose answers differ in size.
func classOf(q *chain.Query) string {
	switch q.Method {
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		if string(element(q.Params, 1)) == "true" {
			return q.Method + " full"
		}
	}
	return q.Method
}

// guesses are bytes of an answer before the first.
var guesses = map[string]float64{
	"eth_getBlockByNumber full": 64 << 10, "eth_getBlockByHash full": 64 << 10, "eth_getBlockReceipts": 96 << 10, "eth_getLogs": 64 << 10,
	"trace_block": 512 << 10, "trace_replayBlockTransactions": 1 << 20, "debug_traceBlockByNumber": 1 << 20, "debug_traceBlockByHash": 1 << 20,
}

func (s *sizes) of(name string) *class {
	c := s.classes[name]
	if c == nil {
		c = &class{bytes: 1 << 10, items: firstItems}
		if guess := guesses[name]; guess > 0 {
			c.bytes = guess
		}
		if len(s.classes) < 256 { // plugins name methods; nobody else bounds how many
			s.classes[name] = c
		}
	}
	return c
}

// fit is how many of the asks, from the first, make a good batch that costs at
// most so many units: at least one.
func (s *sizes) fit(asks []*ask, ep *endpoint, units float64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	share, each, last := 0.0, 0.0, ""
	for i, a := range asks {
		if i == 0 || a.class != last {
			c := s.of(a.class)
			each, last = max(c.bytes/targetBytes, 1/min(c.items, float64(s.most))), a.class
		}
		share += each
		units -= ep.units(a.query)
		if i > 0 && (share > 1+1e-6 || units < 0 || i >= s.most) {
			return i
		}
	}
	return len(asks)
}

// limit is the most calls that may be in one batch.
func (s *sizes) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// shrink is told that a batch of a size was too large, or for good that there may
// be none. It reports whether there was anything to shrink.
func (s *sizes) shrink(size int, forGood bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size <= 1 {
		return false
	}
	s.most, s.good = min(s.most, max(1, size/2)), 0
	if forGood {
		s.most, s.allowed = 1, 1
	}
	return true
}

// learn is told what a batch came to. Calls that are alike mostly stand together:
// each such run is learned from.
func (s *sizes) learn(batch []*ask, replies []reply, spent time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slowness := float64(spent) / float64(targetTime)
	for from := 0; from < len(batch); {
		name, bytes, answers := batch[from].class, 0, 0
		to := from
		for ; to < len(batch) && batch[to].class == name; to++ {
			if replies[to].err == nil {
				bytes += len(replies[to].result)
				answers++
			}
		}
		if answers > 0 {
			s.of(name).learn(float64(bytes)/float64(answers), float64(len(batch)), slowness, float64(s.most))
		}
		from = to
	}
	s.grow(len(batch))
}

// learn is told how many bytes an answer had in a batch of a size that took so
// much of the time it should.
func (c *class) learn(bytes, size, slowness, most float64) {
	if bytes > c.bytes {
		c.bytes = bytes
	} else {
		c.bytes = 0.8*c.bytes + 0.2*bytes
	}
	switch {
	case slowness > 1 && size > 1:
		c.items = max(1, math.Floor(min(c.items, size/slowness)))
	case slowness < 0.5 && size >= 0.8*min(c.items, most):
		c.items = min(mostItems, c.items*1.1+1)
	}
}

// grow lets batches become larger again after some that were taken.
func (s *sizes) grow(size int) {
	const often = 16
	if s.good++; s.good >= often && s.most < s.allowed && size*4 >= s.most*3 {
		s.most, s.good = min(s.allowed, s.most+s.most/4+1), 0
	}
}
