package sdk

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
)

// noteSpans takes new rows in. Rows of spans that were made without waiting for
// them are put aside.
func (w *joinWorker[Out]) noteSpans(ctx context.Context, input, before int) error {
	h := &w.held[w.ports[input]]
	if err := h.note(before); err != nil {
		return Stop(err)
	}
	if before > 0 || h.len() == 0 || h.blocks[0] >= w.next {
		return nil // only the first rows can be late, because they are in order
	}
	late := h.until(w.next - 1)
	if w.policy.timeout <= 0 {
		return Stop(fmt.Errorf("input %q: a row of block %d came when its producer had said that it was past block %d: it has to emit rows before it marks their safe point",
			h.port, h.blocks[0], w.next-1))
	}
	process.PutAside(ctx, uint64(late), fmt.Errorf("input %q: rows of block %d came after the timeout of their tuple", h.port, h.blocks[late-1]))
	h.drop(late)
	return nil
}

// advanceSpans makes the tuples of all spans that every input has passed.
func (w *joinWorker[Out]) advanceSpans(ctx context.Context) error {
	least := w.reached.least()
	if w.reached.done() {
		return w.lastSpans(ctx, least)
	}
	if least == nil {
		return nil
	}
	last, ok := w.policy.released(*least)
	if !ok {
		return nil
	}
	for span, ok := w.oldest(); ok && span.End <= last; span, ok = w.oldest() {
		span.Complete = true
		if err := w.makeSpan(ctx, span); err != nil {
			return err
		}
	}
	w.next = max(w.next, last+1)
	if w.told != nil && last <= w.told.Block {
		return nil
	}
	p := *least
	if last < p.Cursor.Block {
		// Nothing can begin again within a span. The hash of its last block is
		// not known here.
		p.Cursor = Cursor{ChainID: p.Cursor.ChainID, Block: last}
	}
	return w.tell(p)
}

// lastSpans makes the tuples of all rows that wait: no others will come.
func (w *joinWorker[Out]) lastSpans(ctx context.Context, least *SafePoint) error {
	for span, ok := w.oldest(); ok; span, ok = w.oldest() {
		span.Complete = true
		if err := w.makeSpan(ctx, span); err != nil {
			return err
		}
	}
	if least == nil || w.told != nil && least.Cursor.Block <= w.told.Block {
		return nil
	}
	return w.tell(*least)
}

// oldest is the span of the oldest row held.
func (w *joinWorker[Out]) oldest() (span Span, ok bool) {
	var least uint64
	for i := range w.held {
		if b := w.held[i].blocks; len(b) > 0 && (!ok || b[0] < least) {
			least, ok = b[0], true
		}
	}
	return w.policy.span(least), ok
}

// longestSpan is the oldest span and when the first of its rows came.
func (w *joinWorker[Out]) longestSpan() (span Span, came time.Time, ok bool) {
	span, ok = w.oldest()
	if !ok {
		return span, came, false
	}
	for i := range w.held {
		h := &w.held[i]
		if len(h.blocks) > 0 && h.blocks[0] <= span.End && (came.IsZero() || h.came[0].Before(came)) {
			came = h.came[0]
		}
	}
	return span, came, true
}

// makeSpan hands the tuple of a span to the author and lets go of its rows.
func (w *joinWorker[Out]) makeSpan(ctx context.Context, span Span) error {
	tuple := reflect.New(w.shape.tuple).Elem()
	for i := range w.held {
		h := &w.held[i]
		n := h.until(span.End)
		h.fill(tuple.Field(w.shape.fields[i]), n, false)
		h.drop(n)
	}
	w.next = max(w.next, span.End+1)
	return w.hand(ctx, tuple, span)
}
