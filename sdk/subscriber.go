package sdk

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/transit"
)

// transformWorker runs an author's Transform over one stream.
type transformWorker[In, Out transit.Row] struct {
	author  Transforming[In, Out]
	out     *sender
	rows    emitter[Out]
	emit    func(Out) error // rows.emit, bound once
	decoder *transit.Decoder[In]
	in      []In // reused from batch to batch
	bad     poisoned
}

func (w *transformWorker[In, Out]) open(start Start, out *sender) (err error) {
	if len(start.Inputs) != 1 {
		return Stop(fmt.Errorf("a subscriber has one input, not %d", len(start.Inputs)))
	}
	w.out, w.emit = out, w.rows.emit
	w.bad.out = out
	if w.decoder, err = transit.NewDecoder[In](start.Inputs[0].Type); err != nil {
		return Stop(fmt.Errorf("input %q: %w", start.Inputs[0].Name, err))
	}
	return w.rows.open(out)
}

func (w *transformWorker[In, Out]) batch(ctx context.Context, _ int, body []byte) (err error) {
	if w.in, err = w.decoder.Append(w.in[:0], body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	defer clear(w.in)
	if all, ok := w.author.(BatchTransforming[In, Out]); ok {
		return all.TransformBatch(ctx, w.in, w.emit)
	}
	for i := range w.in {
		if err := w.author.Transform(ctx, w.in[i], w.emit); err != nil {
			if !isPoison(err) {
				return err
			}
			w.bad.add(err)
		}
	}
	return nil
}

func (w *transformWorker[In, Out]) safePoint(ctx context.Context, _ int, p SafePoint) error {
	if err := w.idle(ctx); err != nil {
		return err
	}
	return w.out.send(pointFrame(p))
}

func (w *transformWorker[In, Out]) idle(ctx context.Context) error {
	if err := w.bad.report(ctx); err != nil {
		return err
	}
	return w.rows.flush()
}

func (w *transformWorker[In, Out]) barrier(context.Context, uint64) ([]byte, error) {
	if err := w.rows.flush(); err != nil {
		return nil, err
	}
	return snapshotOf(w.author)
}

func (w *transformWorker[In, Out]) ended(ctx context.Context, _ int, _ bool) error {
	return w.idle(ctx)
}

func snapshotOf(author any) ([]byte, error) {
	s, ok := author.(Snapshotter)
	if !ok {
		return nil, nil
	}
	state, err := s.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	return state, nil
}
