package fetch

import (
	"context"
	"slices"
	"time"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

// proven reads logs out of the receipts of their blocks.
func (l *Logs) proven(ctx context.Context, chosen *selection, e follow.Extent) (follow.Span[eth.Log], error) {
	var span follow.Span[eth.Log]
	for from := e.From; from <= e.To; {
		part := e
		part.From, part.To = from, min(e.To, from+l.pace.blocks()-1)
		began := time.Now()
		blocks, err := l.receipts(ctx, chosen, part)
		if kind := chain.KindOf(err); part.From < part.To && (kind == chain.TooMuch || kind == chain.TimedOut) {
			l.pace.refused(part.To - part.From + 1)
			continue
		}
		if err != nil {
			return span, err
		}
		if err := l.gather(&span, chosen, blocks, time.Since(began)); err != nil {
			return span, err
		}
		from = part.To + 1
	}
	return span, nil
}

// gather adds the chosen logs of blocks to a span.
func (l *Logs) gather(span *follow.Span[eth.Log], chosen *selection, blocks []Block, took time.Duration) error {
	matched, all, bytes := len(span.Rows), 0, 0
	if chosen.all {
		for i := range blocks {
			all += len(blocks[i].Logs)
		}
		span.Rows, all = slices.Grow(span.Rows, all), 0
	}
	for i := range blocks {
		b := &blocks[i]
		if len(span.Blocks) == 0 {
			span.Parent = b.ParentHash
		} else if last := span.Blocks[len(span.Blocks)-1]; last.Hash != b.ParentHash {
			return unlinked(b.BlockNumber, b.ParentHash, last.Ref)
		}
		if chosen.all {
			span.Rows = append(span.Rows, b.Logs...)
		} else {
			span.Rows = chosen.from(span.Rows, b.Logs)
		}
		all, bytes = all+len(b.Logs), bytes+b.bytes
		span.Blocks = append(span.Blocks, follow.Block{Ref: refOf(&b.Header), End: len(span.Rows)})
	}
	l.pace.took(uint64(len(blocks)), bytes, took)
	if !l.config.Complete {
		l.density.proven(uint64(len(blocks)), len(span.Rows)-matched, all)
	}
	return nil
}

// receipts reads blocks and the receipts of those that may have a chosen log.
func (l *Logs) receipts(ctx context.Context, chosen *selection, e follow.Extent) ([]Block, error) {
	t := l.node.take()
	defer l.node.give(t)
	numbers := make([]uint64, e.To-e.From+1)
	for i := range numbers {
		numbers[i] = e.From + uint64(i)
	}
	at := &places{final: e.Final || e.Doubted}
	part := Part{Receipts: true, Logs: true}
	if !l.node.Verify || l.crowd.most() {
		blocks, err := l.node.blocks(ctx, t, numbers, part, at, &l.oneByOne)
		if err == nil {
			l.crowd.saw(len(maybe(chosen, blocks)), len(blocks))
		}
		return blocks, err
	}
	blocks, err := l.node.blocks(ctx, t, numbers, Part{}, at, &l.oneByOne)
	if err != nil {
		return nil, err
	}
	may := maybe(chosen, blocks)
	l.crowd.saw(len(may), len(blocks))
	return blocks, l.node.receipts(ctx, t, may, part, at, &l.oneByOne)
}

// maybe is the blocks that may have a chosen log.
func maybe(chosen *selection, blocks []Block) (may []*Block) {
	for i := range blocks {
		b := &blocks[i]
		if !b.bloomed || chosen.may(b.LogsBloom) && !empty(b.LogsBloom) {
			may = append(may, b)
		}
	}
	return may
}
