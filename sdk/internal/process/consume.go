package process

import (
	"context"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// consume works on frames in order, and tells the worker when there are none.
func (g *generation) consume(ctx context.Context, w Consumer) (again *wire.Frame, err error) {
	for {
		f, err := g.next(ctx, w)
		if f == nil || err != nil {
			return nil, err
		}
		if f.Kind == pluginv1.Kind_KIND_REWIND {
			return f, nil
		}
		over, err := g.handle(ctx, w, f)
		f.Free()
		if err != nil {
			return nil, err
		}
		if over {
			return nil, g.end(ctx)
		}
	}
}

// next returns the next frame, nil when the host has hung up. Before it waits
// it lets the worker send what it holds.
func (g *generation) next(ctx context.Context, w Consumer) (*wire.Frame, error) {
	select {
	case f := <-g.queue:
		return f, nil
	default:
	}
	for {
		pause, err := g.idle(ctx, w)
		if err != nil {
			return nil, err
		}
		var alarm <-chan time.Time
		if pause > 0 {
			alarm = time.After(pause)
		}
		select {
		case f := <-g.queue:
			return f, nil
		case <-alarm:
		}
	}
}

// idle returns how long to wait before it is called again; 0: until something
// has come.
func (g *generation) idle(ctx context.Context, w Consumer) (pause time.Duration, err error) {
	err = guard(func() (err error) {
		pause, err = w.Idle(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := g.aside.reportSoon(ctx, g.out); err != nil {
		return 0, err
	}
	if report := g.aside.wait(); report > 0 && (pause == 0 || report < pause) {
		pause = report
	}
	return pause, nil
}

// handle works on one frame; over tells that no input is left.
func (g *generation) handle(ctx context.Context, w Consumer, f *wire.Frame) (over bool, err error) {
	if f.Generation != g.begin.Generation {
		return false, nil // from before a rewind
	}
	input := int(f.Input)
	if input >= len(g.inputs) {
		return false, Stopf("%s for input %d, but there are %d", f.Kind, input, len(g.inputs))
	}
	switch f.Kind {
	case pluginv1.Kind_KIND_BATCH:
		return false, g.batch(ctx, w, f)
	case pluginv1.Kind_KIND_SAFE_POINT:
		if f.Cursor == nil {
			return false, Stopf("a safe point without a cursor")
		}
		if err := guard(func() error { return w.SafePoint(ctx, input, f) }); err != nil {
			return false, err
		}
		return false, g.aside.reportSoon(ctx, g.out)
	case pluginv1.Kind_KIND_BARRIER:
		return false, g.barrier(ctx, w, f.Checkpoint)
	case pluginv1.Kind_KIND_ENDED, pluginv1.Kind_KIND_DRAIN:
		g.inputs[input] = true
		drained := f.Kind == pluginv1.Kind_KIND_DRAIN
		err := guard(func() error { return w.Ended(ctx, input, drained) })
		return !slices.Contains(g.inputs, false), err
	case pluginv1.Kind_KIND_FINAL:
		if w, ok := w.(Finalizer); ok {
			return false, guard(func() error { return w.Final(ctx, f.Checkpoint) })
		}
		return false, nil
	case pluginv1.Kind_KIND_PROBE:
		return false, g.probed(f)
	default:
		return false, Stopf("a process with inputs does not understand %s", f.Kind)
	}
}

// batch hands rows to the worker, and notes where it failed.
func (g *generation) batch(ctx context.Context, w Consumer, f *wire.Frame) error {
	body := f.Bytes()
	g.aside.input, g.aside.sequence = f.Input, f.Sequence
	err := guard(func() error { return w.Batch(ctx, int(f.Input), body) })
	if err == nil {
		return nil
	}
	g.fault = &fault{input: f.Input, sequence: f.Sequence}
	if l, ok := w.(Locator); ok {
		g.fault.row, g.fault.located = l.Row()
	}
	return err
}

// probed says that everything before a probe is done.
func (g *generation) probed(f *wire.Frame) error {
	return g.out.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_PROBE, Sequence: f.Sequence})
}

// barrier answers with the worker's state, in line with its output.
func (g *generation) barrier(ctx context.Context, w Consumer, checkpoint uint64) error {
	var state []byte
	err := guard(func() (err error) {
		state, err = w.Barrier(ctx, checkpoint)
		return err
	})
	if err != nil {
		return err
	}
	if err := g.aside.report(ctx, g.out); err != nil {
		return err
	}
	if len(state) > LargestBody {
		return Stopf("the snapshot for checkpoint %d has %d bytes, the largest may have %d: hold less, or keep it elsewhere and snapshot a reference",
			checkpoint, len(state), LargestBody)
	}
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: checkpoint}
	if state != nil {
		f.Snapshot = &pluginv1.Snapshot{Version: g.register.version(), State: state}
	}
	return g.out.Send(f)
}
