package engine

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// patience is how long an input that is ahead of the others is held back when
// nothing else moves. It only matters where the others cannot move before it.
const patience = time.Second

// inbox is the inputs of one process. It hands out frames in the order of each
// edge; where inputs are joined, the one that is furthest behind comes first,
// so that a fast reader does not pile rows up in the aggregator.
//
// Barriers are aligned: an edge that has brought one is held until all others
// have, and the process sees one barrier.
type inbox struct {
	edges  []*edge
	ready  chan struct{}
	joined bool // inputs are joined by block
	hasty  bool // and the process does not wait for ever for one that is behind
	lifted bool // nothing came of the one that is behind for so long that the others need not wait
	next   int  // where the search begins, so that no edge starves

	mu       sync.Mutex
	commands []*remote.Frame // what the host itself has to say, before anything else
	letters  []*replayed     // rows that are tried again; only given out with what follows
}

// beginAt has the edges begin where a checkpoint left them. What is before it has
// come through all of them: a reader that had come to its end there says nothing
// more, and the others must not wait for it.
func (in *inbox) beginAt(from store.Checkpoint) {
	for _, e := range in.edges {
		e.rows = from.Counts[e.spec.From.Name()]
		e.block = reached(e.spec.From, from)
	}
}

// reached is the first block that is still to come from a process after a
// checkpoint; 0: all are.
func reached(p *graph.Process, from store.Checkpoint) uint64 {
	if p.Register.Type == registry.Reader {
		if at := from.Readers[p.Name()]; at.Known {
			return after(at.Block)
		}
		return 0
	}
	least := uint64(math.MaxUint64)
	for _, in := range p.Inputs {
		least = min(least, reached(in.From, from))
	}
	return least
}

// command tells the process something that belongs to no edge. It never blocks.
func (in *inbox) command(f *remote.Frame) {
	in.mu.Lock()
	in.commands = append(in.commands, f)
	in.mu.Unlock()
	signal(in.ready)
}

// take returns the next frame, blocking until there is one. It returns nil
// when every input is over.
func (in *inbox) take(ctx context.Context) (*remote.Frame, error) {
	if f := in.pick(in.waits()); f != nil {
		return f, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if in.over() {
			return nil, nil
		}
		select {
		case <-in.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timer.C:
			in.lifted = in.hasty
			if f := in.pick(false); f != nil {
				return f, nil
			}
			timer.Reset(patience)
			continue
		}
		if f := in.pick(in.waits()); f != nil {
			return f, nil
		}
	}
}

// waits tells whether an input that is ahead waits for the others.
func (in *inbox) waits() bool { return in.joined && !in.lifted }

// pick returns a frame without waiting. With aligned, an edge that is ahead of
// one that still moves is passed over.
func (in *inbox) pick(aligned bool) *remote.Frame {
	if f := in.commanded(); f != nil {
		return f
	}
	for {
		e, f := in.pop(aligned)
		if f == nil {
			return nil
		}
		e.note(f)
		if f.Kind != remote.KindBarrier {
			if e.over.Load() {
				in.aligned() // the barrier that others have brought is void: this edge never will
			}
			return f
		}
		e.held = true
		if in.aligned() {
			return f
		}
		f.Free()
	}
}

// pop finds an edge that may move and takes its oldest frame.
func (in *inbox) pop(aligned bool) (*edge, *remote.Frame) {
	limit := uint64(math.MaxUint64)
	if aligned {
		limit = in.behind()
	}
	for i := range in.edges {
		e := in.edges[(in.next+i)%len(in.edges)]
		if e.held || e.block > limit {
			continue
		}
		if f := e.pop(); f != nil {
			in.lifted = in.lifted && e.block > in.behind()
			in.next = (in.next + i) % len(in.edges)
			if !aligned {
				in.next++
			}
			return e, f
		}
	}
	return nil, nil
}

// behind is how far the input is that is furthest behind.
func (in *inbox) behind() uint64 {
	least := uint64(math.MaxUint64)
	for _, e := range in.edges {
		if !e.over.Load() && !e.held {
			least = min(least, e.block)
		}
	}
	return least
}

// aligned tells whether every edge has brought its barrier, and lets them go on
// if so.
func (in *inbox) aligned() bool {
	if slices.ContainsFunc(in.edges, func(e *edge) bool { return !e.held && !e.over.Load() }) {
		return false
	}
	for _, e := range in.edges {
		e.held = false
	}
	return true
}

func (in *inbox) commanded() *remote.Frame {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.commands) == 0 {
		return nil
	}
	f := in.commands[0]
	in.commands = in.commands[1:]
	return f
}

// over tells whether every input has ended.
func (in *inbox) over() bool {
	return !slices.ContainsFunc(in.edges, func(e *edge) bool { return !e.over.Load() })
}

// note remembers what a frame says about the progress of its edge.
func (e *edge) note(f *remote.Frame) {
	switch f.Kind {
	case remote.KindSafePoint:
		if f.Cursor != nil {
			e.block = f.Cursor.Block
			if e.block < math.MaxUint64 {
				e.block++
			}
		}
	case remote.KindEnded, remote.KindDrain:
		e.over.Store(true)
	default: // says nothing about progress
	}
}
