package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// receive reads what a process says until it has ended or its stream breaks.
func (p *process) receive(ctx context.Context, sent <-chan error) error {
	if err := p.replayKept(ctx); err != nil {
		return err
	}
	for {
		p.listens = time.Now()
		f, err := p.stream.Load().Recv()
		if err != nil {
			return p.brokenStream(ctx, err, sent)
		}
		if f.Kind != remote.KindProbe || !p.is(registry.Reader) { // a reader answers them whether it reads or not
			p.heardAt.Store(time.Now().UnixNano())
		}
		if err := p.keep(f); err != nil {
			return err
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
	return &stepError{step: p.spec().Step.Name, err: err}
}

// hear acts on one frame from a process; over tells that it has ended.
func (p *process) hear(ctx context.Context, f *remote.Frame) (over bool, err error) {
	if f.Generation != p.generation || p.cut && f.Kind != remote.KindEnded {
		f.Free() // from before a rewind, or after the barrier at which it stopped
		return false, nil
	}
	switch f.Kind {
	case remote.KindBatch:
		p.rowsOut.Add(uint64(f.Rows))
		p.bytesOut.Add(uint64(f.Body.Len()))
		p.counted += uint64(f.Rows)
		p.unsettled = true
		if p.is(registry.Reader) {
			p.batches.Add(1)
		}
		return false, p.publish(ctx, f)
	case remote.KindSafePoint:
		return false, p.safePoint(ctx, f)
	case remote.KindBarrier:
		return false, p.barrierTaken(ctx, f)
	case remote.KindEnded:
		return true, p.end(ctx, f)
	case remote.KindReorg:
		if f.Cursor == nil || !p.is(registry.Reader) {
			return false, p.nonsense(f, "a reorg without its fork, or that is not its own to report")
		}
		return false, &reorgError{step: p.spec().Step.Name, fork: f.Cursor}
	case remote.KindProgress:
		if f.Progress.GetPoisoned() == 0 {
			p.waits(f)
			return false, nil
		}
		return false, p.putAside(f)
	case remote.KindProbe:
		p.flight.through(f.Sequence)
		return false, nil
	default:
		return false, p.nonsense(f, "a frame that nobody asked for")
	}
}

// putAside keeps a row that the process could not use.
func (p *process) putAside(f *remote.Frame) error {
	defer f.Free()
	p.poisoned.Add(f.Progress.Poisoned)
	if f.Body.Len() > 0 && f.Progress.Poisoned == 1 && p.flight != nil {
		if at, letter, ok := p.flight.row(f.Sequence, f.Progress.Row); ok && int(at.input) < len(p.spec().Inputs) {
			if err := p.keepAside(at, letter, f); err != nil {
				return err
			}
		}
	}
	return p.tooMuchPoison()
}

// keepAside puts a row into the dead letters, or back there.
func (p *process) keepAside(at span, letter string, f *remote.Frame) error {
	cause := errors.New(f.Progress.Cause)
	if letter == "" {
		return p.domain.bury(p, at, f.Body.Materialize(), cause, 1, time.Now())
	}
	p.dead(letter)
	return p.domain.deadAgain(letter, cause, 1)
}

// tooMuchPoison is an error once so many rows were put aside that something
// else than the rows must be wrong.
func (p *process) tooMuchPoison() error {
	limit := p.domain.settings().Poison
	bad, all := p.poisoned.Load(), p.rowsIn.Load()
	if bad <= limit.MinRows || float64(bad) <= limit.MaxShare*float64(all) {
		return nil
	}
	return p.failed(&remote.Failure{Class: remote.ClassStop, Message: fmt.Sprintf(
		"%d of %d rows were put aside, more than %.3g %%: look at them with penstock dead-letter list, mend the step, or raise max_share in the poison block",
		bad, all, 100*limit.MaxShare)})
}

// nonsense is what a plugin gets for breaking the protocol.
func (p *process) nonsense(f *remote.Frame, what string) error {
	f.Free()
	return p.failed(fmt.Errorf("plugin %s sent %s (%s)", p.spec().Register.Plugin, what, f.Kind))
}

func (p *process) failed(err error) error { return &stepError{step: p.spec().Step.Name, err: err} }

// safePoint notes how far a process has come and passes it on.
func (p *process) safePoint(ctx context.Context, f *remote.Frame) error {
	if f.Cursor == nil {
		return p.nonsense(f, "a safe point without a cursor")
	}
	p.unsettled = false
	p.block.Store(after(f.Cursor.Block))
	if f.Head > 0 {
		p.head.Store(f.Head)
	}
	switch p.spec().Register.Type {
	case registry.Loader:
		f.Free()
		return nil
	case registry.Reader:
		p.reached(f)
	case registry.Subscriber, registry.Aggregator:
	}
	return p.publish(ctx, f)
}

// reached notes a reader's safe point.
func (p *process) reached(f *remote.Frame) {
	if f.Finalized > p.finalized.Load() { // a node that takes its word back is not believed
		p.finalized.Store(f.Finalized)
	}
	p.domain.begins(p, f.Cursor)
	p.mu.Lock()
	p.told = store.Place{
		Known: true, ChainID: f.Cursor.ChainID, Block: f.Cursor.Block, Hash: f.Cursor.Hash, Position: f.Cursor.Position,
	}
	p.mu.Unlock()
	p.domain.follow()
	signal(p.coordinator.moved)
}

// barrierTaken takes the answer to a barrier and passes the barrier on, in line
// with the rows. A reader that is to stop has stopped there.
func (p *process) barrierTaken(ctx context.Context, f *remote.Frame) error {
	if p.hold != nil {
		select {
		case p.hold.answered <- f.Checkpoint:
			f.Free()
			return nil
		default:
			return p.nonsense(f, "a barrier twice")
		}
	}
	if p.asked.Load() != f.Checkpoint || p.is(registry.Reader) && p.unsettled {
		return p.nonsense(f, fmt.Sprintf("the barrier of checkpoint %d out of turn", f.Checkpoint))
	}
	return p.answer(ctx, f)
}

func (p *process) answer(ctx context.Context, f *remote.Frame) error {
	p.answered()
	closing, err := p.coordinator.answer(p, f)
	if err != nil {
		return p.failed(err)
	}
	checkpoint := f.Checkpoint
	f.Free()
	if err := p.publish(ctx, &remote.Frame{Kind: remote.KindBarrier, Generation: p.generation, Checkpoint: checkpoint}); err != nil {
		return err
	}
	if err := p.handOver(ctx, checkpoint); err != nil {
		return err
	}
	if !p.is(registry.Reader) || !closing {
		return nil
	}
	p.cut = true
	return p.publish(ctx, p.endFrame())
}

// end passes on that a process has nothing more to say. The end of a reader
// waits for those of all others, so that a checkpoint can be taken before it.
func (p *process) end(ctx context.Context, f *remote.Frame) error {
	if !p.inputs.over() {
		return p.nonsense(f, "its end before that of its inputs")
	}
	close(p.ended)
	if !p.is(registry.Reader) {
		return p.publish(ctx, p.endFrame())
	}
	if p.unsettled && !p.cut && !p.domain.draining() {
		return p.failed(&remote.Failure{Class: remote.ClassStop, Message: "it ended without a safe point after its last rows, " +
			"so that no checkpoint could be taken any more: Read has to call SafePoint before it returns"})
	}
	if p.cut {
		p.coordinator.readerEnded(true)
		return nil
	}
	return p.standIn(ctx)
}

func (p *process) endFrame() *remote.Frame {
	f := &remote.Frame{Kind: remote.KindEnded, Generation: p.generation}
	if p.domain.draining() {
		f.Kind = remote.KindDrain
	}
	return f
}

// standIn answers barriers for a reader that has ended, until its end may be
// passed on.
func (p *process) standIn(ctx context.Context) error {
	c := p.coordinator
	at, _ := p.place()
	if err := p.sayNoMore(ctx, at.ChainID); err != nil {
		return err
	}
	if over := c.readerEnded(!p.unsettled); over {
		return p.publish(ctx, p.endFrame()) // others may wait for it, and no checkpoint will
	}
	answered := uint64(0)
	for released := false; ; {
		if k := p.asked.Load(); !p.unsettled && k != answered && c.expects(p, k) {
			answered = k
			if err := p.answer(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: k, Cursor: cursorAt(at)}); err != nil {
				return err
			}
		}
		if p.cut {
			return nil
		}
		if released {
			return p.publish(ctx, p.endFrame())
		}
		select {
		case <-p.barrier:
		case <-c.release:
			released = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sayNoMore tells those who join a reader's rows with others that they need not
// wait for more of them.
func (p *process) sayNoMore(ctx context.Context, chain uint64) error {
	if p.unsettled || p.spec().Pipeline.To != nil || p.domain.draining() {
		return nil
	}
	return p.publish(ctx, &remote.Frame{
		Kind: remote.KindSafePoint, Generation: p.generation, Head: p.head.Load(), Finalized: p.finalized.Load(),
		Cursor: &remote.Cursor{ChainID: chain, Block: math.MaxUint64},
	})
}

// cursorAt is a place as it goes over the wire, nil for the beginning.
func cursorAt(at store.Place) *remote.Cursor {
	if !at.Known {
		return nil
	}
	return &remote.Cursor{ChainID: at.ChainID, Block: at.Block, Hash: at.Hash, Position: at.Position}
}

// publish hands a frame to every consumer, by reference. It blocks while any
// of them is full.
func (p *process) publish(ctx context.Context, f *remote.Frame) error {
	p.publishing.Store(time.Now().UnixNano())
	defer p.publishing.Store(0)
	p.watchers.show(p, f)
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
