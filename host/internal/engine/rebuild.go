package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
)

// rebuilding is a pipeline whose paths give way to others.
type rebuilding struct {
	engine *Engine
	change Change
	settle time.Duration
	cause  string

	old, fresh []*domain
	ran        map[*domain]bool   // of old: it ran
	paused     map[*domain]bool   // of old: somebody has paused it
	notes      map[*domain][]byte // of old: the basis of its checkpoints
	forgotten  bool               // there is nothing to go back to
}

// rebuild ends the paths of a pipeline at a checkpoint and has others go on from
// there. No old paths: the pipeline is new; no others: it is gone.
func (a *application) rebuild(ctx context.Context, c Change) error {
	b := &rebuilding{
		engine: a.engine, change: c, settle: a.want.Settle, cause: "its configuration changes",
		ran: make(map[*domain]bool), paused: make(map[*domain]bool), notes: make(map[*domain][]byte),
	}
	if b.settle == 0 {
		b.settle = time.Second
	}
	release, err := b.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	var specs []*graph.Domain
	if c.How != Remove {
		specs = a.wanted(c.Pipeline)
	} else {
		b.cause = "it is not in the configuration any more"
	}
	if err := b.plan(specs, a.tuned); err != nil {
		return err
	}
	if err := b.halt(ctx); err != nil {
		return errors.Join(err, b.resume(ctx))
	}
	if err := b.begin(ctx); err != nil {
		return b.putBack(ctx, err)
	}
	b.dismiss()
	return nil
}

// take waits until nobody else changes the pipeline.
func (b *rebuilding) take(ctx context.Context) (release func(), err error) {
	release = func() {
		for _, d := range b.old {
			d.release()
		}
	}
	for _, d := range b.engine.of(b.change.Pipeline) {
		d, err := d.take(ctx)
		if err != nil {
			release()
			return nil, err
		}
		b.old = append(b.old, d)
	}
	return release, nil
}

// plan makes the paths that are to be, and finds out whether they can go on
// where the old ones are.
func (b *rebuilding) plan(specs []*graph.Domain, cfg Config) error {
	var errs []error
	for _, spec := range specs {
		d, err := planDomain(b.engine, spec, cfg)
		if err == nil {
			err = b.fits(d)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.control <- struct{}{} // nobody else changes it until it is settled
		b.fresh = append(b.fresh, d)
	}
	return errors.Join(errs...)
}

func (b *rebuilding) fits(d *domain) error {
	if b.change.Fresh {
		return nil
	}
	if err := d.recall(); err != nil {
		return err
	}
	err := d.goesWith(b.old)
	if changed := (*ChangedError)(nil); errors.As(err, &changed) && !changed.Fresh && b.change.AcceptChanges {
		return nil
	}
	return err
}

// goesWith tells whether a path can go on from the checkpoints that are kept for
// it, where others run in its place now. What needs a new beginning is told
// before what somebody could accept.
func (d *domain) goesWith(old []*domain) error {
	var changes []string
	for _, before := range old {
		for _, p := range d.processes {
			if was := before.find(p.spec().Step.Name); was != nil {
				changes = append(changes, d.unlike(before, p.spec(), was.spec())...)
			}
		}
	}
	if len(changes) == 0 {
		return d.fits(shapeOnly)
	}
	err := &ChangedError{Pipeline: d.name, Block: "none", Changes: changes, Fresh: true}
	if d.newest != nil {
		err.Checkpoint, err.Block = d.newest.Number, blockText(committed(d.newest))
	}
	return err
}

// unlike tells why a step cannot go on where it is. Rows of one path must not
// become those of another, and a loader that has taken rows when they were final
// is not where one is that took them at once.
func (d *domain) unlike(before *domain, now, was *graph.Process) []string {
	switch {
	case before.spec.Name != d.spec.Name:
		return []string{fmt.Sprintf("step %s belongs to what begins with %s now, and did to what began with %s",
			now.Step.Name, d.processes[0].spec().Step.Name, before.processes[0].spec().Step.Name)}
	case now.Step.After != was.Step.After:
		return []string{fmt.Sprintf("step %s: after is not what it was", now.Step.Name)}
	}
	return nil
}

// halt takes a checkpoint of what runs and ends it there.
func (b *rebuilding) halt(ctx context.Context) error {
	errs := make([]error, len(b.old))
	for _, d := range b.old {
		b.notes[d], _ = d.memory.Note(noteBasis)
		if state := d.pathState(); state == PathBackfill || state == PathLive {
			b.ran[d] = true
			d.desire(wish{to: PathPaused, cause: b.cause, passing: true})
		}
	}
	for i, d := range b.old {
		state, err := d.await(ctx, PathPaused, PathError, PathInactive, PathStopped)
		if err == nil && state == PathInactive {
			err = errEnding
		}
		errs[i] = err
		_, b.paused[d] = d.memory.Note(notePaused)
	}
	return errors.Join(errs...)
}

// begin has the new paths run, and waits until they do without breaking.
func (b *rebuilding) begin(ctx context.Context) error {
	for _, d := range b.fresh {
		if err := b.inherit(d); err != nil {
			return err
		}
	}
	b.engine.replace(b.old, b.fresh)
	var errs []error
	for _, d := range b.fresh {
		errs = append(errs, b.engine.join(ctx, d))
	}
	for i, d := range b.fresh {
		if errs[i] == nil {
			errs[i] = d.settled(b.settle)
		}
	}
	return errors.Join(errs...)
}

// inherit makes a path go on where the one of its name was.
func (b *rebuilding) inherit(d *domain) error {
	at := slices.IndexFunc(b.old, func(old *domain) bool { return old.spec.Name == d.spec.Name })
	paused := at >= 0 && b.paused[b.old[at]]
	if at >= 0 {
		old := b.old[at]
		old.mu.Lock()
		d.state, d.generation = old.state, old.generation
		old.mu.Unlock()
	}
	d.why = reason{what: "its configuration has changed"}
	if len(b.old) == 0 {
		d.why = reason{what: "it is new in the configuration"}
	}
	err := d.recall()
	if b.change.Fresh {
		b.forgotten = true
		err = b.forget(d)
	}
	if err == nil && paused { // whoever paused it did not want it to begin anew
		err = d.memory.SetNote(notePaused, []byte("somebody paused it"))
	}
	if err != nil {
		return err
	}
	text, _ := d.memory.Note(noteBasis)
	return d.noteBasis(d.basis(), text)
}

// forget begins anew, also what is kept under names that a path had before.
func (b *rebuilding) forget(d *domain) error {
	err := d.forget()
	for _, old := range b.old {
		if old.spec.Name != d.spec.Name {
			err = errors.Join(err, old.forget())
		}
	}
	return err
}

// settled waits until all processes of a path have opened and none has broken
// for a while.
func (d *domain) settled(settle time.Duration) error {
	var quiet <-chan time.Time
	begun := d.begun
	if _, paused := d.memory.Note(notePaused); paused {
		return nil
	}
	for {
		select {
		case err := <-d.broke:
			return err
		case <-d.gone:
			return errEnding
		case <-begun:
			begun = nil
			timer := time.NewTimer(settle)
			defer timer.Stop()
			quiet = timer.C
		case <-quiet:
			return nil
		}
	}
}

// putBack has the old paths go on after the new ones have failed.
func (b *rebuilding) putBack(ctx context.Context, cause error) error {
	if errors.Is(cause, errEnding) {
		b.dismiss()
		return cause
	}
	var errs []error
	for _, d := range b.fresh {
		if state := d.pathState(); state == PathBackfill || state == PathLive {
			d.desire(wish{to: PathPaused, cause: "its new configuration failed", passing: true})
			_, err := d.await(ctx, PathPaused, PathError, PathInactive, PathStopped)
			errs = append(errs, err)
		}
	}
	b.engine.replace(b.fresh, b.old)
	for _, d := range b.fresh {
		b.engine.leave(d, b.successor(d, b.old))
		d.release()
	}
	for _, d := range b.old {
		errs = append(errs, b.restore(d))
	}
	errs = append(errs, b.resume(ctx))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w; and it could not be put back as it was: %w", cause, err)
	}
	switch {
	case len(b.old) == 0:
		return fmt.Errorf("it was taken out again: %w", cause)
	case b.forgotten:
		return fmt.Errorf("it was put back as it was, and begins anew, as it was to: %w", cause)
	}
	return fmt.Errorf("it was put back as it was, and goes on from its checkpoint: %w", cause)
}

// restore makes an old path know what has been recorded meanwhile.
func (b *rebuilding) restore(d *domain) error {
	if b.forgotten {
		return d.forget()
	}
	return errors.Join(d.memory.SetNote(noteBasis, b.notes[d]), d.recall())
}

// resume has the old paths run again that ran.
func (b *rebuilding) resume(ctx context.Context) error {
	var errs []error
	for _, d := range b.old {
		if !b.ran[d] || b.paused[d] || d.pathState() != PathPaused {
			continue
		}
		d.mu.Lock()
		d.why = reason{what: "it was put back as it was"}
		d.mu.Unlock()
		errs = append(errs, d.resume(ctx))
	}
	return errors.Join(errs...)
}

// dismiss lets go of the old paths.
func (b *rebuilding) dismiss() {
	b.engine.replace(b.old, b.fresh) // those that are gone
	for _, d := range b.old {
		if len(b.fresh) == 0 && d.pathState() == PathPaused {
			d.move(PathInactive, b.cause)
		}
		b.engine.leave(d, b.successor(d, b.fresh))
	}
	for _, d := range b.fresh {
		d.release()
	}
}

// successor is what whoever waits for a path is to act on instead.
func (b *rebuilding) successor(d *domain, of []*domain) *domain {
	for _, other := range of {
		if other.spec.Name == d.spec.Name {
			return other
		}
	}
	if len(of) > 0 {
		return of[0]
	}
	return nil
}
