package fetch

import (
	"sync"
	"time"
)

const (
	// answerBytes is how much the answers for one span should have: more of them at once gain nothing, and weigh on memory.
	answerBytes = 2 << 20
	// answerTime is how long they should take.
	answerTime = time.Second
)

// pace is how many blocks to ask for at once: as many as have about so many bytes and take about so long, found by doubling.
type pace struct {
	most uint64

	mu    sync.Mutex // protects the fields below
	now   uint64
	bytes float64 // of a block, lately
}

func newPace(first, most uint64) *pace { return &pace{now: min(first, most), most: most} }

func (p *pace) blocks() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// weight is about how many bytes so many blocks have.
func (p *pace) weight(blocks uint64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == 0 {
		return int(min(blocks, 1000)) * 10_000 //nolint:gosec // it is bounded
	}
	return int(p.bytes * float64(blocks))
}

// took notes what a span came to.
func (p *pace) took(blocks uint64, bytes int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	each := float64(bytes) / float64(blocks)
	if p.bytes == 0 {
		p.bytes = each
	}
	p.bytes += (each - p.bytes) / 4
	fits := float64(p.most)
	if p.bytes > 0 {
		fits = min(fits, answerBytes/p.bytes)
	}
	fits = min(fits, float64(blocks)*float64(answerTime)/float64(max(d, time.Millisecond)))
	if blocks < p.now && fits > float64(p.now) {
		return // a small span says nothing about larger ones
	}
	p.now = max(1, min(uint64(fits), 2*p.now))
}

// refused notes that so many blocks were too many.
func (p *pace) refused(blocks uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = max(1, min(p.now, blocks/2))
}
