package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// coordinator takes the checkpoints of one generation. One is under way at a
// time: every reader is asked for a barrier, which flows with the rows; every
// process answers it with its state, a loader once its commit is durable; and
// when all have answered, the whole is recorded in one durable write.
type coordinator struct {
	domain *domain
	base   store.Checkpoint // what the generation began with
	moved  chan struct{}    // a reader has come further; capacity 1
	asked  chan *request    // somebody wants a checkpoint now

	allEnded chan struct{} // closed when every reader has ended
	done     chan struct{} // closed when run has returned: the last checkpoint is settled
	release  chan struct{} // closed when the ends may be passed on
	over     chan struct{} // closed with the generation, whether run was ever called or not

	mu      sync.Mutex
	pending *attempt
	last    store.Checkpoint // the newest that was recorded
	taken   time.Time        // when it was
	ended   int              // readers that have ended
	void    bool             // a reader ended where nobody could begin again: no more checkpoints
	closing bool             // readers stop at their barrier
}

// request is somebody who waits for a checkpoint.
type request struct {
	done     chan struct{}
	err      error     // set before done is closed
	takeover *takeover // a swap is to be cut over there, which is what whoever asks waits for; nil: none is
}

func newCoordinator(d *domain, base store.Checkpoint) *coordinator {
	return &coordinator{
		domain: d, base: base, last: base, taken: time.Now(),
		moved: make(chan struct{}, 1), asked: make(chan *request),
		allEnded: make(chan struct{}), done: make(chan struct{}), release: make(chan struct{}), over: make(chan struct{}),
	}
}

// run takes checkpoints until the readers have ended and the last one is
// recorded, which is nil, until ctx ends, or until one cannot be taken.
func (c *coordinator) run(ctx context.Context) error {
	defer close(c.done)
	every := time.NewTicker(c.domain.settings().Checkpoint.Every)
	defer every.Stop()
	wish := c.domain.wished()
	for {
		var by *request
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.allEnded:
			return c.close(ctx)
		case err := <-c.domain.breached():
			return &backError{cause: err}
		case <-wish:
			wish = nil
			if err := c.stopReaders(ctx); err != nil {
				return err
			}
			continue
		case <-c.domain.retuned:
			every.Reset(c.domain.settings().Checkpoint.Every)
			continue
		case by = <-c.asked:
		case <-every.C:
			if !c.inTime() {
				continue
			}
		case <-c.moved:
			if !c.atHead() {
				continue
			}
		}
		switch err := c.checkpointFor(ctx, by); {
		case errors.Is(err, errStuck): // while the path is to stop
			wish = nil
			c.endReaders()
		case err != nil:
			return err
		}
	}
}

// checkpointFor takes a checkpoint and tells whoever has asked for it, if
// somebody has.
func (c *coordinator) checkpointFor(ctx context.Context, by *request) error {
	if by != nil && by.takeover != nil {
		return c.cut(ctx, by.takeover)
	}
	err := c.checkpoint(ctx)
	if by != nil {
		by.err = err
		close(by.done)
	}
	return err
}

// close takes the last checkpoint of readers that have come to their end, and
// lets their ends pass.
func (c *coordinator) close(ctx context.Context) error {
	if err := c.endsOnProbation(ctx); err != nil {
		return err
	}
	a, err := c.begin(false)
	if err != nil {
		return err
	}
	close(c.release) // behind the barriers, which are in line by now
	if a == nil {
		return nil
	}
	if err := c.finish(ctx, a); !errors.Is(err, errStuck) {
		return err
	}
	return nil
}

// stopReaders takes a checkpoint at which the readers stop, and ends them. A
// reader that does not come to a safe point soon is ended without it: the next
// start reads again what came after the checkpoint before.
// A swap that is not trusted yet is taken back first.
func (c *coordinator) stopReaders(ctx context.Context) error {
	if c.domain.onProbation() != nil {
		return &backError{cause: errNotTrusted}
	}
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	if err := c.take(ctx, true); err != nil && !errors.Is(err, errStuck) {
		return err
	}
	c.endReaders()
	return nil
}

func (c *coordinator) endReaders() {
	for _, p := range c.domain.readers() {
		p.stopReading()
	}
}

// checkpoint takes one, unless nothing has moved since the last.
func (c *coordinator) checkpoint(ctx context.Context) error { return c.take(ctx, false) }

func (c *coordinator) take(ctx context.Context, stop bool) error {
	a, err := c.begin(stop)
	if a == nil || err != nil {
		return err
	}
	return c.finish(ctx, a)
}

// begin asks every reader for a barrier. nil: there is nothing to take. Readers
// that are to stop do so at a barrier also where nothing is new: what they are
// about to send would be behind the last checkpoint.
func (c *coordinator) begin(stop bool) (*attempt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moved, known := c.worthwhile()
	wanted := moved || stop && c.reading()
	if c.void || !known || !wanted || c.domain.isOnTrial() {
		return nil, nil
	}
	a := c.start()
	a.idle = !moved
	for _, p := range c.domain.readers() {
		p.ask(a.record.Number)
	}
	return a, nil
}

// start begins a checkpoint, of which nobody knows yet. c.mu is held.
func (c *coordinator) start() *attempt {
	a := &attempt{
		began: time.Now(), waiting: make(map[*process]bool),
		answered: make(chan struct{}), closing: c.closing,
		record: store.Checkpoint{
			Number: c.domain.memory.Next(), Generation: c.domain.current(),
			Replayed: slices.Clone(c.last.Replayed),
			Readers:  make(map[string]store.Place), States: make(map[string]store.State), Counts: make(map[string]uint64), Positions: make(map[string]uint64),
		},
	}
	for _, p := range c.domain.processes {
		a.waiting[p] = true
	}
	c.pending = a
	return a
}

// reading tells whether all readers have read something, and some have not ended.
// c.mu is held.
func (c *coordinator) reading() bool {
	return c.ended < len(c.domain.readers()) && !slices.ContainsFunc(c.domain.readers(), func(p *process) bool {
		place, _ := p.place()
		return !place.Known
	})
}

// worthwhile tells whether a reader has moved since the last checkpoint, or rows
// have come without that, as they do of joins that wait no longer and of dead
// letters; and whether all readers can say where they are.
func (c *coordinator) worthwhile() (moved, known bool) {
	for _, p := range c.domain.processes {
		moved = moved || !p.is(registry.Reader) && p.rowsOut.Load() != p.atBarrier.Load() || p.replaysWait()
	}
	for _, p := range c.domain.readers() {
		place, known := p.place()
		if !known {
			return moved, false
		}
		before := c.last.Readers[p.spec().Name()]
		moved = moved || place.Known && (!before.Known || place.Block != before.Block || place.Hash != before.Hash || string(place.Position) != string(before.Position))
	}
	return moved, true
}

// betweenEpochs bounds the time between checkpoints of a path that takes them by
// epochs.
const betweenEpochs = 30 * time.Second

// inTime tells whether a checkpoint is due because time has passed. A path that
// takes them by epochs at the head does so then only where epochs are long.
func (c *coordinator) inTime() bool {
	if e := c.domain.spec.Processes[0].Pipeline.Epoch; e == nil || e.Size <= 1 || c.domain.pathState() != PathLive {
		return true
	}
	c.mu.Lock()
	taken := c.taken
	c.mu.Unlock()
	return c.atHead() || time.Since(taken) > betweenEpochs
}

// atHead tells whether a checkpoint is due because the path follows the head:
// at every epoch there, or every block where the pipeline has no epochs.
func (c *coordinator) atHead() bool {
	if c.domain.pathState() != PathLive {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.taken) < 4*c.last.Took {
		return false // checkpoints take what time they need, and leave most of it to rows
	}
	for _, p := range c.domain.readers() {
		place, known := p.place()
		before := c.last.Readers[p.spec().Name()]
		if p.hasEnded() {
			continue
		}
		if !known || !place.Known {
			return false
		}
		if before.Known && !p.nextEpoch(before.Block, place.Block) {
			return false
		}
	}
	return true
}

// record makes a checkpoint durable.
func (c *coordinator) record(a *attempt) error {
	d := c.domain
	a.record.Time = time.Now()
	a.record.Took = a.record.Time.Sub(a.began)
	c.mu.Lock()
	void := c.void
	c.mu.Unlock()
	if !void {
		_, pinned := d.pinnedTo()
		a.record.Final = !pinned && (d.final(a.record) || c.last.Final && samePlaces(a.record, c.last))
		if err := d.memory.Record(a.record); err != nil {
			return &recordError{number: a.record.Number, err: err}
		}
	}
	c.mu.Lock()
	if !void {
		c.last, c.taken = a.record, time.Now()
		c.last.States = nil
	}
	c.pending = nil
	c.mu.Unlock()
	if void {
		return nil
	}
	d.recorded(a.record)
	return c.settle()
}

// samePlaces tells whether no reader has moved between two checkpoints.
func samePlaces(a, b store.Checkpoint) bool {
	return maps.EqualFunc(a.Readers, b.Readers, func(x, y store.Place) bool {
		return x.Known && y.Known && x.Block == y.Block && x.Hash == y.Hash && string(x.Position) == string(y.Position)
	})
}

// settle forgets checkpoints that nothing will ever go back to, and tells the
// loaders.
func (c *coordinator) settle() error {
	d := c.domain
	oldest, final, ok := d.oldestNeeded()
	if !ok {
		return nil
	}
	if final {
		// Once this is durable nothing goes back beyond it.
		if err := d.memory.MarkFinal(oldest); err != nil {
			return &recordError{number: oldest, err: err}
		}
	}
	if err := d.memory.Prune(oldest); err != nil {
		return &recordError{number: oldest, err: err}
	}
	if err := d.releaseKept(oldest); err != nil {
		return err
	}
	if err := d.settleLetters(oldest); err != nil {
		return &recordError{number: oldest, err: err}
	}
	for _, p := range d.processes {
		if p.is(registry.Loader) {
			p.inputs.command(&remote.Frame{Kind: remote.KindFinal, Generation: p.generation, Checkpoint: oldest})
		}
	}
	return nil
}

// now takes a checkpoint at once, for somebody who asked for it.
func (c *coordinator) now(ctx context.Context) error {
	r := &request{done: make(chan struct{})}
	select {
	case c.asked <- r:
	case <-c.allEnded:
		return errors.New("the path is ending, with a checkpoint of its own")
	case <-c.over:
		return errors.New("the path has just broken, and begins again at its last checkpoint")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
