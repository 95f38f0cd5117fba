package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// An edge holds at most this many frames or bytes; a frame larger than
// edgeBytes travels alone.
const (
	edgeFrames = 64
	edgeBytes  = 8 << 20
)

// edge is a bounded queue of frames from one process to one input of another.
// One goroutine pushes, one pops. A full edge blocks its producer and never
// grows the host.
type edge struct {
	spec *graph.Edge

	mu       sync.Mutex
	frames   []*remote.Frame // a ring of edgeFrames
	head     int             // the oldest frame
	depth    int
	bytes    int
	breaches uint64 // how often the producer had to wait
	dropped  bool   // nothing more is taken

	room  chan struct{} // tells the producer that there is room; capacity 1
	ready chan struct{} // tells the consumer that there is a frame; capacity 1, shared by its inputs

	// Of the consumer's goroutine alone:
	block uint64 // newest safe point taken, as block number + 1; 0: none
	held  bool   // it has brought a barrier that others have not
	rows  uint64 // rows that were given out, counted since the beginning of the domain

	over atomic.Bool // its end was taken
}

func newEdge(spec *graph.Edge, ready chan struct{}) *edge {
	return &edge{spec: spec, frames: make([]*remote.Frame, edgeFrames), room: make(chan struct{}, 1), ready: ready}
}

// push takes over a frame. It blocks while the edge is full, and frees the
// frame if ctx ends first or the edge was dropped.
func (e *edge) push(ctx context.Context, f *remote.Frame) error {
	f.Input = uint32(e.spec.Input)
	size := f.Body.Len()
	for waited := false; ; waited = true {
		e.mu.Lock()
		if e.dropped {
			e.mu.Unlock()
			f.Free()
			return context.Canceled
		}
		if e.depth == 0 || e.depth < edgeFrames && e.bytes+size <= edgeBytes {
			e.frames[(e.head+e.depth)%edgeFrames] = f
			e.depth++
			e.bytes += size
			e.mu.Unlock()
			signal(e.ready)
			return nil
		}
		if !waited {
			e.breaches++
		}
		e.mu.Unlock()
		select {
		case <-e.room:
		case <-ctx.Done():
			f.Free()
			return context.Cause(ctx)
		}
	}
}

// pop returns the oldest frame, nil if there is none.
func (e *edge) pop() *remote.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.depth == 0 {
		return nil
	}
	f := e.frames[e.head]
	e.frames[e.head] = nil
	e.head = (e.head + 1) % edgeFrames
	e.depth--
	e.bytes -= f.Body.Len()
	signal(e.room)
	return f
}

// drop frees what is queued and refuses what still comes.
func (e *edge) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropped = true
	for ; e.depth > 0; e.depth-- {
		e.frames[e.head].Free()
		e.frames[e.head] = nil
		e.head = (e.head + 1) % edgeFrames
	}
	e.bytes = 0
	signal(e.room)
}

// status is how full the edge is now.
func (e *edge) status() EdgeStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return EdgeStatus{
		From: e.spec.From.Step.Name, To: e.spec.To.Step.Name, Port: e.spec.Port,
		Depth: e.depth, Threshold: edgeFrames, Bytes: e.bytes, Breaches: e.breaches,
	}
}

// signal wakes whoever waits on a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
