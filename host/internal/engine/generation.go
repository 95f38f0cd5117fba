package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// runGeneration opens every process, moves frames until all have ended (nil)
// or one fails, and closes every stream before it returns.
func (d *domain) runGeneration(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	d.generation++
	generation, from := d.generation, d.committed
	d.mu.Unlock()

	defer d.settle(&err)
	if err := d.launch(ctx); err != nil {
		return err
	}
	d.wire()
	// Consumers are ready before anything is produced.
	for _, p := range slices.Backward(d.processes) {
		if err := p.open(ctx, generation, from); err != nil {
			return &stepError{step: p.spec.Step.Name, err: err}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		<-ctx.Done() // when one of the group fails, at the latest when all have ended
		d.hangUp()
	})
	for _, p := range d.processes {
		sent := make(chan error, 1)
		group.Go(func() error { return p.receive(ctx, sent) })
		group.Go(func() error {
			err := p.send(ctx)
			sent <- err
			return nil // a broken stream shows its cause where it is read
		})
	}
	err = group.Wait()
	watch.Wait()
	return err
}

// launch starts the plugins that are not running, all at once.
func (d *domain) launch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range d.processes {
		group.Go(func() error {
			if err := p.launch(ctx); err != nil {
				return &stepError{step: p.spec.Step.Name, err: err}
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
		for _, spec := range p.spec.Outputs {
			p.outputs = append(p.outputs, d.edge(spec))
		}
	}
}

// edge finds the queue of one edge among its consumer's inputs.
func (d *domain) edge(spec *graph.Edge) *edge {
	for _, p := range d.processes {
		if p.spec == spec.To {
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
	broken := errors.As(*err, &at) && !d.draining()
	for _, p := range d.processes {
		switch {
		case broken && p.spec.Step.Name == at.step:
			p.crashed(at.err)
		case *err == nil:
			p.move(ProcessTerminated, "")
		default:
			p.move(ProcessInactive, "")
		}
	}
}

// receive reads what a process says until it has ended or its stream breaks.
func (p *process) receive(ctx context.Context, sent <-chan error) error {
	for {
		f, err := p.stream.Recv()
		if err != nil {
			return p.brokenStream(ctx, err, sent)
		}
		over, err := p.hear(ctx, f)
		if err != nil {
			return err
		}
		if over {
			return nil
		}
	}
}

// brokenStream finds the true cause of a stream's end.
func (p *process) brokenStream(ctx context.Context, err error, sent <-chan error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // something else broke first
	}
	select {
	case sendErr := <-sent:
		if sendErr != nil && !errors.Is(sendErr, context.Canceled) && !errors.Is(sendErr, remote.ErrEnded) {
			err = errors.Join(err, sendErr)
		}
	default:
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the plugin ended its stream before its time")
	}
	return &stepError{step: p.spec.Step.Name, err: err}
}

// hear acts on one frame from a process; over tells that it has ended.
func (p *process) hear(ctx context.Context, f *remote.Frame) (over bool, err error) {
	if f.Generation != p.generation {
		f.Free() // from before a rewind
		return false, nil
	}
	switch f.Kind {
	case remote.KindBatch:
		p.rowsOut.Add(uint64(f.Rows))
		p.bytesOut.Add(uint64(f.Body.Len()))
		return false, p.publish(ctx, f)
	case remote.KindSafePoint:
		return false, p.safePoint(ctx, f)
	case remote.KindEnded:
		if !p.inputs.over() {
			return false, p.nonsense(f, "its end before that of its inputs")
		}
		end := remote.KindEnded
		if p.domain.draining() {
			end = remote.KindDrain
		}
		close(p.ended)
		return true, p.publish(ctx, &remote.Frame{Kind: end, Generation: f.Generation})
	case remote.KindReorg:
		if f.Cursor == nil {
			return false, p.nonsense(f, "a reorg without its fork")
		}
		return false, &reorgError{fork: f.Cursor}
	case remote.KindProgress:
		if f.Progress != nil {
			p.poisoned.Add(f.Progress.Poisoned)
		}
		return false, nil
	default:
		return false, p.nonsense(f, "a frame that nobody asked for")
	}
}

// nonsense is what a plugin gets for breaking the protocol.
func (p *process) nonsense(f *remote.Frame, what string) error {
	f.Free()
	return &stepError{step: p.spec.Step.Name, err: fmt.Errorf("plugin %s sent %s (%s)", p.spec.Register.Plugin, what, f.Kind)}
}

// safePoint notes how far a process has come and passes it on.
func (p *process) safePoint(ctx context.Context, f *remote.Frame) error {
	if f.Cursor == nil {
		return p.nonsense(f, "a safe point without a cursor")
	}
	p.block.Store(f.Cursor.Block + 1)
	if f.Head > 0 {
		p.head.Store(f.Head)
	}
	switch p.spec.Register.Type {
	case registry.Loader:
		return p.commit(f)
	case registry.Reader:
		p.domain.follow()
	case registry.Subscriber, registry.Aggregator:
	}
	return p.publish(ctx, f)
}

// publish hands a frame to every consumer, by reference. It blocks while any
// of them is full.
func (p *process) publish(ctx context.Context, f *remote.Frame) error {
	for i, e := range p.outputs {
		g := f
		if i < len(p.outputs)-1 {
			g = f.Ref()
		}
		if err := e.push(ctx, g); err != nil {
			if i < len(p.outputs)-1 {
				f.Free()
			}
			return err
		}
	}
	if len(p.outputs) == 0 {
		f.Free()
	}
	return nil
}

// send hands a process its inputs until they are over. A reader is only told
// when to stop.
func (p *process) send(ctx context.Context) error {
	if len(p.inputs.edges) == 0 {
		select {
		case <-p.domain.drain:
			return p.stream.Send(&remote.Frame{Kind: remote.KindDrain, Generation: p.generation})
		case <-p.ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for {
		f, err := p.inputs.take(ctx)
		if f == nil || err != nil {
			return err
		}
		f.Generation = p.generation
		p.rowsIn.Add(uint64(f.Rows))
		p.bytesIn.Add(uint64(f.Body.Len()))
		err = p.stream.Send(f)
		f.Free()
		if err != nil {
			return err
		}
	}
}
