package engine

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// patience is how long an input that is ahead of the others is held back when
// nothing else moves. It only matters where the others cannot move before it.
const patience = time.Second

// inbox is the inputs of one process. It hands out frames in the order of each
// edge; where inputs are joined, the one that is furthest behind comes first,
// so that a fast reader does not pile rows up in the aggregator.
type inbox struct {
	edges  []*edge
	ready  chan struct{}
	joined bool // inputs are joined by block
	next   int  // where the search begins, so that no edge starves
}

// take returns the next frame, blocking until there is one. It returns nil
// when every input is over.
func (in *inbox) take(ctx context.Context) (*remote.Frame, error) {
	if f := in.pick(in.joined); f != nil {
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
			if f := in.pick(false); f != nil {
				return f, nil
			}
			timer.Reset(patience)
			continue
		}
		if f := in.pick(in.joined); f != nil {
			return f, nil
		}
	}
}

// pick returns a frame without waiting. With aligned, an edge that is ahead of
// one that has not ended is passed over.
func (in *inbox) pick(aligned bool) *remote.Frame {
	limit := uint64(math.MaxUint64)
	if aligned {
		for _, e := range in.edges {
			if !e.over.Load() {
				limit = min(limit, e.block)
			}
		}
	}
	for i := range in.edges {
		e := in.edges[(in.next+i)%len(in.edges)]
		if e.block > limit {
			continue
		}
		if f := e.pop(); f != nil {
			in.next = (in.next + i) % len(in.edges)
			if !aligned {
				in.next++
			}
			e.note(f)
			return f
		}
	}
	return nil
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
			e.block = f.Cursor.Block + 1
		}
	case remote.KindEnded, remote.KindDrain:
		e.over.Store(true)
	default: // says nothing about progress
	}
}
