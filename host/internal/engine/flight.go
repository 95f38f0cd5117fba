package engine

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// probeEvery is after how many batches a process is asked whether it is through
// with them. It bounds how many rows are suspect when the process dies.
const probeEvery = 32

// flight is what a process was given in this generation and may not be through
// with yet. Probes, which the process answers in order, tell.
type flight struct {
	mu       sync.Mutex
	sequence uint64 // of the newest batch or probe
	given    []given
	probe    uint64    // the newest probe that was not answered; 0: none
	probed   time.Time // when it was sent
	batches  int       // since the last probe
	answered chan struct{}
}

// given is a batch on its way: its rows are counted on its edge since the
// beginning of the domain.
type given struct {
	sequence    uint64
	input       uint32
	first, rows uint64
	letter      string // the dead letter that is replayed; "": it is none
}

func newFlight() *flight { return &flight{answered: make(chan struct{}, 1)} }

// add numbers a batch. due: it is time for a probe.
func (l *flight) add(f *remote.Frame, first uint64, letter string) (due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	f.Sequence = l.sequence
	l.given = append(l.given, given{sequence: l.sequence, input: f.Input, first: first, rows: uint64(f.Rows), letter: letter})
	l.batches++
	return l.batches >= probeEvery && l.probe == 0
}

// ask makes a probe. nil: there is nothing to ask about.
func (l *flight) ask() *remote.Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.given) == 0 {
		return nil
	}
	return l.makeProbe()
}

// askAnyway makes a probe of a process that was given nothing.
func (l *flight) askAnyway() *remote.Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.makeProbe()
}

func (l *flight) makeProbe() *remote.Frame {
	l.sequence++
	l.probe, l.probed, l.batches = l.sequence, time.Now(), 0
	return &remote.Frame{Kind: remote.KindProbe, Sequence: l.sequence}
}

// through notes the answer to a probe.
func (l *flight) through(sequence uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.given) && l.given[n].sequence < sequence {
		n++
	}
	l.given = append(l.given[:0], l.given[n:]...)
	if sequence >= l.probe {
		l.probe = 0
	}
	signal(l.answered)
}

// clear forgets what was given: the process is through with all of it.
func (l *flight) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given, l.probe, l.batches = nil, 0, 0
	signal(l.answered)
}

// wait waits until the newest probe is answered.
func (l *flight) wait(ctx context.Context) error {
	for {
		if l.outstanding().IsZero() {
			return nil
		}
		select {
		case <-l.answered:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// outstanding is since when a probe waits for its answer, zero if none does.
func (l *flight) outstanding() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.probe == 0 {
		return time.Time{}
	}
	return l.probed
}

// open are the rows that the process may not be through with.
func (l *flight) open() []span {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []span
	for _, g := range l.given {
		if g.letter != "" {
			continue
		}
		out = extend(out, span{input: g.input, from: g.first, to: g.first + g.rows})
	}
	return out
}

// replays are the dead letters among what the process may not be through with.
func (l *flight) replays() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, g := range l.given {
		if g.letter != "" {
			out = append(out, g.letter)
		}
	}
	return out
}

// row finds a row of a batch among all rows of its edge.
func (l *flight) row(sequence uint64, row uint32) (at span, letter string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.given {
		if g.sequence == sequence && uint64(row) < g.rows {
			at := g.first + uint64(row)
			return span{input: g.input, from: at, to: at + 1}, g.letter, true
		}
	}
	return span{}, "", false
}

// span is a range of rows of one input, counted since the beginning of the
// domain; to is the one after the last.
type span struct {
	input    uint32
	from, to uint64
}

func (s span) rows() uint64 { return s.to - s.from }

// extend adds a span to those of the same input.
func extend(spans []span, s span) []span {
	for i, have := range spans {
		if have.input == s.input {
			spans[i].from, spans[i].to = min(have.from, s.from), max(have.to, s.to)
			return spans
		}
	}
	return append(spans, s)
}

// common is what two sets of spans share.
func common(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if from, to := max(x.from, y.from), min(x.to, y.to); x.input == y.input && from < to {
				out = append(out, span{input: x.input, from: from, to: to})
			}
		}
	}
	return out
}

func total(spans []span) uint64 {
	n := uint64(0)
	for _, s := range spans {
		n += s.rows()
	}
	return n
}
