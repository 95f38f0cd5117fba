package chain

import (
	"bytes"
	"math"
	"sync"

	"github.com/maypok86/otter/v2"
)

// cache keeps answers that cannot change any more: those about a block of a hash,
// and those about heights that are final. It is bounded in bytes, and safe for
// concurrent use.
//
// What was asked for before a fork was seen is not kept: keep is given what stamp
// said when the call was made.
type cache struct {
	answers *otter.Cache[callKey, kept] // nil: nothing is kept
	most    int                         // bytes of one answer

	mu    sync.Mutex // protects the fields below
	forks uint64     // how often purge was called
	final uint64     // the final height as it is known; 0: none is
}

// callKey is a call: equal ones have equal answers.
type callKey struct{ method, params string }

// kept is an answer that was kept.
type kept struct {
	raw      []byte
	endpoint string // that gave it
	height   uint64 // of the block that it is about; unknownHeight: of any
}

// overhead is what an entry needs beside its bytes.
const overhead = 256

// newCache makes a cache of so many bytes; 0: one that keeps nothing.
func newCache(size uint64) (*cache, error) {
	if size == 0 {
		return &cache{}, nil
	}
	answers, err := otter.New(&otter.Options[callKey, kept]{
		MaximumWeight: size,
		Weigher: func(key callKey, value kept) uint32 {
			return uint32(min(len(key.method)+len(key.params)+len(value.raw)+overhead, math.MaxUint32))
		},
		Executor: func(work func()) { work() }, // it is short, and leaves nothing behind that somebody would have to wait for
	})
	if err != nil {
		return nil, err
	}
	return &cache{answers: answers, most: int(min(size/8, math.MaxInt32))}, nil
}

// find returns an answer, which is not to be written to.
func (c *cache) find(key callKey) (kept, bool) {
	if c.answers == nil {
		return kept{}, false
	}
	return c.answers.GetIfPresent(key)
}

// stamp is to be given to keep with answers to calls that are made from now on.
func (c *cache) stamp() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forks
}

// keep keeps an answer, which nobody may write to any more, if it cannot change.
func (c *cache) keep(key callKey, about subject, raw []byte, endpoint string, stamp uint64) {
	if c.answers == nil || about.kind == changing || len(raw) > c.most || len(raw) < 4 || bytes.Equal(raw, []byte("null")) {
		return
	}
	height := about.height
	if about.kind != aboutHeight {
		height = heightTold(key.method, raw)
	}
	c.mu.Lock()
	defer c.mu.Unlock() // so that no purge comes between
	settled := about.kind == aboutHash || height <= c.final && c.final > 0
	if settled && stamp == c.forks {
		c.answers.Set(key, kept{raw: raw, endpoint: endpoint, height: height})
	}
}

// settle notes that all blocks up to a height are final.
func (c *cache) settle(final uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final = max(c.final, final)
}

// finalHeight is the final height as it is known; 0: none is.
func (c *cache) finalHeight() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

// purge forgets everything about blocks above a fork, and returns how much that
// was.
func (c *cache) purge(fork uint64) (purged int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forks++
	c.final = min(c.final, fork)
	if c.answers == nil {
		return 0
	}
	for key, value := range c.answers.All() {
		if value.height > fork {
			c.answers.Invalidate(key)
			purged++
		}
	}
	return purged
}

// drop forgets an answer that was of no use to somebody.
func (c *cache) drop(key callKey) {
	if c.answers != nil {
		c.answers.Invalidate(key)
	}
}

// size is how many answers are kept, and their bytes.
func (c *cache) size() (answers int, bytes uint64) {
	if c.answers == nil {
		return 0, 0
	}
	c.answers.CleanUp()
	return c.answers.EstimatedSize(), c.answers.WeightedSize()
}
