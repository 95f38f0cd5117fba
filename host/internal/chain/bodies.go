package chain

import (
	"bytes"
	"sync"
)

// bodies lends buffers that answers are read into. The zero value is ready; it is
// safe for concurrent use.
type bodies struct {
	mu    sync.Mutex // protects the fields below
	free  []*bytes.Buffer
	held  int // bytes of memory that they have
	usual int // bytes that an answer needed lately
}

// mostBodies is how much memory waits for the next answers, in bytes. A sync.Pool
// would lose it whenever the collector runs, which answers bring about.
const mostBodies = 32 << 20

// take lends an empty buffer with whatever memory its last user left it.
func (b *bodies) take() *bytes.Buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.free) - 1
	if last < 0 {
		buf := new(bytes.Buffer)
		buf.Grow(b.usual) // instead of twice what it needs, in many steps
		return buf
	}
	buf := b.free[last]
	b.free[last] = nil
	b.free, b.held = b.free[:last], b.held-buf.Cap()
	return buf
}

// putBack takes a buffer back of which nothing is used any more.
func (b *bodies) putBack(buf *bytes.Buffer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usual = min(buf.Len()+buf.Len()/8+bytes.MinRead, mostBodies/8)
	if b.held+buf.Cap() <= mostBodies {
		buf.Reset()
		b.free, b.held = append(b.free, buf), b.held+buf.Cap()
	}
}
