package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
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

// errOnTrial tells that no checkpoint can be taken for a moment.
var errOnTrial = errors.New("no checkpoint can be taken while a row that breaks a step is left out on trial: try again in a moment")

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
		if err := t.canBegin(); err != nil {
			return err
		}
		err := error(nil)
		if d.pathState() == PathError {
			err = t.revive(ctx)
		} else {
			d.takeover.Store(t)
			err = t.ask(ctx)
		}
		if err == nil {
			return nil
		}
		d.takeover.CompareAndSwap(t, nil)
		if !isPassing(err) {
			return err
		}
		// The path goes on by itself, which is no fault of the new plugins.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		x.takeovers[i] = t.again()
		if err := x.takeovers[i].freshen(ctx); err != nil {
			return err
		}
	}
}

// isPassing tells whether a cut that was not made may be made a moment later.
func isPassing(err error) bool {
	return errors.Is(err, errBroken) || errors.Is(err, errOnTrial) || errors.As(err, new(*reorgError))
}

// freshen starts the new plugins again that are gone.
func (t *takeover) freshen(ctx context.Context) error {
	base, _, err := t.domain.memory.Newest()
	if err != nil {
		return err
	}
	for _, h := range t.handovers {
		if h.plugin != nil {
			select {
			case <-h.plugin.Done():
				h.p.stopPlugin(ctx, h.plugin)
				h.plugin = nil
			default:
				continue
			}
		}
		if err := h.warm(ctx, base); err != nil {
			return err
		}
	}
	return nil
}

// ask asks for the checkpoint of the cut, and waits until it is made. Meanwhile the
// path may break and begin again, or the new plugins relieve those that break it.
func (t *takeover) ask(ctx context.Context) error {
	d := t.domain
	for asked := (*coordinator)(nil); ; {
		d.mu.Lock()
		c := d.coordinator
		d.mu.Unlock()
		if c == nil || c == asked {
			if state := d.pathState(); state != PathBackfill && state != PathLive {
				return t.withdraw(errBroken)
			}
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-t.verdict:
				return t.await(ctx)
			case <-d.wished():
				return t.withdraw(errNotTrusted)
			case <-ctx.Done():
				return t.withdraw(context.Cause(ctx))
			}
		}
		select {
		case c.asked <- &request{takeover: t}:
			return t.await(ctx)
		case <-c.allEnded:
			return t.withdraw(errEnds)
		case <-c.over:
			asked = c
		case <-ctx.Done():
			return t.withdraw(context.Cause(ctx))
		}
	}
}

// await waits until the cut is made, or is not.
func (t *takeover) await(ctx context.Context) error {
	select {
	case <-t.watched:
		return nil
	case <-t.over:
		cause, _ := t.outcome()
		return cause
	case <-t.domain.wished():
		return t.withdraw(errNotTrusted)
	case <-ctx.Done():
		return t.withdraw(context.Cause(ctx))
	}
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

// errGivenUp is of no concern to anybody any more.
var errGivenUp = errors.New("the swap was given up")

// errEnds refuses a swap of a path that has read everything.
var errEnds = errors.New("the path comes to its end: there is nothing left to swap for")

// cut takes the checkpoint of a swap. What keeps it from being made without
// harm to the path refuses the swap; the error is one that ends the generation.
func (c *coordinator) cut(ctx context.Context, t *takeover) error {
	a, why := c.beginCut(t)
	if why != nil {
		t.refuse(why)
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
	if t.isRefused() {
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
	if !t.arm(a) {
		c.pending = nil
		return nil, errGivenUp
	}
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
		return errOnTrial
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
// False: the swap was given up meanwhile.
func (t *takeover) arm(a *attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != stageWarm || t.err != nil {
		return false
	}
	t.stage, t.attempt = stageArmed, a
	if t.anew {
		return true
	}
	for _, h := range t.handovers {
		h.checkpoint = a.record.Number
		h.p.handover.Store(h)
	}
	return true
}
