package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// notePaused is the durable note of a path that somebody has paused.
const notePaused = "paused"

// errEnding refuses what comes too late.
var errEnding = errors.New("the host is ending")

// errCutOff ends the work of a path that did not end by itself in time.
var errCutOff = errors.New("it was cut off")

// live leads a path through its states until the host stops, or until nothing
// in the host runs any more. It returns the error that the path ended with.
func (d *domain) live(ctx context.Context) error {
	defer close(d.gone)
	var err error
	if cause, paused := d.memory.Note(notePaused); paused {
		d.move(PathPaused, "it was paused in an earlier run: "+string(cause))
	} else if ctx.Err() == nil {
		err = d.session(ctx)
	}
	for ctx.Err() == nil {
		if d.pathState() != PathPaused {
			d.engine.rests(d)
		}
		select {
		case <-ctx.Done():
		case <-d.engine.idle:
			return err
		case <-d.leaving:
			return nil
		case <-d.resumed:
			d.engine.woken(d)
			err = d.session(ctx)
		}
	}
	if d.pathState() == PathPaused && !d.hasLeft() {
		cause := "the host stops"
		if _, noted := d.memory.Note(notePaused); noted {
			cause += "; it stays paused"
		}
		d.move(PathInactive, cause)
	}
	return err
}

// session runs the path until it ends, fails, or becomes what somebody wants.
func (d *domain) session(ctx context.Context) error {
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var deadline sync.WaitGroup
	defer deadline.Wait()
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { d.want(PathInactive, "the host stops") })()
	wished := d.wished()
	deadline.Go(func() {
		select {
		case <-work.Done():
			return
		case <-wished:
		}
		timer := time.NewTimer(d.settings().HardTerminateAfter)
		defer timer.Stop()
		select {
		case <-timer.C:
			stop(errCutOff)
		case <-work.Done():
		}
	})
	return d.conclude(d.work(work), errors.Is(context.Cause(work), errCutOff))
}

// conclude puts the path into the state it has come to.
func (d *domain) conclude(err error, cutOff bool) error {
	d.mu.Lock()
	w := d.wish
	d.mu.Unlock()
	switch {
	case w == nil && err == nil:
		d.move(PathStopped, "it came to its end")
		return nil
	case w == nil, d.pathState() == PathError:
		return err // it gave up, before anybody wished for anything
	}
	cause := w.cause
	switch {
	case cutOff:
		err = &Failure{Pipeline: d.name, Err: fmt.Errorf("it did not end within %s and was cut off after block %s: %s had not ended; "+
			"nothing is lost: the next start goes on from there", d.settings().HardTerminateAfter, d.committedText(), d.unfinished())}
		cause = err.Error()
	case err != nil:
		d.cfg.Logger.Warn("the path broke while it ended; nothing is lost: the next start goes on from its last checkpoint",
			"pipeline", d.name, "block", d.committedText(), "cause", err)
		err = nil
	}
	if note := d.keep(w); note != nil {
		err = errors.Join(err, note)
	}
	d.move(w.to, cause)
	return err
}

// keep makes durable what a state means for the next run of the host.
func (d *domain) keep(w *wish) error {
	var err error
	switch w.to {
	case PathPaused:
		if !w.passing {
			err = d.memory.SetNote(notePaused, []byte(w.cause))
		}
	case PathStopped:
		err = d.forget()
	default: // nothing beyond its checkpoints
	}
	if err != nil {
		return &Failure{Pipeline: d.name, Err: err}
	}
	return nil
}

// forget begins anew.
func (d *domain) forget() error {
	d.mu.Lock()
	d.newest, d.told, d.fresh = nil, 0, true
	clear(d.first)
	d.mu.Unlock()
	return errors.Join(d.memory.Forget(), d.dropJournals(), d.forgetReleased(), d.memory.SetNote(noteCondemned, nil), d.memory.SetNote(notePaused, nil), d.memory.SetNote(noteSwapped, nil))
}

func (d *domain) isFresh() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fresh
}

// want asks a path that runs to become something else. That the host stops
// outweighs all else.
func (d *domain) want(to PathState, cause string) {
	d.desire(wish{to: to, cause: cause})
}

func (d *domain) desire(w wish) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.wish == nil:
		d.wish = &w
		close(d.wishes)
	case d.wish.to == PathPaused && d.wish.passing:
		d.wish = &w
	}
}

// wished is closed when somebody wants the path to become something else.
func (d *domain) wished() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wishes
}

func (d *domain) draining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wish != nil
}

// resume lets a path that is at rest run again, and waits until it does.
func (d *domain) resume(ctx context.Context) error {
	d.mu.Lock()
	d.wish, d.failures = nil, nil
	d.wishes = make(chan struct{})
	changed := d.changed
	d.mu.Unlock()
	signal(d.resumed)
	select {
	case <-changed:
		return nil
	case <-d.gone:
		return errEnding
	case <-ctx.Done():
		return errors.Join(d.giveUpResuming(), context.Cause(ctx))
	}
}

// giveUpResuming takes back what resume has asked for, if nobody has begun yet.
func (d *domain) giveUpResuming() error {
	select {
	case <-d.resumed:
	default:
		return nil
	}
	d.engine.woken(d)
	if d.pathState() != PathPaused {
		d.engine.rests(d)
	}
	return fmt.Errorf("pipeline %s stays %s: nobody waited until it had ended what it did before", d.name, d.pathState())
}
