package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// runGeneration opens every process at a checkpoint, moves frames until all
// have ended (nil) or one fails, and closes every stream before it returns.
func (d *domain) runGeneration(ctx context.Context, base store.Checkpoint) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	generation, err := d.memory.Begin()
	if err != nil {
		return &recordError{number: base.Number, err: err}
	}
	c := newCoordinator(d, base)
	defer close(c.over)
	d.mu.Lock()
	d.generation, d.coordinator = generation, c
	d.mu.Unlock()

	defer d.settle(&err)
	if err := d.launch(ctx); err != nil {
		return err
	}
	d.wire()
	// Consumers are ready before anything is produced.
	for _, p := range slices.Backward(d.processes) {
		if err := p.open(ctx, generation, c); err != nil {
			return &stepError{step: p.spec().Step.Name, err: p.withWayOut(err, base)}
		}
	}
	d.openedAnew()
	defer d.replayEnds()
	if err := d.replaying(base); err != nil {
		return &recordError{number: base.Number, err: err}
	}
	d.hasBegun()
	group, ctx := errgroup.WithContext(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		<-ctx.Done() // when one of the group fails, at the latest when all have ended
		d.hangUp()
	})
	over := make(chan struct{})
	group.Go(func() error { return d.watch(ctx, over) })
	var flowing sync.WaitGroup
	flowing.Add(len(d.processes))
	watch.Go(func() {
		flowing.Wait()
		close(over)
	})
	group.Go(func() error { return c.run(ctx) })
	for _, p := range d.processes {
		sent := make(chan error, 1)
		group.Go(func() error {
			defer flowing.Done()
			return p.receive(ctx, sent)
		})
		group.Go(func() error {
			err := p.send(ctx)
			sent <- err
			if isOurs(err) {
				return err
			}
			return nil // a broken stream shows its cause where it is read
		})
	}
	err = group.Wait()
	watch.Wait()
	return err
}

// withWayOut says how to go on where a process refuses to begin with a state.
func (p *process) withWayOut(err error, base store.Checkpoint) error {
	refused := (*remote.Failure)(nil)
	if _, has := base.States[p.spec().Name()]; !has || !errors.As(err, &refused) || refused.Class != remote.ClassStop {
		return err
	}
	return fmt.Errorf("%w; it was to begin with its state of checkpoint %d: put the version of plugin %s back that has left it, or begin anew with penstock run --fresh",
		err, base.Number, p.spec().Register.Plugin)
}

// isOurs tells errors of the host's own making from those of a stream.
func isOurs(err error) bool {
	return errors.Is(err, errOnceMore) || errors.As(err, new(*recordError)) || errors.As(err, new(*stepError))
}

// launch starts the plugins that are not running, all at once.
func (d *domain) launch(ctx context.Context) error {
	for _, p := range d.processes {
		p.detachDead()
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range d.processes {
		group.Go(func() error {
			if err := p.launch(ctx); err != nil {
				return &stepError{step: p.spec().Step.Name, err: err}
			}
			return nil
		})
	}
	return group.Wait()
}

// wire makes fresh edges: what an older generation queued is gone with it.
func (d *domain) wire() {
	for _, p := range d.processes {
		p.wire()
	}
	for _, p := range d.processes {
		p.outputs = nil
		for _, spec := range p.spec().Outputs {
			p.outputs = append(p.outputs, d.edge(spec))
		}
	}
}

// edge finds the queue of one edge among its consumer's inputs.
func (d *domain) edge(spec *graph.Edge) *edge {
	for _, p := range d.processes {
		if p.spec() == spec.To {
			return p.inputs.edges[spec.Input]
		}
	}
	panic("an edge leads out of its domain") // unreachable: domains are connected pieces
}

// hangUp ends every stream without waiting for the plugins.
func (d *domain) hangUp() {
	for _, p := range d.processes {
		p.hangUp()
	}
}

// settle closes all streams and edges of a generation and puts the process
// that broke it to rest.
func (d *domain) settle(err *error) {
	d.hangUp()
	for _, p := range d.processes {
		p.closed()
	}
	at := (*stepError)(nil)
	broken := errors.As(*err, &at) && !errors.Is(*err, context.Canceled)
	for _, p := range d.processes {
		switch {
		case broken && p.spec().Step.Name == at.step:
			p.crashed(at.err)
		case *err == nil:
			p.move(ProcessTerminated, "")
		default:
			p.move(ProcessInactive, "")
		}
	}
}

// send hands a process its inputs until they are over. A reader is only told
// when to take a barrier and when to stop.
func (p *process) send(ctx context.Context) error {
	if p.is(registry.Reader) {
		return p.sendReader(ctx)
	}
	for {
		f, err := p.inputs.take(ctx)
		if f == nil && err == nil {
			p.handed.Store(time.Now().UnixNano())
		}
		if f == nil || err != nil {
			return err
		}
		f.Generation = p.generation
		p.rowsIn.Add(uint64(f.Rows))
		p.bytesIn.Add(uint64(f.Body.Len()))
		err = p.pass(ctx, f)
		kind, checkpoint := f.Kind, f.Checkpoint
		f.Free()
		if err == nil && kind == remote.KindBarrier {
			err = p.standAside(ctx, checkpoint)
		}
		if err != nil {
			return err
		}
	}
}

// pass gives one frame to a process that consumes.
func (p *process) pass(ctx context.Context, f *remote.Frame) error {
	p.sending.Store(time.Now().UnixNano())
	defer p.sending.Store(0)
	if err := p.giveLetters(ctx); err != nil {
		return err
	}
	if p.hold != nil {
		return p.passHeld(ctx, f)
	}
	switch f.Kind {
	case remote.KindBatch:
		if err := p.deliver(ctx, f); err != nil || p.handover.Load() == nil {
			return err
		}
		return p.getThrough(ctx) // the less the old plugin has before it at the cut, the shorter that is
	case remote.KindBarrier:
		p.sealReplays()
		p.note(f.Checkpoint)
	case remote.KindEnded:
		if err := p.lastVerdict(ctx); err != nil {
			return err
		}
	default: // needs nothing else
	}
	return p.stream.Load().Send(f)
}

func (p *process) sendReader(ctx context.Context) error {
	stopped := p.stopped
	for {
		f := &remote.Frame{Generation: p.generation}
		select {
		case <-p.barrier:
			f.Kind, f.Checkpoint = remote.KindBarrier, p.asked.Load()
		case <-stopped:
			f.Kind, stopped = remote.KindDrain, nil
		case <-p.poked:
			f = p.flight.askAnyway()
			f.Generation = p.generation
		case <-p.ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-p.ended:
			signal(p.barrier) // whoever stands in for the reader is to see it
			return nil
		default:
		}
		if err := p.stream.Load().Send(f); err != nil {
			return err
		}
		if f.Kind != remote.KindBarrier {
			continue
		}
		if err := p.standAside(ctx, f.Checkpoint); err != nil {
			return err
		}
	}
}
