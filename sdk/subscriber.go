package sdk

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// transformWorker runs an author's Transform over one stream.
type transformWorker[In, Out transit.Row] struct {
	author
	one     func(ctx context.Context, row In, emit func(Out) error) error
	all     BatchTransforming[In, Out] // nil: one by one
	out     *process.Sender
	rows    emitter[Out]
	emit    func(Out) error // rows.emit, bound once
	decoder *transit.Decoder[In]
	input   transit.Type
	in      []In // reused from batch to batch
	row     int  // of in, the one that is worked on
}

func newTransformWorker[In, Out transit.Row](a author) *transformWorker[In, Out] {
	w := &transformWorker[In, Out]{author: a, one: a.instance.(Transforming[In, Out]).Transform}
	w.all, _ = a.instance.(BatchTransforming[In, Out])
	w.emit = w.rows.emit
	return w
}

func (w *transformWorker[In, Out]) Open(ctx context.Context, open *pluginv1.Open, out *process.Sender) error {
	start, err := startOf(open, out.Generation())
	if err != nil {
		return err
	}
	w.out = out
	w.input = start.Inputs[0].Type
	if w.decoder, err = rowDecoder[In](start.Inputs[0]); err != nil {
		return err
	}
	if err := w.rows.open(out); err != nil {
		return err
	}
	return w.start(ctx, start)
}

func (w *transformWorker[In, Out]) Batch(ctx context.Context, _ int, body []byte) (err error) {
	if w.in, err = w.decoder.Append(w.in[:0], body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	if w.all != nil {
		return w.batchAtOnce(ctx, body)
	}
	for w.row = range w.in {
		err := w.one(ctx, w.in[w.row], w.emit)
		if err != nil && process.IsPoison(err) {
			err = w.putAside(ctx, body, err)
		}
		if err != nil {
			return err
		}
	}
	clear(w.in) // lets go of what the rows pointed to
	return nil
}

// putAside gives the row that is worked on to the host.
func (w *transformWorker[In, Out]) putAside(ctx context.Context, body []byte, cause error) error {
	row, err := transit.Slice(w.input, body, w.row, w.row+1)
	if err != nil {
		return Stop(fmt.Errorf("put a row aside: %w", err))
	}
	return process.PutRowAside(ctx, w.row, row, cause)
}

// Row is the one that Transform works on.
func (w *transformWorker[In, Out]) Row() (row int, ok bool) { return w.row, w.all == nil }

func (w *transformWorker[In, Out]) batchAtOnce(ctx context.Context, body []byte) error {
	if err := ofMany(ctx, "TransformBatch", len(w.in), body, w.all.TransformBatch(ctx, w.in, w.emit)); err != nil {
		return err
	}
	// Rows that were emitted may point into the batch: they leave before it is
	// written to again.
	if err := w.rows.flush(); err != nil {
		return err
	}
	clear(w.in)
	return nil
}

func (w *transformWorker[In, Out]) SafePoint(_ context.Context, _ int, point *wire.Frame) error {
	if err := w.rows.flush(); err != nil {
		return err
	}
	return w.out.Send(pointFrame(pointOf(point)))
}

func (w *transformWorker[In, Out]) Idle(context.Context) (time.Duration, error) {
	return 0, w.rows.flush()
}

func (w *transformWorker[In, Out]) Barrier(context.Context, uint64) ([]byte, error) {
	if err := w.rows.flush(); err != nil {
		return nil, err
	}
	return w.snapshot()
}

func (w *transformWorker[In, Out]) Ended(context.Context, int, bool) error { return w.rows.flush() }
