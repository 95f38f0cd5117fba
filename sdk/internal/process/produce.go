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
	result chan error // what Produce came to; nil once it was taken
	over   bool       // set before result is filled
}

// produce runs a producer and listens to the host meanwhile.
func (g *generation) produce(ctx context.Context, w Producer) (again *wire.Frame, err error) {
	producing, stop := context.WithCancelCause(ctx)
	p := &production{worker: w, stop: stop, result: make(chan error, 1)}
	done := p.result
	go func() {
		done <- guard(func() (err error) {
			p.over, err = w.Produce(producing)
			return err
		})
	}()
	defer func() {
		stop(errUnwanted)
		if p.result != nil {
			<-p.result
		}
	}()
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		select {
		case <-report.C:
			if err := g.aside.report(ctx, g.out); err != nil {
				return nil, err
			}
		case err := <-p.result:
			p.result = nil
			if err != nil {
				return nil, err
			}
			if !p.over {
				continue // it waits to be rewound
			}
			// A producer that has ended still answers barriers.
			if err := g.end(ctx); err != nil {
				return nil, err
			}
		case f, ok := <-g.queue:
			if !ok {
				return nil, nil
			}
			if f.Kind == pluginv1.Kind_KIND_REWIND {
				return f, nil
			}
			drained, err := g.command(ctx, p, f)
			f.Free()
			if drained || err != nil {
				return nil, err
			}
		}
	}
}

// command does what the host tells a producer; drained: it has ended.
func (g *generation) command(ctx context.Context, p *production, f *wire.Frame) (drained bool, err error) {
	switch f.Kind {
	case pluginv1.Kind_KIND_BARRIER:
		if f.Generation != g.begin.Generation {
			return false, nil // from before a rewind
		}
		return false, p.worker.Barrier(f.Checkpoint)
	case pluginv1.Kind_KIND_DRAIN:
		return true, g.drain(ctx, p)
	case pluginv1.Kind_KIND_FINAL:
		return false, nil
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
	err := <-p.result
	p.result = nil
	if err != nil {
		return err
	}
	return g.end(ctx)
}
