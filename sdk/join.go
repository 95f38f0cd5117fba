package sdk

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// joinWorker holds rows back until their tuple is complete. How spans of blocks
// are made is in span.go, how triggers fire in trigger.go.
type joinWorker[Out transit.Row] struct {
	author
	shape  shape
	policy policy
	call   func(ctx context.Context, tuple reflect.Value) error

	out      *process.Sender
	rows     emitter[Out]
	ports    []int // of each input
	decoders []*transit.AnyDecoder
	held     []held // by port
	reached  watermarks
	told     *Cursor // the safe point that was passed on last
	next     uint64  // spans: the first block of which no tuple was made
}

func (w *joinWorker[Out]) Open(ctx context.Context, open *pluginv1.Open, out *process.Sender) error {
	start, err := startOf(open, out.Generation())
	if err != nil {
		return err
	}
	w.out = out
	if w.policy, err = newPolicy(open.Policy, w.shape.ports); err != nil {
		return Stop(err)
	}
	for i, port := range w.shape.ports {
		if w.spans() && w.shape.blocks[i] < 0 {
			return Stop(fmt.Errorf("input %q: %s has no column %s of type uint64, which this policy joins by; use the trigger policy",
				port.Name, port.Type.Name, blockColumn))
		}
		w.held = append(w.held, newHeld(port.Name, w.shape.rows[i], w.shape.blocks[i]))
	}
	for _, in := range start.Inputs {
		port := slices.IndexFunc(w.shape.ports, func(p process.Port) bool { return p.Name == in.Port })
		d, err := transit.NewDecoderOf(w.shape.rows[port], in.Type)
		if err != nil {
			return Stop(fmt.Errorf("input %q: %w", in.Name, err))
		}
		w.ports, w.decoders = append(w.ports, port), append(w.decoders, d)
	}
	w.reached = newWatermarks(len(start.Inputs))
	if err := w.rows.open(out); err != nil {
		return err
	}
	return w.start(ctx, start)
}

// spans tells whether tuples are spans of blocks.
func (w *joinWorker[Out]) spans() bool { return w.policy.trigger < 0 }

func (w *joinWorker[Out]) Batch(ctx context.Context, input int, body []byte) (err error) {
	h := &w.held[w.ports[input]]
	before := h.len()
	if h.rows, err = w.decoders[input].AppendValue(h.rows, body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	if w.policy.timeout > 0 {
		h.stamp(before)
	}
	if w.spans() {
		err = w.noteSpans(ctx, input, before)
	} else {
		err = w.fire(ctx, w.ports[input])
	}
	if err != nil {
		return err
	}
	if h.len() > w.policy.max {
		return fmt.Errorf("input %q has %d rows waiting for the other inputs, %d are the most: look why these are behind, or raise max in the policy",
			h.port, h.len(), w.policy.max)
	}
	_, err = w.expire(ctx)
	return err
}

func (w *joinWorker[Out]) SafePoint(ctx context.Context, input int, point *wire.Frame) error {
	p := pointOf(point)
	w.reached.points[input] = &p
	if err := w.advance(ctx); err != nil {
		return err
	}
	_, err := w.expire(ctx)
	return err
}

// advance makes the tuples that have become complete, and passes on how far
// the output is complete.
func (w *joinWorker[Out]) advance(ctx context.Context) error {
	if w.spans() {
		return w.advanceSpans(ctx)
	}
	return w.advanceTrigger(ctx)
}

// tell passes a safe point on. What was emitted before leaves first.
func (w *joinWorker[Out]) tell(p SafePoint) error {
	if w.told != nil && p.Cursor.Block < w.told.Block {
		return nil
	}
	if err := w.rows.flush(); err != nil {
		return err
	}
	w.told = &p.Cursor
	return w.out.Send(pointFrame(p))
}

func (w *joinWorker[Out]) Idle(ctx context.Context) (time.Duration, error) {
	pause, err := w.expire(ctx)
	if err != nil {
		return 0, err
	}
	return pause, w.rows.flush()
}

// expire makes tuples that have waited for too long of what there is. It
// returns when the next one will have, 0 if there is none.
func (w *joinWorker[Out]) expire(ctx context.Context) (time.Duration, error) {
	if w.policy.timeout <= 0 {
		return 0, nil
	}
	for {
		span, came, ok := w.longest()
		if !ok {
			return 0, nil
		}
		if pause := w.policy.timeout - time.Since(came); pause > 0 {
			return pause, nil
		}
		if err := w.makeIncomplete(ctx, span); err != nil {
			return 0, err
		}
	}
}

// longest is the tuple that has waited longest, and since when.
func (w *joinWorker[Out]) longest() (span Span, came time.Time, ok bool) {
	if w.spans() {
		return w.longestSpan()
	}
	if on := &w.held[w.policy.trigger]; on.len() > 0 {
		return Span{}, on.came[0], true
	}
	return Span{}, time.Time{}, false
}

func (w *joinWorker[Out]) makeIncomplete(ctx context.Context, span Span) error {
	if w.spans() {
		return w.makeSpan(ctx, span)
	}
	if err := w.makeTrigger(ctx, false); err != nil {
		return err
	}
	return w.advanceTrigger(ctx)
}

// hand gives a tuple to the author.
func (w *joinWorker[Out]) hand(ctx context.Context, tuple reflect.Value, span Span) error {
	if w.shape.span >= 0 {
		tuple.Field(w.shape.span).Set(reflect.ValueOf(span))
	}
	err := w.call(ctx, tuple)
	if process.IsPoison(err) {
		PutAside(ctx, err)
		return nil
	}
	return err
}

// Ended makes what has become complete. When all inputs have ended by
// themselves, that is everything; what waits when the host stops stays unsaid.
func (w *joinWorker[Out]) Ended(ctx context.Context, input int, drained bool) error {
	if !drained {
		w.reached.over[input] = true
		if err := w.advance(ctx); err != nil {
			return err
		}
	}
	return w.rows.flush()
}

// Barrier returns the rows that wait and the author's own state.
func (w *joinWorker[Out]) Barrier(context.Context, uint64) ([]byte, error) {
	if err := w.rows.flush(); err != nil {
		return nil, err
	}
	author, err := w.snapshot()
	if err != nil {
		return nil, err
	}
	return w.encodeState(author)
}

// Restore takes back what Barrier has returned.
func (w *joinWorker[Out]) Restore(version uint32, state []byte) error {
	author, err := w.decodeState(state)
	if err != nil {
		return Stop(fmt.Errorf("restore a snapshot of %d bytes: %w", len(state), err))
	}
	if author == nil {
		return nil
	}
	return w.author.Restore(version, author)
}
