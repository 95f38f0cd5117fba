package sdk

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// aggregateWorker holds rows back until their tuple is complete.
type aggregateWorker[Out transit.Row] struct {
	author any
	shape  shape
	policy policy
	call   func(ctx context.Context, tuple reflect.Value) error

	out      *sender
	rows     emitter[Out]
	ports    []int // of each input
	decoders []*transit.AnyDecoder
	held     []held
	points   []*SafePoint // newest of each input
	told     *Cursor      // the watermark that was passed on last
	over     []bool       // inputs that have ended by themselves
	bad      poisoned
}

func (w *aggregateWorker[Out]) emit(row Out) error { return w.rows.emit(row) }

func (w *aggregateWorker[Out]) setPolicy(p *pluginv1.Policy) (err error) {
	w.policy, err = newPolicy(p, w.shape.ports)
	return err
}

func (w *aggregateWorker[Out]) open(start Start, out *sender) error {
	w.out, w.bad.out = out, out
	w.held = make([]held, len(w.shape.ports))
	for i, row := range w.shape.rows {
		w.held[i].rows = reflect.MakeSlice(reflect.SliceOf(row), 0, 0)
		if w.policy.on < 0 && w.shape.blocks[i] == nil {
			return Stop(fmt.Errorf("input %q: %s has no column block_number of type uint64, which this policy joins by; use the trigger policy",
				w.shape.ports[i].name, w.shape.ports[i].typ.Name))
		}
	}
	for _, in := range start.Inputs {
		p := slices.IndexFunc(w.shape.ports, func(p port) bool { return p.name == in.Port })
		d, err := transit.NewDecoderOf(w.shape.rows[p], in.Type)
		if err != nil {
			return Stop(fmt.Errorf("input %q: %w", in.Name, err))
		}
		w.ports, w.decoders = append(w.ports, p), append(w.decoders, d)
	}
	w.points = make([]*SafePoint, len(start.Inputs))
	w.over = make([]bool, len(start.Inputs))
	return w.rows.open(out)
}

func (w *aggregateWorker[Out]) batch(ctx context.Context, input int, body []byte) (err error) {
	h := &w.held[w.ports[input]]
	before := h.rows.Len()
	if h.rows, err = w.decoders[input].AppendValue(h.rows, body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	if w.policy.on >= 0 {
		return w.triggered(ctx, w.ports[input], before)
	}
	if h.rows.Len() > w.policy.max {
		return fmt.Errorf("input %q holds %d rows back because another input is behind: raise max in the policy, or look at the slow input",
			w.shape.ports[w.ports[input]].name, h.rows.Len())
	}
	return w.note(input, before)
}

// note remembers the blocks of new rows. Rows of one input come in the order
// of their blocks; one that does not is the producer's mistake.
func (w *aggregateWorker[Out]) note(input, before int) error {
	p := w.ports[input]
	h := &w.held[p]
	now := time.Now()
	for i := before; i < h.rows.Len(); i++ {
		b := h.rows.Index(i).FieldByIndex(w.shape.blocks[p]).Uint()
		if n := len(h.blocks); n > 0 && h.blocks[n-1] > b {
			return Stop(fmt.Errorf("input %q: a row of block %d came after one of block %d", w.shape.ports[p].name, b, h.blocks[n-1]))
		}
		h.blocks = append(h.blocks, b)
		h.since = append(h.since, now)
	}
	return nil
}

func (w *aggregateWorker[Out]) safePoint(ctx context.Context, input int, p SafePoint) error {
	w.points[input] = &p
	least := w.watermark()
	if least == nil {
		return nil
	}
	if w.policy.on < 0 {
		if err := w.complete(ctx, *least); err != nil {
			return err
		}
	}
	return w.tell(ctx, *least)
}

// watermark is the place that every input has reached; nil: some has said
// nothing yet. An input that has ended has reached everything.
func (w *aggregateWorker[Out]) watermark() *SafePoint {
	var least *SafePoint
	for i, p := range w.points {
		if w.over[i] {
			continue
		}
		if p == nil {
			return nil
		}
		if least == nil || p.Cursor.Block < least.Cursor.Block {
			least = p
		}
	}
	return least
}

// tell passes a watermark on, unless rows before it are still held.
func (w *aggregateWorker[Out]) tell(ctx context.Context, p SafePoint) error {
	if w.told != nil && p.Cursor.Block <= w.told.Block {
		return nil
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	if w.policy.kind == pluginv1.Policy_KIND_EPOCH {
		// Within an epoch, or while one is not released, nothing can begin again.
		if span := w.policy.span(p.Cursor.Block); span.End != p.Cursor.Block || !w.released(span, p) {
			return nil
		}
	}
	w.told = &p.Cursor
	return w.out.send(pointFrame(p))
}

func (w *aggregateWorker[Out]) flush(ctx context.Context) error {
	if err := w.bad.report(ctx); err != nil {
		return err
	}
	return w.rows.flush()
}

// complete makes the tuples of all spans that every input has passed.
func (w *aggregateWorker[Out]) complete(ctx context.Context, p SafePoint) error {
	for {
		span, ok := w.oldest()
		if !ok || !w.released(span, p) {
			return nil
		}
		span.Complete = true
		if err := w.make(ctx, span); err != nil {
			return err
		}
	}
}

// released tells whether a span may be made: all its blocks have come, and the
// head is far enough past it.
func (w *aggregateWorker[Out]) released(span Span, p SafePoint) bool {
	return span.End <= p.Cursor.Block && span.End+w.policy.offset <= max(p.Head, p.Cursor.Block)
}

// oldest is the span of the oldest row held.
func (w *aggregateWorker[Out]) oldest() (Span, bool) {
	var found bool
	var least uint64
	for i := range w.held {
		if b := w.held[i].blocks; len(b) > 0 && (!found || b[0] < least) {
			least, found = b[0], true
		}
	}
	return w.policy.span(least), found
}

// make hands one tuple to the author and lets go of its rows.
func (w *aggregateWorker[Out]) make(ctx context.Context, span Span) error {
	tuple := reflect.New(w.shape.tuple).Elem()
	for i := range w.held {
		h := &w.held[i]
		n, _ := slices.BinarySearch(h.blocks, span.End+1)
		w.fill(tuple.Field(w.shape.fields[i]), h.rows.Slice(0, n))
		h.drop(n)
	}
	return w.hand(ctx, tuple, span)
}

func (w *aggregateWorker[Out]) hand(ctx context.Context, tuple reflect.Value, span Span) error {
	if w.shape.span >= 0 {
		tuple.Field(w.shape.span).Set(reflect.ValueOf(span))
	}
	err := w.call(ctx, tuple)
	if isPoison(err) {
		w.bad.add(err)
		return nil
	}
	return err
}

// fill sets a tuple's field from the rows it gets. The rows are copied: the
// tuple is the author's to keep.
func (w *aggregateWorker[Out]) fill(field, rows reflect.Value) {
	n := rows.Len()
	if n == 0 {
		return
	}
	if field.Kind() == reflect.Pointer {
		row := reflect.New(field.Type().Elem())
		row.Elem().Set(rows.Index(n - 1))
		field.Set(row)
		return
	}
	own := reflect.MakeSlice(field.Type(), n, n)
	reflect.Copy(own, rows)
	field.Set(own)
}

// drop forgets the first n rows.
func (h *held) drop(n int) {
	rest := h.rows.Len() - n
	reflect.Copy(h.rows, h.rows.Slice(n, h.rows.Len()))
	h.rows.Slice(rest, h.rows.Len()).Clear()
	h.rows = h.rows.Slice(0, rest)
	if h.blocks != nil {
		h.blocks = slices.Delete(h.blocks, 0, n)
		h.since = slices.Delete(h.since, 0, n)
	}
}

// triggered makes tuples from the trigger's rows, if it was the trigger that
// got some or was waiting for others.
func (w *aggregateWorker[Out]) triggered(ctx context.Context, port, before int) error {
	on := &w.held[w.policy.on]
	if port != w.policy.on && w.policy.latest {
		h := &w.held[port]
		h.drop(h.rows.Len() - 1)
	}
	if h := &w.held[port]; h.rows.Len() > w.policy.max {
		return fmt.Errorf("input %q holds %d rows back and no trigger comes: raise max in the policy, or keep only the latest", w.shape.ports[port].name, h.rows.Len())
	}
	for on.rows.Len() > 0 && w.ready() {
		tuple := reflect.New(w.shape.tuple).Elem()
		for i := range w.held {
			h := &w.held[i]
			n := h.rows.Len()
			if i == w.policy.on {
				n = 1
			}
			w.fill(tuple.Field(w.shape.fields[i]), h.rows.Slice(0, n))
			if i == w.policy.on || !w.policy.latest {
				h.drop(n)
			}
		}
		if err := w.hand(ctx, tuple, Span{Complete: true}); err != nil {
			return err
		}
	}
	return nil
}

// ready tells whether a trigger may fire now.
func (w *aggregateWorker[Out]) ready() bool {
	if !w.policy.require {
		return true
	}
	for i := range w.held {
		if w.held[i].rows.Len() == 0 {
			return false
		}
	}
	return true
}

// wait is how long a row may stay held back before idle has to look again.
func (w *aggregateWorker[Out]) wait() time.Duration {
	if w.policy.timeout <= 0 || w.policy.on >= 0 {
		return 0
	}
	if _, held := w.oldest(); !held {
		return 0
	}
	return max(w.policy.timeout/8, time.Millisecond)
}

func (w *aggregateWorker[Out]) idle(ctx context.Context) error {
	if w.policy.timeout > 0 && w.policy.on < 0 {
		if err := w.expire(ctx); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

// expire makes tuples that have waited for too long of what there is.
func (w *aggregateWorker[Out]) expire(ctx context.Context) error {
	deadline := time.Now().Add(-w.policy.timeout)
	for {
		span, ok := w.oldest()
		if !ok || !w.waitedSince(span, deadline) {
			return nil
		}
		if err := w.make(ctx, span); err != nil {
			return err
		}
	}
}

func (w *aggregateWorker[Out]) waitedSince(span Span, deadline time.Time) bool {
	for i := range w.held {
		h := &w.held[i]
		if len(h.blocks) > 0 && h.blocks[0] <= span.End && h.since[0].Before(deadline) {
			return true
		}
	}
	return false
}

func (w *aggregateWorker[Out]) ended(ctx context.Context, input int, drained bool) error {
	if drained {
		return w.flush(ctx)
	}
	w.over[input] = true
	if w.policy.on >= 0 {
		return w.flush(ctx)
	}
	if slices.Contains(w.over, false) {
		if least := w.watermark(); least != nil {
			return w.safePoint(ctx, slices.Index(w.points, least), *least)
		}
		return nil
	}
	for {
		span, ok := w.oldest()
		if !ok {
			return w.flush(ctx)
		}
		span.Complete = true
		if err := w.make(ctx, span); err != nil {
			return err
		}
	}
}
