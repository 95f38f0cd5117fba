package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// What a process does at the barrier of a cut: one goroutine stands aside, the
// other exchanges the streams.

// standAside holds the goroutine that sends back where the stream is about to be
// replaced. The barrier of a checkpoint was the last that it has sent.
func (p *process) standAside(ctx context.Context, checkpoint uint64) error {
	h := p.handover.Load()
	if h == nil || h.checkpoint != checkpoint {
		return nil
	}
	h.heldAt = time.Now()
	close(h.held)
	select {
	case <-h.over:
		return nil
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// handOver is called when the process has answered the barrier of the cut, by
// the goroutine that receives. It returns once rows go on, through one plugin or
// the other.
func (p *process) handOver(ctx context.Context, checkpoint uint64) error {
	h := p.handover.Load()
	if h == nil || h.checkpoint != checkpoint {
		return nil
	}
	t := h.takeover
	t.enter()
	defer t.pass()
	defer close(h.over)
	defer p.handover.Store(nil) // not before the other goroutine has seen it
	if p.hasEnded() {
		t.refuse(fmt.Errorf("step %s has come to its end: there is nothing left to swap for", p.spec().Step.Name))
		return nil
	}
	select {
	case <-h.held:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if t.isRefused() {
		return nil
	}
	from := t.soFar(p)
	if h.alone {
		if err := p.quiet(ctx); err != nil {
			return err
		}
	}
	stream, err := h.open(ctx, from)
	if !t.agree(ctx, err) {
		h.giveUp(stream)
		return p.goOn(ctx, h, from)
	}
	h.take(ctx, stream)
	return nil
}

func (t *takeover) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entered++
}

// pass notes that a process has acted on the verdict.
func (t *takeover) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
	if t.passed == len(t.handovers) {
		close(t.through)
	}
	if t.err != nil && t.passed == t.entered {
		t.close()
	}
}

// agree waits until every process has its new stream, or one cannot have it,
// whose err is why. True: the streams are switched.
func (t *takeover) agree(ctx context.Context, err error) bool {
	t.mu.Lock()
	if err != nil {
		t.decide(err)
	} else if t.ready++; t.ready == len(t.handovers) {
		t.decide(nil)
	}
	t.mu.Unlock()
	select {
	case <-t.verdict:
		return !t.isRefused()
	case <-ctx.Done():
		return false
	}
}

// soFar is the checkpoint of the cut as far as a process needs it to begin.
func (t *takeover) soFar(p *process) store.Checkpoint {
	c, a := p.coordinator, t.attempt
	c.mu.Lock()
	defer c.mu.Unlock()
	name := p.spec().Name()
	from := store.Checkpoint{
		Number: a.record.Number, Generation: a.record.Generation,
		Readers: maps.Clone(a.record.Readers), Counts: maps.Clone(a.record.Counts), Positions: maps.Clone(a.record.Positions),
		States: make(map[string]store.State),
	}
	if state, ok := a.record.States[name]; ok {
		from.States[name] = state
	}
	// Readers that have not answered are none that the process reads from.
	for _, at := range a.record.Readers {
		for _, r := range p.domain.readers() {
			if _, answered := from.Readers[r.spec().Name()]; !answered {
				from.Readers[r.spec().Name()] = at
			}
		}
	}
	return from
}

// quiet ends the old stream before the new one opens. A reader that says
// everything once says all that it still has.
func (p *process) quiet(ctx context.Context) error {
	stream := p.stream.Load()
	if p.keeper == nil {
		if !farewell(stream) {
			p.log.Warn("the old plugin did not let go of the process in time, and is stopped")
			p.stop(ctx, "")
		}
		return nil
	}
	return p.drainOut(ctx, stream)
}

// drainOut takes over all that a reader still has to say.
func (p *process) drainOut(ctx context.Context, stream *remote.Stream) error {
	if err := stream.Send(&remote.Frame{Kind: remote.KindDrain, Generation: p.generation}); err != nil {
		return p.failed(err)
	}
	late := time.AfterFunc(p.domain.settings().OpenTimeout, stream.Cancel)
	defer late.Stop()
	defer stream.Cancel()
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) && ctx.Err() == nil {
			break
		}
		if err != nil {
			return p.failed(err)
		}
		if f.Kind == remote.KindEnded {
			f.Free()
			break
		}
		if err := p.keep(f); err != nil {
			return err
		}
		if _, err := p.hear(ctx, f); err != nil {
			return err
		}
	}
	p.unsettled = false // the new one begins after all of it
	return nil
}

// open opens the process with the new plugin.
func (h *handover) open(ctx context.Context, from store.Checkpoint) (*remote.Stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		select {
		case <-h.takeover.verdict:
			cancel(errGivenUp)
		case <-ctx.Done():
		}
	})
	stream, err := h.p.openAt(ctx, h.spec, h.plugin, from, h.patience)
	if err != nil {
		return nil, fmt.Errorf("step %s would not open: %w", h.spec.Step.Name, err)
	}
	return stream, nil
}

// openAt opens the process in the middle of a generation.
func (p *process) openAt(ctx context.Context, spec *graph.Process, plugin *remote.Plugin, from store.Checkpoint, patience time.Duration) (*remote.Stream, error) {
	open, err := p.domain.openOf(spec, p.generation, from)
	if err != nil {
		return nil, err
	}
	if p.keeper != nil { // it goes on after all that it has said
		at, _ := p.place()
		open.Cursor = cursorAt(at)
		if !at.Known {
			open.Cursor = p.goesOnAfter(cursorAt(from.Readers[spec.Name()]))
		}
	}
	return openWithin(ctx, plugin, open, patience)
}

// take puts the new stream in the place of the old one.
func (h *handover) take(ctx context.Context, stream *remote.Stream) {
	p := h.p
	old := p.stream.Swap(stream)
	old.Cancel()
	if ctx.Err() != nil {
		stream.Cancel() // nobody has seen it to do so
	}
	p.beginsAnew()
	h.exchange()
	h.takeover.notePause(time.Since(h.heldAt))
}

// giveUp lets go of the new plugin. Where only one at a time can have what it
// needs, it must be gone: it may still be about to open, and a loader that opens
// late would remove what the old one has written since.
func (h *handover) giveUp(stream *remote.Stream) {
	if h.alone {
		h.plugin.Kill()
	}
	if stream != nil {
		stream.Cancel()
	}
}

// goOn lets the old plugin go on. Where it has closed the process, it opens it
// again.
func (p *process) goOn(ctx context.Context, h *handover, from store.Checkpoint) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !h.alone {
		return nil
	}
	if p.plugin == nil {
		return p.failed(errors.New("its plugin was stopped for a swap that was given up"))
	}
	stream, err := p.openAt(ctx, p.spec(), p.plugin, from, p.openPatience())
	if err != nil {
		return p.failed(fmt.Errorf("open it again after a swap that was given up: %w", err))
	}
	p.stream.Store(stream)
	if ctx.Err() != nil {
		stream.Cancel()
	}
	p.beginsAnew()
	return nil
}

// beginsAnew forgets what was under way in a stream that another one has taken
// the place of: everything before the barrier is done.
func (p *process) beginsAnew() {
	p.flight.clear()
	p.waiting.Store(nil)
	p.heardAt.Store(time.Now().UnixNano())
}
