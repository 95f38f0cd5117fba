package sdk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// commitEvery bounds how long a busy loader passes safe points by before it
// commits at one; an idle one commits at each.
const commitEvery = 250 * time.Millisecond

// sink is the part of a loader that knows how it takes rows.
type sink interface {
	open(start Start) error
	load(ctx context.Context, input int, body []byte) error
}

// loadWorker ends a path: it hands rows to the sink, commits at safe points,
// and tells the host how far it came. A commit never parts the rows of one
// safe point from another unless the host asks for it: a loader that keeps its
// place with its rows finds both in step.
type loadWorker struct {
	author
	sink      sink
	out       *process.Sender
	reached   watermarks
	untold    []bool // inputs whose newest safe point was not committed yet
	parted    []bool // inputs whose rows have come since their last safe point
	committed time.Time
}

func (w *loadWorker) Open(ctx context.Context, open *pluginv1.Open, out *process.Sender) error {
	start, err := startOf(open, out.Generation())
	if err != nil {
		return err
	}
	w.out, w.committed = out, time.Now()
	n := len(start.Inputs)
	w.reached, w.untold, w.parted = newWatermarks(n), make([]bool, n), make([]bool, n)
	if err := w.sink.open(start); err != nil {
		return err
	}
	return w.start(ctx, start)
}

func (w *loadWorker) Batch(ctx context.Context, input int, body []byte) error {
	w.parted[input] = true
	return w.sink.load(ctx, input, body)
}

func (w *loadWorker) SafePoint(ctx context.Context, input int, point *wire.Frame) error {
	p := pointOf(point)
	w.reached.points[input], w.untold[input], w.parted[input] = &p, true, false
	if time.Since(w.committed) < commitEvery {
		return nil
	}
	return w.commit(ctx, 0)
}

func (w *loadWorker) Idle(ctx context.Context) (time.Duration, error) {
	if !slices.Contains(w.untold, true) || slices.Contains(w.parted, true) {
		return 0, nil
	}
	return 0, w.commit(ctx, 0)
}

// commit makes rows durable, then tells the host which safe points they reach.
func (w *loadWorker) commit(ctx context.Context, checkpoint uint64) error {
	if c, ok := w.instance.(Committer); ok {
		if err := c.Commit(ctx, Commit{Checkpoint: checkpoint, Cursor: w.cursor()}); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	w.committed = time.Now()
	clear(w.parted)
	for input, untold := range w.untold {
		if !untold {
			continue
		}
		w.untold[input] = false
		f := pointFrame(*w.reached.points[input])
		f.Input = uint32(input)
		if err := w.out.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// cursor is the newest place that every input has reached; nil: unknown.
func (w *loadWorker) cursor() *Cursor {
	if least := w.reached.least(); least != nil {
		return &least.Cursor
	}
	return nil
}

func (w *loadWorker) Barrier(ctx context.Context, checkpoint uint64) ([]byte, error) {
	if err := w.commit(ctx, checkpoint); err != nil {
		return nil, err
	}
	return w.snapshot()
}

// Final passes on that a checkpoint cannot be undone any more.
func (w *loadWorker) Final(ctx context.Context, checkpoint uint64) error {
	if f, ok := w.instance.(Finalizer); ok {
		if err := f.Final(ctx, checkpoint); err != nil {
			return fmt.Errorf("seal checkpoint %d: %w", checkpoint, err)
		}
	}
	return nil
}

// Ended commits what has come. Where the host stops, rows after the last safe
// point come again with the next start: they are not committed.
func (w *loadWorker) Ended(ctx context.Context, input int, drained bool) error {
	if drained && slices.Contains(w.parted, true) {
		return nil
	}
	if !drained {
		w.reached.over[input] = true
	}
	return w.commit(ctx, 0)
}

// rowSink hands rows to a typed loader.
type rowSink[In transit.Row] struct {
	author  Loading[In]
	decoder *transit.Decoder[In]
	rows    []In
}

func (s *rowSink[In]) open(start Start) (err error) {
	s.decoder, err = rowDecoder[In](start.Inputs[0])
	return err
}

func (s *rowSink[In]) load(ctx context.Context, _ int, body []byte) (err error) {
	if s.rows, err = s.decoder.Append(s.rows[:0], body); err != nil {
		return Stop(fmt.Errorf("decode a batch: %w", err))
	}
	n := len(s.rows)
	err = s.author.Load(ctx, s.rows)
	clear(s.rows) // lets go of what the rows pointed to
	return ofMany(ctx, "Load", n, body, err)
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
	return ofMany(ctx, "Load", int(b.Record.NumRows()), body, s.author.Load(ctx, input, b))
}
