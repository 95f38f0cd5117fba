package wire

import (
	"bytes"
	"sync"

	"google.golang.org/grpc/mem"
)

// pooledBody keeps a pool from holding on to the buffer of one huge row, and
// pooledBodies bounds how many wait: what is on its way is bounded by the
// stream's window anyway.
const (
	pooledBody   = 4 << 20
	pooledBodies = 8
)

// Bodies lends buffers for the bodies of outgoing frames. gRPC gives them back
// when they have been written. The zero value is ready; it is safe for
// concurrent use.
type Bodies struct {
	mu   sync.Mutex
	free []*[]byte
}

// Take lends an empty buffer with whatever capacity its last user left it.
func (p *Bodies) Take() *[]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return new([]byte)
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	*b = (*b)[:0]
	return b
}

// Body makes the buffer the body of a frame; it comes back to the pool when
// the last reference to it is freed.
func (p *Bodies) Body(b *[]byte) mem.BufferSlice {
	return mem.BufferSlice{mem.NewBuffer(b, p)}
}

// Get completes mem.BufferPool; gRPC calls it for buffers of its own only.
func (p *Bodies) Get(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

// Put takes a buffer back.
func (p *Bodies) Put(b *[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(*b) <= pooledBody && len(p.free) < pooledBodies {
		p.free = append(p.free, b)
	}
}

// Bytes returns the body in one piece, in memory of its own that nobody else
// will write to. The frame keeps its references.
func (f *Frame) Bytes() []byte {
	var some [32][]byte // of 16 KiB each: enough for most frames without an allocation
	parts := some[:0]
	for _, b := range f.Body {
		parts = append(parts, b.ReadOnlyData())
	}
	// Join does not clear memory before it fills it.
	return bytes.Join(parts, nil)
}
