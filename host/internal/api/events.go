package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/penstock-io/penstock/host/internal/engine"
)

const (
	// keptEvents is how many events are kept for those who ask later, or slowly.
	keptEvents = 1024
	// longestCause bounds what is kept of a cause, which a plugin may have written.
	longestCause = 16 << 10
	// atOnce is how many events are taken from the log in one go.
	atOnce = 64
)

// Event is a change of state with its place in the order of all of a host.
type Event struct {
	Sequence uint64 `json:"sequence"` // grows by 1, from 1
	engine.Event
}

// Events is the newest events of a host. One goroutine or several tell it what
// happens and never wait; any number read at their own pace. Who is so slow that
// an event is no longer kept learns how many it has missed.
type Events struct {
	mu     sync.Mutex
	ring   [keptEvents]Event // the one of sequence n is at n % keptEvents
	newest uint64
	counts map[transition]uint64
	more   chan struct{} // closed, and replaced, when there is one more or the log ends
	ended  bool

	swaps swapFigures
}

// transition is what events are counted by.
type transition struct{ pipeline, step, to string }

// NewEvents makes a log without events.
func NewEvents() *Events {
	return &Events{counts: make(map[transition]uint64), more: make(chan struct{})}
}

// Tell adds an event. It does not block.
func (e *Events) Tell(ev engine.Event) {
	ev.Cause = bounded(ev.Cause)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.newest++
	e.ring[e.newest%keptEvents] = Event{Sequence: e.newest, Event: ev}
	if ev.Kind == "" || ev.Kind == engine.EventState {
		e.counts[transition{ev.Pipeline, ev.Step, ev.To}]++
	}
	close(e.more)
	e.more = make(chan struct{})
}

// bounded is a text that plugins may have had a hand in, fit for a message.
func bounded(text string) string {
	if n := len(text) - longestCause; n > 0 {
		text = text[:longestCause] + fmt.Sprintf("… (%d bytes more, in the log of the host)", n)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// end tells all readers that nothing more will come.
func (e *Events) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	e.ended = true
	close(e.more)
	e.more = make(chan struct{})
}

// errNoSuchEvent tells that a reader wants to go on after an event that never
// was.
var errNoSuchEvent = errors.New("there is no such event")

// begin is where a reader begins that wants to go on after an event, or with
// what is new, and the newest event so far.
func (e *Events) begin(after *uint64) (from, newest uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if after == nil {
		return e.newest, e.newest, nil
	}
	if *after > e.newest {
		return 0, 0, fmt.Errorf("%w as %d: the newest of this host is %d; it may have been started again since, so ask for all after 0", errNoSuchEvent, *after, e.newest)
	}
	return *after, e.newest, nil
}

// page is what a reader gets in one go.
type page struct {
	missed uint64  // events before these that are no longer kept
	events []Event // in order
	more   <-chan struct{}
	ended  bool // nothing will come any more
}

// after reads on after an event.
func (e *Events) after(sequence uint64) page {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := page{more: e.more, ended: e.ended}
	if e.newest > sequence+keptEvents {
		p.missed = e.newest - keptEvents - sequence
	}
	for n := sequence + p.missed + 1; n <= e.newest && len(p.events) < atOnce; n++ {
		p.events = append(p.events, e.ring[n%keptEvents])
	}
	return p
}

// last is the sequence number of the newest event, 0 if there is none.
func (e *Events) last() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.newest
}

// await waits for a number of events of a kind after one, or until no more will
// come.
func (e *Events) await(ctx context.Context, sequence uint64, number int, kind func(engine.Event) bool) error {
	for number > 0 {
		p := e.after(sequence)
		sequence += p.missed
		for _, ev := range p.events {
			sequence = ev.Sequence
			if kind(ev.Event) {
				number--
			}
		}
		switch {
		case len(p.events) > 0:
			continue
		case p.ended:
			return nil
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// transitions is how often each change of state has happened.
func (e *Events) transitions(tell func(t transition, n uint64)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t, n := range e.counts {
		tell(t, n)
	}
}
