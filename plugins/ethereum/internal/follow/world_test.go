package follow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// direct is a Chain and a Source over a made-up chain, without a node between. Before every question the world may move.
type direct struct {
	*nodetest.Chain
	move       func() bool // false: the world rests
	size       uint64
	finalKnown bool
	last       common.Hash
}

func refOf(b *nodetest.Block) view.Ref {
	if b == nil {
		return view.Ref{}
	}
	return b.Ref
}

func (d *direct) Next(ctx context.Context) (view.Ref, error) {
	for {
		moved := d.Moved()
		moves := d.move()
		if head := d.Head(); head.Hash != d.last {
			d.last = head.Hash
			return head.Ref, nil
		}
		if moves {
			continue
		}
		select {
		case <-ctx.Done():
			return view.Ref{}, context.Cause(ctx)
		case <-moved:
		}
	}
}

func (d *direct) Latest(context.Context) (view.Ref, error) {
	d.move()
	return d.Head().Ref, nil
}

func (d *direct) Final(context.Context, uint64) (uint64, bool, error) {
	d.move()
	return d.Chain.Final(), d.finalKnown, nil
}

func (d *direct) Canonical(_ context.Context, numbers []uint64) ([]view.Ref, error) {
	d.move()
	refs := make([]view.Ref, len(numbers))
	for i, n := range numbers {
		refs[i] = refOf(d.At(n))
	}
	return refs, nil
}

func (d *direct) ByHash(_ context.Context, hash common.Hash) (view.Ref, bool, error) {
	b := d.By(hash)
	return refOf(b), b != nil, nil
}

func (d *direct) Size(bool) uint64 { return d.size }

// Span gives a row for each block and, in what is final, only the last block, as a range of logs would.
func (d *direct) Span(_ context.Context, e follow.Extent) (follow.Span[string], error) {
	d.move()
	blocks := d.Range(e.From, e.To)
	if blocks == nil {
		return follow.Span[string]{}, fmt.Errorf("%w: gone", follow.ErrUnlinked)
	}
	span := follow.Span[string]{Parent: blocks[0].Parent}
	for i, b := range blocks {
		span.Rows = append(span.Rows, nodetest.Key(b.Number, b.Hash, 0))
		if !e.Final || i == len(blocks)-1 {
			span.Blocks = append(span.Blocks, follow.Block{Ref: b.Ref, End: len(span.Rows)})
		}
	}
	return span, nil
}

// ledger is what a host keeps: rows, and the safe points among them.
type ledger struct {
	rows   []string
	points []point
	fork   *sdk.Cursor // set by Reorg
	after  func(sdk.SafePoint)
}

type point struct {
	sdk.SafePoint
	rows int
}

func (l *ledger) EmitAll(rows []string) error {
	l.rows = append(l.rows, rows...)
	return nil
}

func (l *ledger) SafePoint(p sdk.SafePoint) error {
	l.points = append(l.points, point{p, len(l.rows)})
	if l.after != nil {
		l.after(p)
	}
	return nil
}

func (l *ledger) Reorg(fork sdk.Cursor) error {
	l.fork = &fork
	return nil
}

// rewind goes back to the newest safe point at or before a block, as a host does, and returns where to go on.
func (l *ledger) rewind(block uint64) *sdk.Cursor {
	for len(l.points) > 0 && l.points[len(l.points)-1].Cursor.Block > block {
		l.points = l.points[:len(l.points)-1]
	}
	l.fork = nil
	if len(l.points) == 0 {
		l.rows = nil
		return nil
	}
	last := l.points[len(l.points)-1]
	l.rows = l.rows[:last.rows]
	return &last.Cursor
}

// host runs until the last block, starting again after reorgs and at random.
func host(ctx context.Context, c follow.Config, d *direct, l *ledger) error {
	for {
		d.last = common.Hash{}
		if err := follow.Run(ctx, c, d, d, l); err != nil {
			return err
		}
		if l.fork == nil {
			return nil
		}
		c.Cursor = l.rewind(l.fork.Block)
	}
}

func want(c *nodetest.Chain, from, to uint64) (rows []string) {
	for _, b := range c.Range(from, to) {
		rows = append(rows, nodetest.Key(b.Number, b.Hash, 0))
	}
	return rows
}

// world moves a chain at random until it is high enough and then rests.
type world struct {
	mu     sync.Mutex
	random *rand.Rand
	chain  *nodetest.Chain
	goal   uint64
}

func (w *world) move() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	height := w.chain.Height()
	if height >= w.goal {
		return false
	}
	switch w.random.IntN(10) {
	case 0, 1, 2:
		w.chain.Mine(1)
	case 3:
		w.chain.Mine(1 + w.random.IntN(30))
	case 4:
		depth := min(1+w.random.IntN(12), int(height-w.chain.Final()))
		w.chain.Reorg(depth, w.random.IntN(depth+3))
	case 5:
		if height > 40 {
			w.chain.Finalize(max(w.chain.Final(), height-uint64(15+w.random.IntN(25))))
		}
	}
	return true
}
