package plugintest

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Process is the host's side of the conversation with one process. It belongs
// to the goroutine of the test.
type Process struct {
	t          TB
	step       Step
	stream     wire.ClientStream
	cancel     context.CancelFunc
	generation uint64
	output     transit.Type
	trying     bool // a process that has ended takes nothing, which is all right

	mu       sync.Mutex // protects events
	events   []Event
	received chan struct{} // tells that events has grown; capacity 1
	done     chan struct{} // closed when nothing more will be received
}

// receive gathers what the process says, however much that is: a test that is
// busy sending must not hold the process up.
func (p *Process) receive() {
	defer close(p.done)
	for {
		f, err := p.stream.Recv()
		if err != nil {
			p.gather(Event{What: HungUp, Cause: err.Error()})
			return
		}
		if f.Kind == pluginv1.Kind_KIND_OPENED {
			p.output = outputOf(f.Opened)
		}
		e, ok := p.eventOf(f)
		e.output = p.output
		f.Free()
		if !ok {
			e = Event{What: Failed, Failure: &Failure{Message: "it sent a frame of kind " + f.Kind.String()}}
		}
		p.gather(e)
	}
}

func outputOf(opened *pluginv1.Opened) transit.Type {
	typ, err := transit.ParseType(opened.GetOutput().GetName(), opened.GetOutput().GetSchema())
	if err != nil {
		return transit.Type{} // a loader's
	}
	return typ
}

func (p *Process) gather(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	select {
	case p.received <- struct{}{}:
	default: // it is told already
	}
}

// hangUp ends the stream as a host does that has gone.
func (p *Process) hangUp() {
	p.cancel()
	<-p.done
}

// HangUp ends the conversation without a word, as when a host is killed.
func (p *Process) HangUp() { p.hangUp() }

// Next waits for the next thing the process says.
func (p *Process) Next() Event {
	p.t.Helper()
	e, ok := p.Within(Patience)
	if !ok {
		p.failf("it said nothing within %s", Patience)
	}
	return e
}

// Within is Next for those who expect silence: ok is false if nothing was said
// in time.
func (p *Process) Within(patience time.Duration) (e Event, ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if e, ok := p.take(); ok {
			return e, true
		}
		select {
		case <-p.received:
		case <-timer.C:
			return p.take()
		}
	}
}

func (p *Process) take() (e Event, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) == 0 {
		return Event{}, false
	}
	e = p.events[0]
	if e.What != HungUp { // which stays true
		p.events = p.events[1:]
	}
	return e, true
}

// Expect waits for the next thing the process says and fails the test if it is
// anything else, but that it waits.
func (p *Process) Expect(what What) Event {
	p.t.Helper()
	e := p.Next()
	for e.What == Waits && what != Waits {
		e = p.Next()
	}
	if e.What == what {
		return e
	}
	if e.Failure != nil {
		p.failf("waited for %s, but it failed: %s", what, e.Failure)
	}
	p.failf("waited for %s, but got %s", what, e.What)
	return e
}

// Until gathers what the process says up to and including the first of the
// given sort. If it fails first the test fails.
func (p *Process) Until(what What) []Event {
	p.t.Helper()
	var all []Event
	for {
		e := p.Next()
		all = append(all, e)
		if e.What == what {
			return all
		}
		if e.Failure != nil {
			p.failf("waited for %s, but it failed: %s", what, e.Failure)
		}
		if e.What == HungUp {
			p.failf("waited for %s, but its stream is over: %s", what, e.Cause)
		}
	}
}

// Send sends rows as one batch to an input. It blocks while the process does
// not take them.
func Send[In transit.Row](p *Process, input string, rows ...In) {
	p.t.Helper()
	e, err := transit.NewEncoder[In]()
	if err != nil {
		p.failf("send rows: %v", err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		p.failf("send rows: %v", err)
	}
	var bodies wire.Bodies
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_BATCH, Input: p.input(input), Rows: uint32(len(rows)), Body: bodies.Body(&body)}
	defer f.Free()
	p.send(f)
}

// SafePoint tells the process that an input is complete up to a place.
func (p *Process) SafePoint(input string, point sdk.SafePoint) {
	p.t.Helper()
	p.send(&wire.Frame{
		Kind: pluginv1.Kind_KIND_SAFE_POINT, Input: p.input(input), Cursor: wireCursor(&point.Cursor),
		Head: point.Head, Finalized: point.Finalized,
	})
}

// Block is SafePoint for tests that know their places by the number of a block.
func (p *Process) Block(input string, block uint64) {
	p.t.Helper()
	p.SafePoint(input, sdk.SafePoint{Cursor: sdk.Cursor{Block: block}, Head: block})
}

// Barrier asks for a checkpoint.
func (p *Process) Barrier(checkpoint uint64) {
	p.t.Helper()
	p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: checkpoint})
}

// Final tells a loader that a checkpoint can no longer be undone.
func (p *Process) Final(checkpoint uint64) {
	p.t.Helper()
	p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_FINAL, Checkpoint: checkpoint})
}

// Probe asks the process to say when it is through with everything before.
func (p *Process) Probe() {
	p.t.Helper()
	p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_PROBE})
}

// End tells the process that an input is over by itself.
func (p *Process) End(input string) {
	p.t.Helper()
	p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED, Input: p.input(input)})
}

// Drain tells the process that the host stops: on every input, or, if it is a
// reader, itself.
func (p *Process) Drain() {
	p.t.Helper()
	if len(p.step.Start.Inputs) == 0 {
		p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_DRAIN})
	}
	for i := range p.step.Start.Inputs {
		p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_DRAIN, Input: uint32(i)})
	}
}

// Rewind begins again at a place, nil for the beginning, with a snapshot, nil
// for none. What the process says until it is open again is dropped, as a host
// does.
func (p *Process) Rewind(to *sdk.Cursor, state []byte) {
	p.t.Helper()
	p.RewindTo(0, to, state)
}

// RewindTo is Rewind to the place of a checkpoint.
func (p *Process) RewindTo(checkpoint uint64, to *sdk.Cursor, state []byte) {
	p.t.Helper()
	p.generation++
	p.send(&wire.Frame{Kind: pluginv1.Kind_KIND_REWIND, Checkpoint: checkpoint, Cursor: wireCursor(to), Snapshot: snapshotOf(state)})
	p.Until(Opened)
}

// Stale calls f. What it sends is marked as from before the last rewind, as
// what was on its way then is.
func (p *Process) Stale(f func()) {
	p.generation--
	defer func() { p.generation++ }()
	f()
}

// Try calls f. What it sends may come too late: the process may have failed.
func (p *Process) Try(f func()) {
	p.trying = true
	defer func() { p.trying = false }()
	f()
}

// send sends a frame, but does not wait for ever.
func (p *Process) send(f *wire.Frame) {
	p.t.Helper()
	f.Generation = p.generation
	alarm := time.AfterFunc(Patience, p.cancel)
	err := p.stream.Send(f)
	if !alarm.Stop() {
		p.failf("it did not take a frame (%s) within %s", f.Kind, Patience)
	}
	if err != nil && !p.trying && f.Kind != pluginv1.Kind_KIND_OPEN { // what a process that refuses to open says is told by Next
		p.failf("send a frame (%s): the process has ended, its last words: %s", f.Kind, p.lastWords())
	}
}

// lastWords is the failure that ended a process, as far as it is known.
func (p *Process) lastWords() string {
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Failure != nil {
			return e.Failure.String()
		}
	}
	return "none"
}
