package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// attempt is a checkpoint under way.
type attempt struct {
	began    time.Time
	record   store.Checkpoint
	waiting  map[*process]bool
	closing  bool          // the readers stop there
	idle     bool          // nothing was new when it began
	answered chan struct{} // closed when nobody is waited for any more
	lost     bool          // a reader ended without coming to the barrier; set before answered is closed
}

// errStuck gives up a checkpoint of a path that is to stop.
var errStuck = errors.New("a reader does not come to a safe point")

// stuckAfter is how long a reader that is to stop may be silent; idleAfter is that
// of one that has read nothing since the last checkpoint, and may be waiting for
// its node.
const (
	stuckAfter = 10 * time.Second
	idleAfter  = 500 * time.Millisecond
)

// finish waits for the answers and records the checkpoint.
func (c *coordinator) finish(ctx context.Context, a *attempt) error {
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for waiting := true; waiting; {
		select {
		case <-a.answered:
			waiting = false
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-c.domain.breached():
			return &backError{cause: err}
		case now := <-check.C:
			if c.domain.draining() && c.stuck(a, now) {
				c.abandon()
				return errStuck
			}
			if err := c.overdue(a, now); err != nil {
				return err
			}
		}
	}
	if a.lost {
		return errStuck
	}
	return c.record(a)
}

// stuck tells whether a reader has been silent for too long, or has gone on for
// too long without a safe point.
func (c *coordinator) stuck(a *attempt, now time.Time) bool {
	limit := stuckAfter
	if a.idle {
		limit = idleAfter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range a.waiting {
		if p.is(registry.Reader) && (p.lateFor(a.record.Number, now) > limit || now.Sub(a.began) > 6*limit) {
			return true
		}
	}
	return false
}

// abandon gives up a checkpoint, and all others: barriers of this one are on
// their way.
func (c *coordinator) abandon() {
	c.mu.Lock()
	c.void, c.pending = true, nil
	c.mu.Unlock()
}

// answer takes a process's answer to a barrier. closing: it is one at which
// readers stop.
func (c *coordinator) answer(p *process, f *remote.Frame) (closing bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.pending
	if a == nil && c.void {
		return c.closing, nil // it was given up while the barrier was under way
	}
	if a == nil || a.record.Number != f.Checkpoint || !a.waiting[p] {
		return false, fmt.Errorf("plugin %s answered a barrier that it was not asked for, or twice (checkpoint %d)", p.spec().Register.Plugin, f.Checkpoint)
	}
	name := p.spec().Name()
	if p.spec().Register.Type == registry.Reader {
		a.record.Readers[name] = p.placeOf(f.Cursor)
	}
	if f.Snapshot != nil && len(f.Snapshot.State) > 0 {
		if most := c.domain.settings().Checkpoint.MaxState; uint64(len(f.Snapshot.State)) > most {
			return false, &remote.Failure{Class: remote.ClassStop, Message: fmt.Sprintf(
				"its snapshot has %d bytes, more than the %d that a checkpoint may hold of one process: raise max_state in the checkpoint block, or hold less", len(f.Snapshot.State), most)}
		}
		a.record.States[name] = store.State{Version: f.Snapshot.Version, Bytes: f.Snapshot.State}
		p.stateBytes.Store(uint64(len(f.Snapshot.State)))
	}
	if err := p.position(a.record.Positions); err != nil {
		return false, err
	}
	a.record.Counts[name] = p.counted
	p.atBarrier.Store(p.rowsOut.Load())
	a.record.Replayed = append(a.record.Replayed, p.takeReplays()...)
	c.excuse(p)
	return a.closing, nil
}

// expects tells whether a process still has to answer a barrier.
func (c *coordinator) expects(p *process, number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending != nil && c.pending.record.Number == number && c.pending.waiting[p]
}

// excuse waits for a process no longer. c.mu is held.
func (c *coordinator) excuse(p *process) {
	a := c.pending
	if a == nil || !a.waiting[p] {
		return
	}
	delete(a.waiting, p)
	if len(a.waiting) == 0 {
		close(a.answered)
	}
}

// readerEnded notes that a reader has nothing more to say. Without a safe point
// after its last rows no checkpoint can be taken any more, which it tells.
func (c *coordinator) readerEnded(settled bool) (void bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !settled {
		c.void = true
		c.lose()
	}
	c.ended++
	if c.ended == len(c.domain.readers()) {
		close(c.allEnded)
	}
	return c.void
}

// lose gives up the checkpoint that is under way: the barrier of a reader will
// never come, so that those behind it will not answer. c.mu is held.
func (c *coordinator) lose() {
	a := c.pending
	if a == nil || len(a.waiting) == 0 {
		return
	}
	c.pending, a.lost = nil, true
	clear(a.waiting)
	close(a.answered)
}

// overdue finds the process that keeps a checkpoint waiting for too long.
func (c *coordinator) overdue(a *attempt, now time.Time) error {
	limit := c.domain.settings().Checkpoint.Timeout
	if now.Sub(a.began) < limit {
		return nil
	}
	c.mu.Lock()
	waiting := slices.Collect(maps.Keys(a.waiting))
	c.mu.Unlock()
	var names []string
	for _, p := range waiting {
		names = append(names, p.spec().Step.Name)
		if p.former.Load() != nil {
			continue // somebody may be looking at it in a debugger
		}
		if late := p.lateFor(a.record.Number, now); late > limit {
			return &stepError{step: p.spec().Step.Name, err: fmt.Errorf("plugin %s has not answered the barrier of checkpoint %d for %s",
				p.spec().Register.Plugin, a.record.Number, late.Round(time.Second))}
		}
	}
	slices.Sort(names)
	c.domain.warnSlow(a.record.Number, now.Sub(a.began), strings.Join(names, ", "))
	return nil
}

// recordError tells that the host itself could not keep a checkpoint.
type recordError struct {
	number uint64
	err    error
}

func (e *recordError) Error() string {
	if e.number == 0 {
		return e.err.Error() // it was about something else that the host keeps
	}
	return fmt.Sprintf("record checkpoint %d: %v", e.number, e.err)
}

func (e *recordError) Unwrap() error { return e.err }
