package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// keeper keeps what a reader says whose source cannot be read again, until it is
// part of a checkpoint that nothing goes back beyond. A rewind replays it.
type keeper struct {
	journal *frameJournal
	from    uint64         // the position after that of the checkpoint the generation began with
	place   *remote.Cursor // the newest place in the journal; nil: none after the checkpoint
	release atomic.Uint64  // what comes before it may go; done by the goroutine that appends
}

// openKeeper opens the journal of a reader that needs one.
func (p *process) openKeeper(position uint64) error {
	if !p.spec().Register.Unrepeatable {
		return nil
	}
	j, err := p.openJournal(position, true)
	if err != nil {
		return err
	}
	p.keeper = &keeper{journal: j, from: position + 1}
	return j.frames(p.keeper.from, func(_ uint64, f *remote.Frame) (bool, error) {
		if f.Kind == remote.KindSafePoint {
			p.keeper.place = f.Cursor
		}
		return true, nil
	})
}

// goesOnAfter is the place that a reader is opened at: what the journal has it
// does not have to say again.
func (p *process) goesOnAfter(checkpoint *remote.Cursor) *remote.Cursor {
	if p.keeper == nil || p.keeper.place == nil {
		return checkpoint
	}
	return p.keeper.place
}

// replayKept sends once more what the reader said after the checkpoint.
func (p *process) replayKept(ctx context.Context) error {
	if p.keeper == nil {
		return nil
	}
	rows := uint64(0)
	err := p.keeper.journal.frames(p.keeper.from, func(_ uint64, f *remote.Frame) (bool, error) {
		f.Generation = p.generation
		rows += uint64(f.Rows)
		p.heardAt.Store(time.Now().UnixNano())
		_, err := p.hear(ctx, f)
		return true, err
	})
	p.unsettled = false // the reader begins after all of them: its next barrier is in its place
	if rows > 0 {
		p.log.Info("rows that cannot be read again were replayed from the journal", "rows", rows)
	}
	return err
}

// keep keeps a frame before anybody gets it. It survives the host once keep has
// returned, and the machine once it is part of a checkpoint.
func (p *process) keep(f *remote.Frame) error {
	if p.keeper == nil || f.Kind != remote.KindBatch && f.Kind != remote.KindSafePoint {
		return nil
	}
	if position := p.keeper.release.Swap(0); position > 0 {
		if err := p.keeper.journal.Release(position); err != nil {
			return &recordError{err: err}
		}
	}
	if err := p.keeper.journal.add(f); err != nil {
		return &recordError{err: err}
	}
	if err := p.keeper.journal.Flush(); err != nil {
		return &recordError{err: err}
	}
	return nil
}

// releaseKept forgets what readers said before a checkpoint that nothing goes
// back beyond.
func (d *domain) releaseKept(oldest uint64) error {
	base, err := d.memory.Load(oldest)
	if err != nil {
		return &recordError{number: oldest, err: err}
	}
	for _, p := range d.readers() {
		if p.keeper != nil {
			p.keeper.release.Store(base.Positions[p.spec().Name()])
		}
	}
	return nil
}
