package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Bounds of what waits for a tap's reader. One that wants few rows wants new ones.
const (
	tapFrames = 32
	tapFewest = 3
	tapBytes  = 4 << 20
	tapNews   = 16
)

// Tap shows the rows that flow on an edge while they do. The edge never waits
// for it: what its reader is too slow for is only counted. The host does not look
// into rows: they are given out as they travel. One goroutine calls Next; Close
// and Counts may be called from anywhere.
type Tap struct {
	engine *Engine
	p      *process      // whose output it is
	wake   chan struct{} // tells that the queue has grown; capacity 1
	closed chan struct{}
	once   sync.Once

	// Of the goroutine that receives from the process:
	generation uint64
	stream     *remote.Stream
	output     string // the type of the rows

	mu     sync.Mutex
	every  uint64 // one row of so many is wanted
	most   int    // of a batch, 0: all
	queue  []tapped
	frames int
	bytes  int
	news   int
	seen   uint64
	given  uint64
	off    bool // nothing more is taken

	// Of the goroutine that calls Next:
	next    uint64 // the row after the last that was given out, from 0
	typ     transit.Type
	told    bool // the type
	pending []TapItem
	state   PathState
}

// tapped is a frame, or something that has happened, on its way to a reader.
type tapped struct {
	frame *remote.Frame
	first uint64 // number of its first row
	typ   transit.Type
	news  *TapNews
}

// Tap opens a tap on what comes out of a step, or with an input on what goes into
// it there: the name of the step that it comes from, or of the port, or
// OnlyInput. The step is "pipeline/step", or a name that only one step has. The
// error is a *TapError, or ErrTaps.
func (e *Engine) Tap(pipelineStep, input string) (*Tap, error) {
	p, err := e.stepNamed(pipelineStep)
	if err != nil {
		return nil, err
	}
	if input != "" {
		edge, err := inputNamed(p.spec(), input)
		if err != nil {
			return nil, err
		}
		if p, err = e.stepNamed(edge.From.Name()); err != nil {
			return nil, err
		}
	} else if p.is(registry.Loader) {
		return nil, &TapError{Message: fmt.Sprintf("step %q is a loader, and nothing comes out of it: look at its input, with --input", p.spec().Step.Name)}
	}
	t := &Tap{
		engine: e, p: p, every: 1, wake: make(chan struct{}, 1), closed: make(chan struct{}),
		typ: p.spec().Register.Output, output: p.spec().Register.Output.String(),
	}
	if err := e.watch(p, t); err != nil {
		return nil, err
	}
	return t, nil
}

// Sample has the tap give out one row of so many, and of a batch at most so many;
// 0 is all of them. It is called before Next.
func (t *Tap) Sample(every uint64, most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.every, t.most = max(every, 1), max(most, 0)
}

// Counts tells how many rows have come by since the tap was opened, and how many
// of them Next has given out.
func (t *Tap) Counts() (seen, given uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen, t.given
}

// Close ends the tap. It may be called again.
func (t *Tap) Close() {
	t.once.Do(func() {
		t.engine.unwatch(t.p, t)
		close(t.closed)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.off = true
		for _, one := range t.queue {
			if one.frame != nil {
				one.frame.Free()
			}
		}
		t.queue = nil
	})
}

// saw notes a frame, and keeps it if somebody is to see it. It never waits for
// the reader.
func (t *Tap) saw(p *process, f *remote.Frame) {
	t.follow(p)
	if f.Kind != remote.KindBatch || f.Rows == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.seen
	t.seen += uint64(f.Rows)
	if next := (first + t.every - 1) / t.every * t.every; t.off || next >= t.seen {
		return
	}
	t.push(tapped{frame: f.Ref(), first: first})
	signal(t.wake)
}

// follow notices that the path went back, or that another plugin has taken over.
func (t *Tap) follow(p *process) {
	if p.generation == t.generation && p.stream.Load() == t.stream {
		return
	}
	news := &TapNews{Kind: NewsSwapped, Generation: p.generation}
	if p.generation != t.generation {
		base := p.coordinator.base
		news.Kind, news.Block = NewsRewound, committed(&base)
		p.domain.mu.Lock()
		news.Cause = p.domain.why.String()
		p.domain.mu.Unlock()
	}
	first := t.stream == nil
	t.generation, t.stream = p.generation, p.stream.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off {
		return
	}
	if t.stream != nil && t.stream.Output().String() != t.output {
		t.output = t.stream.Output().String()
		t.push(tapped{typ: t.stream.Output()})
	}
	if !first {
		t.push(tapped{news: news})
	}
	signal(t.wake)
}

// push queues one thing more; the oldest of its kind gives way where there are
// too many. Types never do. t.mu is held.
func (t *Tap) push(one tapped) {
	if one.frame == nil {
		if one.news != nil {
			for t.news >= tapNews {
				t.drop(func(old tapped) bool { return old.news != nil })
			}
			t.news++
		}
		t.queue = append(t.queue, one)
		return
	}
	size, frames := one.frame.Body.Len(), tapFrames
	if t.most > 0 {
		frames = tapFewest
	}
	for t.frames > 0 && (t.frames >= frames || t.bytes+size > tapBytes) {
		t.drop(func(old tapped) bool { return old.frame != nil })
	}
	t.frames++
	t.bytes += size
	t.queue = append(t.queue, one)
}

// drop lets go of the oldest thing of a kind.
func (t *Tap) drop(kind func(tapped) bool) {
	at := slices.IndexFunc(t.queue, kind)
	t.took(t.queue[at])
	if f := t.queue[at].frame; f != nil {
		f.Free()
	}
	t.queue = slices.Delete(t.queue, at, at+1)
}

// took notes that something has left the queue.
func (t *Tap) took(one tapped) {
	switch {
	case one.news != nil:
		t.news--
	case one.frame != nil:
		t.frames--
		t.bytes -= one.frame.Body.Len()
	}
}

// Next waits for the next thing to show. io.EOF: nothing will come any more.
func (t *Tap) Next(ctx context.Context) (TapItem, error) {
	if !t.told {
		t.told = true
		return TapItem{Type: &t.typ}, nil
	}
	for {
		item, ok, err := t.item()
		if ok || err != nil {
			return item, err
		}
		state, changed := t.pathState()
		if news := t.standing(state); news != nil {
			return TapItem{News: news}, nil
		}
		if state == PathStopped || state == PathError {
			return TapItem{}, io.EOF
		}
		if err := t.wait(ctx, changed); err != nil {
			return TapItem{}, err
		}
	}
}

// wait waits until there may be something to show. io.EOF: there never will.
func (t *Tap) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-t.wake:
		return nil
	default: // what waits is shown, whatever else has happened
	}
	select {
	case <-t.wake:
	case <-changed:
	case <-t.p.domain.gone:
		return io.EOF
	case <-t.closed:
		return io.EOF
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (t *Tap) pathState() (PathState, <-chan struct{}) {
	d := t.p.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state, d.changed
}

// standing tells, once, that the path is at rest, and that it runs again.
func (t *Tap) standing(state PathState) *TapNews {
	before := t.state
	t.state = state
	if before == state {
		return nil
	}
	atRest := func(s PathState) bool {
		return s == PathPaused || s == PathStopped || s == PathError || s == PathInactive
	}
	if !atRest(state) && (before == "" || !atRest(before)) {
		return nil
	}
	news := &TapNews{Kind: NewsState, State: state}
	if state == PathError {
		news.Cause = t.p.domain.status().Cause
	}
	return news
}

// item is the next thing that waits.
func (t *Tap) item() (item TapItem, ok bool, err error) {
	for len(t.pending) == 0 {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.mu.Unlock()
			return TapItem{}, false, nil
		}
		one := t.queue[0]
		t.queue = slices.Delete(t.queue, 0, 1)
		t.took(one)
		t.mu.Unlock()
		if err := t.unpack(one); err != nil {
			return TapItem{}, false, err
		}
	}
	item = t.pending[0]
	t.pending = t.pending[1:]
	if item.Rows != nil {
		item.Rows.Missed = item.Rows.First - t.next
		t.next = item.Rows.First + uint64(item.Rows.Count)
		t.mu.Lock()
		t.given += uint64(item.Rows.Count)
		t.mu.Unlock()
	}
	return item, true, nil
}

// unpack makes items of what has left the queue.
func (t *Tap) unpack(one tapped) error {
	switch {
	case one.news != nil:
		t.pending = append(t.pending, TapItem{News: one.news})
		return nil
	case one.frame == nil:
		t.typ = one.typ
		t.pending = append(t.pending, TapItem{Type: &one.typ})
		return nil
	}
	return t.unpackRows(one)
}

// unpackRows makes items of those rows of a batch that are wanted.
func (t *Tap) unpackRows(one tapped) error {
	t.mu.Lock()
	every, most := t.every, t.most
	t.mu.Unlock()
	f := one.frame
	defer f.Free()
	body, rows := f.Body.Materialize(), uint64(f.Rows)
	give := func(from, to uint64) error {
		part := body
		if from > 0 || to < uint64(f.Rows) {
			var err error
			if part, err = transit.Slice(t.typ, body, int(from), int(to)); err != nil {
				return fmt.Errorf("look at rows of step %s: %w", t.p.spec().Step.Name, err)
			}
		}
		t.pending = append(t.pending, TapItem{Rows: &TapRows{First: one.first + from, Count: int(to - from), Generation: f.Generation, Body: part}})
		return nil
	}
	if every == 1 {
		if most > 0 {
			rows = min(rows, uint64(most))
		}
		return give(0, rows)
	}
	given := 0
	for at := (one.first + every - 1) / every * every; at < one.first+rows && (most == 0 || given < most); at += every {
		if err := give(at-one.first, at-one.first+1); err != nil {
			return err
		}
		given++
	}
	return nil
}
