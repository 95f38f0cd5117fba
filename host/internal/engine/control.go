package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// These are what a person may do to the paths of a pipeline while it runs. Each
// returns once it is done, or when ctx ends, which leaves under way what has
// begun. A name that is not a pipeline's is an *UnknownError, a move that the
// path's state does not allow a *StateError.

// UnknownError tells that there is no pipeline of a name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no pipeline %q: this host runs %s", e.Name, strings.Join(e.Known, ", "))
}

// StateError tells that a path is in no state for what was asked.
type StateError struct {
	Pipeline string
	State    PathState
	Wanted   string // what was asked, such as "paused"
}

func (e *StateError) Error() string {
	state := string(e.State)
	if e.State == PathError {
		state = "in error"
	}
	return fmt.Sprintf("pipeline %s is %s and cannot be %s", e.Pipeline, state, e.Wanted)
}

// Pause takes a checkpoint and stops the pipeline there. It stays paused, also
// over restarts of the host, until it is resumed, and then goes on from there.
func (e *Engine) Pause(ctx context.Context, pipeline string) error {
	return e.alone(ctx, pipeline, func(d *domain) error {
		if d.pathState() == PathPaused {
			return nil
		}
		return d.become(ctx, wish{to: PathPaused, cause: "somebody paused it"})
	})
}

// Stop ends the pipeline and forgets its checkpoints: if it is resumed, or the
// host started again, it begins anew.
func (e *Engine) Stop(ctx context.Context, pipeline string) error {
	return e.alone(ctx, pipeline, func(d *domain) error {
		switch d.pathState() {
		case PathStopped:
			return nil
		case PathInactive, PathBackfill, PathLive:
		case PathPaused, PathError:
			if err := errors.Join(d.memory.SetNote(notePaused, nil), d.forget()); err != nil {
				return err
			}
			d.move(PathStopped, "somebody stopped it")
			e.rests(d)
			return nil
		}
		return d.become(ctx, wish{to: PathStopped, cause: "somebody stopped it"})
	})
}

// Resume lets a pipeline run again that is paused, stopped or in error.
func (e *Engine) Resume(ctx context.Context, pipeline string) error {
	return e.alone(ctx, pipeline, func(d *domain) error {
		switch state := d.pathState(); state {
		case PathBackfill, PathLive:
			return nil
		case PathPaused:
			if err := d.memory.SetNote(notePaused, nil); err != nil {
				return err
			}
		case PathStopped, PathError:
			if !e.wakes(d) {
				return errEnding
			}
		default:
			return &StateError{Pipeline: d.name, State: state, Wanted: "resumed"}
		}
		return d.resume(ctx)
	})
}

// Checkpoint takes a checkpoint now, unless nothing has moved since the last.
func (e *Engine) Checkpoint(ctx context.Context, pipeline string) error {
	return e.each(pipeline, func(d *domain) error {
		if state := d.pathState(); state != PathBackfill && state != PathLive {
			return &StateError{Pipeline: d.name, State: state, Wanted: "checkpointed: it does not run"}
		}
		d.mu.Lock()
		c := d.coordinator
		d.mu.Unlock()
		if c == nil {
			return &StateError{Pipeline: d.name, State: PathInactive, Wanted: "checkpointed: it has only just begun"}
		}
		return c.now(ctx)
	})
}

// Rewind goes back to the newest checkpoint at or before a block and reads
// again from there. A pipeline that is paused or in error stays at rest.
func (e *Engine) Rewind(ctx context.Context, pipeline string, block uint64) error {
	return e.alone(ctx, pipeline, func(d *domain) error {
		state := d.pathState()
		runs := state == PathBackfill || state == PathLive
		if !runs && state != PathPaused && state != PathError {
			return &StateError{Pipeline: d.name, State: state, Wanted: "rewound"}
		}
		if _, err := d.before(block); err != nil {
			return err
		}
		if runs {
			if err := d.become(ctx, wish{to: PathPaused, cause: fmt.Sprintf("somebody rewinds it to block %d", block), passing: true}); err != nil {
				return err
			}
			_, paused := d.memory.Note(notePaused) // by somebody who did not wait for it
			runs = !paused
		}
		number, err := d.before(block)
		if err == nil {
			err = d.goBack(number, false)
		}
		if runs {
			err = errors.Join(err, d.resume(ctx))
		}
		return err
	})
}

// alone does something to every path of a pipeline while nobody else changes
// what it is to be.
func (e *Engine) alone(ctx context.Context, pipeline string, do func(*domain) error) error {
	return e.each(pipeline, func(d *domain) error {
		d, err := d.take(ctx)
		if err != nil {
			return err
		}
		defer d.release()
		return do(d)
	})
}

// take waits until nobody else changes what a path is to be. It returns what has
// taken its place, if something has meanwhile; release gives it back.
func (d *domain) take(ctx context.Context) (*domain, error) {
	select {
	case d.control <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for pipeline %s, which somebody else changes: %w", d.name, context.Cause(ctx))
	}
	if !d.hasLeft() {
		return d, nil
	}
	d.release()
	if d.successor == nil {
		return nil, &UnknownError{Name: d.name, Known: d.engine.names()}
	}
	return d.successor.take(ctx)
}

func (d *domain) release() { <-d.control }

// each does something to every path of a pipeline. All are done, whatever
// becomes of one.
func (e *Engine) each(pipeline string, do func(*domain) error) error {
	var errs []error
	found := false
	for _, d := range e.all() {
		if d.name == pipeline || d.spec.Name == pipeline {
			found = true
			if err := do(d); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if !found {
		return &UnknownError{Name: pipeline, Known: e.names()}
	}
	return errors.Join(errs...)
}

// names are those of the pipelines, in the order of the graph.
func (e *Engine) names() []string {
	var known []string
	for _, d := range e.all() {
		if !slices.Contains(known, d.name) {
			known = append(known, d.name)
		}
	}
	return known
}

// become waits until a path that runs has become what is wanted.
func (d *domain) become(ctx context.Context, w wish) error {
	if state := d.pathState(); state != PathBackfill && state != PathLive {
		return &StateError{Pipeline: d.name, State: state, Wanted: string(w.to)}
	}
	d.desire(w)
	got, err := d.await(ctx, PathPaused, PathError, PathInactive, PathStopped)
	if err == nil && got != w.to {
		return &StateError{Pipeline: d.name, State: got, Wanted: string(w.to)}
	}
	return err
}

// await waits until a path is in one of several states.
func (d *domain) await(ctx context.Context, states ...PathState) (PathState, error) {
	for {
		d.mu.Lock()
		state, changed := d.state, d.changed
		d.mu.Unlock()
		if slices.Contains(states, state) {
			return state, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return state, fmt.Errorf("wait for pipeline %s, which is %s: %w", d.name, state, context.Cause(ctx))
		}
	}
}
