package sdk

import (
	"context"
	"sync"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// readWorker runs an author's Read.
type readWorker[Out transit.Row] struct {
	author
	read   func(ctx context.Context, start Start, out *Output[Out]) error
	begin  Start
	output Output[Out]
}

func (w *readWorker[Out]) Open(ctx context.Context, open *pluginv1.Open, out *process.Sender) error {
	start, err := startOf(open, out.Generation())
	if err != nil {
		return err
	}
	w.begin = start
	if err := w.output.open(start, out); err != nil {
		return err
	}
	return w.start(ctx, start)
}

// Produce reads until the source ends or ctx does.
func (w *readWorker[Out]) Produce(ctx context.Context) (over bool, err error) {
	err = w.readAndFlush(ctx)
	return w.output.finish(err, context.Cause(ctx))
}

// readAndFlush calls Read, and sends meanwhile what waits for too long.
func (w *readWorker[Out]) readAndFlush(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { w.output.stop(context.Cause(ctx)) })()
	flushing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var flusher sync.WaitGroup
	flusher.Go(func() { w.output.flushLoop(flushing) })
	defer flusher.Wait()
	defer stop()
	return w.read(ctx, w.begin, &w.output)
}

// Barrier asks for a checkpoint at the next safe point.
func (w *readWorker[Out]) Barrier(checkpoint uint64) error { return w.output.askBarrier(checkpoint) }
