package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/host/internal/config"
)

// The chain that changes its mind.
const (
	blockTime   = 250 * time.Millisecond
	reorgDepth  = 8
	reorgsEvery = 12 // blocks
)

// reorgs measures from the call with which a reader reports a reorganisation to
// the commit of the rows of all blocks that stand in the place of those undone.
func (b *bench) reorgs(ctx context.Context) (err error) {
	files, err := b.buildPlugin(ctx, "files")
	if err != nil {
		return err
	}
	w, err := b.watch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	lines, err := b.lines("copies")
	if err != nil {
		return err
	}
	const rows = 200
	r, err := b.start(ctx, setup{
		file: following{
			every: blockTime, rows: rows, reorgs: reorgsEvery, depth: reorgDepth,
			path: b.kept(), tell: b.socket(), beside: lines,
		}.String(),
		plugins: []*config.Plugin{b.typedPlugin(), {Name: "files", Path: files}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var took []float64
	exact := 0
	for range b.times(10) {
		ms, depth, err := b.reorg(ctx, w)
		if err != nil {
			return err
		}
		took = append(took, ms)
		if depth == reorgDepth {
			exact++
		}
	}
	b.restore(fmt.Sprintf("a reorg of depth %d undone and redone", reorgDepth), took,
		fmt.Sprintf("%d of %d went back no further", exact, len(took)), milliseconds(blockTime))
	return nil
}

// reorg waits for a reorganisation, and until it is overcome. depth is how many
// of the blocks up to the newest one undone came again.
func (b *bench) reorg(ctx context.Context, w *watch) (ms float64, depth uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began, err := w.await(ctx, func(m mark.Mark) bool { return m.What == mark.Reorged })
	if err != nil {
		return 0, 0, fmt.Errorf("wait for a reorganisation: %w", err)
	}
	first := uint64(0)
	over, err := w.await(ctx, func(m mark.Mark) bool {
		if m.Generation <= began.Generation {
			return false
		}
		if m.What == mark.Loaded && first == 0 {
			first = m.Block
		}
		return m.What == mark.Committed && m.Block >= began.Block
	})
	if err != nil {
		return 0, 0, fmt.Errorf("wait for the end of a reorganisation: %w", err)
	}
	return milliseconds(over.Time().Sub(began.Time())), began.Block - first + 1, nil
}
