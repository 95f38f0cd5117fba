package sdk

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/transit"
)

// readWorker runs an author's Read in a goroutine of its own, so that the
// host can be heard while it reads.
type readWorker[Out transit.Row] struct {
	read   func(ctx context.Context, start Start, out *Output[Out]) error
	start  Start
	output Output[Out]
}

func (w *readWorker[Out]) open(start Start, out *sender) error {
	w.start = start
	w.output.wake = make(chan struct{}, 1)
	w.output.settled = true
	return w.output.rows.open(out)
}

// run reads until the source ends or ctx does. errDrained as ctx's cause means
// that the host asked: what has been emitted is still sent, and nil returned.
func (w *readWorker[Out]) run(ctx context.Context) (err error) {
	w.output.done = ctx
	flushing, stop := context.WithCancel(context.WithoutCancel(ctx))
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		w.output.flushLoop(flushing)
	}()
	defer func() {
		stop()
		<-flushed
		if drained := errors.Is(context.Cause(ctx), errDrained); err == nil || drained {
			err = w.output.finish()
		}
	}()
	return guard(func() error { return w.read(ctx, w.start, &w.output) })
}

func (w *readWorker[Out]) askBarrier(checkpoint uint64) error { return w.output.askBarrier(checkpoint) }

// Readers have no inputs; a host that sends rows to one is mistaken.

func (w *readWorker[Out]) batch(context.Context, int, []byte) error {
	return Stop(errors.New("a reader takes no rows"))
}

func (w *readWorker[Out]) safePoint(context.Context, int, SafePoint) error { return nil }
func (w *readWorker[Out]) idle(context.Context) error                      { return nil }

func (w *readWorker[Out]) barrier(context.Context, uint64) ([]byte, error) {
	return nil, fmt.Errorf("a reader answers barriers at its safe points")
}

func (w *readWorker[Out]) ended(context.Context, int, bool) error { return nil }

// source is a worker that produces by itself.
type source interface {
	worker
	run(ctx context.Context) error
	askBarrier(checkpoint uint64) error
}
