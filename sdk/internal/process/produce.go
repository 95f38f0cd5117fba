package process

import (
	"context"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// production is a Produce under way.
type production struct {
	worker Producer
	stop   context.CancelCauseFunc
	result chan produced // what Produce comes to; nil once it was taken
	over   bool          // Produce has said so
}

// produced is what Produce came to.
type produced struct {
	over bool
	err  error
}

// begin lets a worker produce in a goroutine of its own; finish waits for it.
func begin(ctx context.Context, w Producer) *production {
	ctx, stop := context.WithCancelCause(ctx)
	p := &production{worker: w, stop: stop, result: make(chan produced, 1)}
	result := p.result
	go func() {
		var r produced
		r.err = guard(func() (err error) {
			r.over, err = w.Produce(ctx)
			return err
		})
		result <- r
	}()
	return p
}

// took notes what Produce came to.
func (p *production) took(r produced) error {
	p.result, p.over = nil, r.over
	return r.err
}

// finish ends a Produce that nobody wants any more.
func (p *production) finish() {
	p.stop(errUnwanted)
	if p.result != nil {
		<-p.result
	}
}

// produce runs a producer and listens to the host meanwhile.
func (g *generation) produce(ctx context.Context, w Producer) (again *wire.Frame, err error) {
	p := begin(ctx, w)
	defer p.finish()
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		var err error
		var drained bool
		select {
		case <-report.C:
			err = g.aside.report(ctx, g.out)
		case r := <-p.result:
			if err = p.took(r); err == nil && p.over { // if not it waits to be rewound
				err = g.end(ctx)
			}
		case f := <-g.queue:
			if f == nil || f.Kind == pluginv1.Kind_KIND_REWIND {
				return f, nil
			}
			drained, err = g.command(ctx, p, f)
			f.Free()
		}
		if drained || err != nil {
			return nil, err
		}
	}
}

// command does what the host tells a producer; drained: it has ended.
func (g *generation) command(ctx context.Context, p *production, f *wire.Frame) (drained bool, err error) {
	switch f.Kind {
	case pluginv1.Kind_KIND_BARRIER: // which a producer answers after its end, too
		if f.Generation != g.begin.Generation {
			return false, nil // from before a rewind
		}
		return false, p.worker.Barrier(f.Checkpoint)
	case pluginv1.Kind_KIND_DRAIN:
		return true, g.drain(ctx, p)
	case pluginv1.Kind_KIND_FINAL:
		return false, nil
	case pluginv1.Kind_KIND_PROBE:
		return false, g.probed(f)
	default:
		return false, Stopf("a reader does not understand %s", f.Kind)
	}
}

// drain lets a producer send what it has and ends it, unless it has ended.
func (g *generation) drain(ctx context.Context, p *production) error {
	if p.result == nil {
		if p.over {
			return nil
		}
		return g.end(ctx)
	}
	p.stop(ErrDrained)
	if err := p.took(<-p.result); err != nil {
		return err
	}
	return g.end(ctx)
}
