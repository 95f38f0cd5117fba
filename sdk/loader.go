package sdk

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/sdk/transit"
)

// commitEvery bounds how long a busy loader gathers safe points before it
// commits them; an idle one commits at once.
const commitEvery = 250 * time.Millisecond

// sink is the part of a loader that knows how it takes rows.
type sink interface {
	open(start Start) error
	load(ctx context.Context, input int, body []byte) error
}

// loadWorker ends a path: it hands rows to the sink, commits at safe points,
// and tells the host how far it came.
type loadWorker struct {
	sink      sink
	author    any
	out       *sender
	points    []*SafePoint // by input; what came since the last commit
	waiting   bool         // some of points is set
	committed time.Time
}

func (w *loadWorker) open(start Start, out *sender) error {
	w.out = out
	w.points = make([]*SafePoint, len(start.Inputs))
	w.committed = time.Now()
	return w.sink.open(start)
}

func (w *loadWorker) batch(ctx context.Context, input int, body []byte) error {
	return w.sink.load(ctx, input, body)
}

func (w *loadWorker) safePoint(ctx context.Context, input int, p SafePoint) error {
	w.points[input], w.waiting = &p, true
	if time.Since(w.committed) < commitEvery {
		return nil
	}
	return w.commit(ctx, 0)
}

func (w *loadWorker) idle(ctx context.Context) error {
	if !w.waiting {
		return nil
	}
	return w.commit(ctx, 0)
}

// commit makes rows durable, then tells the host which safe points they reach.
func (w *loadWorker) commit(ctx context.Context, checkpoint uint64) error {
	if c, ok := w.author.(Committer); ok {
		if err := c.Commit(ctx, Commit{Checkpoint: checkpoint, Cursor: w.cursor()}); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	w.committed, w.waiting = time.Now(), false
	for input, p := range w.points {
		if p == nil {
			continue
		}
		f := pointFrame(*p)
		f.Input = uint32(input)
		if err := w.out.send(f); err != nil {
			return err
		}
		w.points[input] = nil
	}
	return nil
}

// cursor is the newest place that every input has reached since the last
// commit; nil where one of them has not moved.
func (w *loadWorker) cursor() *Cursor {
	var least *Cursor
	for _, p := range w.points {
		if p == nil {
			return nil
		}
		if least == nil || p.Cursor.Block < least.Block {
			least = &p.Cursor
		}
	}
	return least
}

func (w *loadWorker) barrier(ctx context.Context, checkpoint uint64) ([]byte, error) {
	if err := w.commit(ctx, checkpoint); err != nil {
		return nil, err
	}
	return snapshotOf(w.author)
}

func (w *loadWorker) ended(ctx context.Context, _ int, _ bool) error { return w.commit(ctx, 0) }

// rowSink hands rows to a typed loader.
type rowSink[In transit.Row] struct {
	author  Loading[In]
	decoder *transit.Decoder[In]
	rows    []In
}

func (s *rowSink[In]) open(start Start) (err error) {
	if len(start.Inputs) != 1 {
		return Stop(fmt.Errorf("this loader has one input, not %d", len(start.Inputs)))
	}
	if s.decoder, err = transit.NewDecoder[In](start.Inputs[0].Type); err != nil {
		return Stop(fmt.Errorf("input %q: %w", start.Inputs[0].Name, err))
	}
	return nil
}

func (s *rowSink[In]) load(ctx context.Context, _ int, body []byte) (err error) {
	if s.rows, err = s.decoder.Append(s.rows[:0], body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	defer clear(s.rows)
	return s.author.Load(ctx, s.rows)
}

// batchSink hands columns to a loader of any type.
type batchSink struct {
	author BatchLoading
	types  []transit.Type
}

func (s *batchSink) open(start Start) error {
	for _, in := range start.Inputs {
		s.types = append(s.types, in.Type)
	}
	return nil
}

func (s *batchSink) load(ctx context.Context, input int, body []byte) error {
	b, err := transit.DecodeBatch(s.types[input], body)
	if err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	return s.author.Load(ctx, input, b)
}
