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

// The cut of a swap is made at a checkpoint, in the middle of a generation. The
// goroutine that sends to the process stands aside after the barrier, so that
// frames wait in the edges; the one that receives takes the old plugin's answer,
// opens the new plugin with it, and puts the new stream in the place of the old.
// Nobody else notices. Where several processes of a path are replaced, each waits
// with its new stream until all others have theirs.

// noteSwapped is the durable note of a swap that is in its probation: a host that
// finds it goes back to its checkpoint.
const noteSwapped = "swap"

// swapNote is what the note holds.
type swapNote struct {
	Plugin     string                       `json:"plugin"`
	Number     uint64                       `json:"number"`
	Checkpoint uint64                       `json:"checkpoint"`
	Basis      map[string]map[string]string `json:"basis"` // what checkpoints go with once it is committed
}

// errBegun ends a generation whose place one with other plugins takes.
var errBegun = errors.New("the path begins with other plugins")

// errBroken tells that the path broke before the cut was asked for.
var errBroken = errors.New("the path has just broken")

// cutOver has a path take the checkpoint at which the new plugins take over, and
// returns once they have and it is recorded. An error leaves everything as it
// was, or is that of a takeover that was taken back.
func (x *exchange) cutOver(ctx context.Context, i int) error {
	d := x.takeovers[i].domain
	select {
	case d.control <- struct{}{}:
		defer func() { <-d.control }()
	case <-ctx.Done():
		return fmt.Errorf("wait for pipeline %s, which somebody else changes: %w", d.name, context.Cause(ctx))
	}
	for {
		t := x.takeovers[i]
		if err := d.canSwap(x.swap.Plugin); err != nil {
			return err
		}
		d.takeover.Store(t)
		err := t.ask(ctx)
		if err == nil {
			return nil
		}
		d.takeover.CompareAndSwap(t, nil)
		if !errors.Is(err, errBroken) && !errors.As(err, new(*reorgError)) {
			return err
		}
		// The path begins again by itself, which is no fault of the new plugins.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		x.takeovers[i] = t.again()
	}
}

// ask asks for the checkpoint of the cut, and waits until it is made.
func (t *takeover) ask(ctx context.Context) error {
	d := t.domain
	d.mu.Lock()
	c := d.coordinator
	d.mu.Unlock()
	if c == nil {
		return errBroken
	}
	select {
	case c.asked <- &request{takeover: t}:
	case <-c.allEnded:
		return errEnds
	case <-c.over:
		return errBroken
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-t.watched:
		return nil
	case <-t.over:
	case <-ctx.Done():
		if t.refuse(context.Cause(ctx)) {
			t.leave()
			return context.Cause(ctx)
		}
		select {
		case <-t.watched:
			return nil
		case <-t.over:
		}
	}
	cause, _ := t.outcome()
	return cause
}

// leave waits, within bounds, until processes that were at the cut go on.
func (t *takeover) leave() {
	t.mu.Lock()
	midway := t.entered > t.passed
	t.mu.Unlock()
	if !midway {
		return
	}
	late := time.NewTimer(2 * stopTimeout)
	defer late.Stop()
	select {
	case <-t.over:
	case <-late.C:
	}
}

// errEnds refuses a swap of a path that has read everything.
var errEnds = errors.New("the path comes to its end: there is nothing left to swap for")

// cut takes the checkpoint of a swap. What keeps it from being made without
// harm to the path refuses the swap; the error is one that ends the generation.
func (c *coordinator) cut(ctx context.Context, t *takeover) error {
	a, err := c.beginCut(t)
	if err != nil {
		t.refuse(err)
		return nil
	}
	if err := c.finish(ctx, a); err != nil {
		if errors.Is(err, errStuck) {
			t.refuse(errors.New("no checkpoint could be taken: a reader does not come to a safe point"))
		}
		return err
	}
	if t.anew {
		t.mu.Lock()
		t.decide(nil)
		t.broke = time.Now()
		t.mu.Unlock()
	} else {
		select {
		case <-t.through:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if t.isRefused() != nil {
		return nil
	}
	if err := c.domain.startProbation(t, a.record.Number); err != nil {
		return err
	}
	if t.anew {
		return errBegun
	}
	return nil
}

// beginCut asks every reader for the barrier of the cut, whether anything has
// moved or not.
func (c *coordinator) beginCut(t *takeover) (*attempt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.cannotCut(t); err != nil {
		return nil, err
	}
	a := c.start()
	t.arm(a)
	for _, p := range c.domain.readers() {
		p.ask(a.record.Number)
	}
	return a, nil
}

// cannotCut tells why no checkpoint can be taken now. c.mu is held.
func (c *coordinator) cannotCut(t *takeover) error {
	switch {
	case c.closing:
		return errEnds
	case c.void:
		return errors.New("no checkpoint can be taken any more: a reader has ended where nobody could begin again")
	case c.domain.isOnTrial():
		return errors.New("no checkpoint can be taken while a row that breaks a step is left out on trial: try again in a moment")
	}
	for _, p := range c.domain.readers() {
		if _, known := p.place(); !known {
			return fmt.Errorf("no checkpoint can be taken yet: reader %s has not said where it begins; try again when penstock status shows a block", p.spec().Step.Name)
		}
	}
	for _, h := range t.handovers {
		if h.p.hasEnded() {
			return fmt.Errorf("step %s has come to its end: there is nothing left to swap for", h.p.spec().Step.Name)
		}
	}
	return nil
}

// arm has the processes stand aside at the barrier of a checkpoint.
func (t *takeover) arm(a *attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != stageWarm || t.err != nil {
		return // it was given up meanwhile: the checkpoint is one like any other
	}
	t.stage, t.attempt = stageArmed, a
	if t.anew {
		return
	}
	for _, h := range t.handovers {
		h.checkpoint = a.record.Number
		h.p.handover.Store(h)
	}
}

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
	p.handover.Store(nil)
	t := h.takeover
	t.enter()
	defer t.pass()
	defer close(h.over)
	if p.hasEnded() {
		t.refuse(fmt.Errorf("step %s has come to its end: there is nothing left to swap for", p.spec().Step.Name))
		return nil
	}
	select {
	case <-h.held:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if t.isRefused() != nil {
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
		if stream != nil {
			farewell(stream)
		}
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
		return t.isRefused() == nil
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
			cancel(errors.New("the swap was given up"))
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
	p.heardAt.Store(time.Now().UnixNano())
}
