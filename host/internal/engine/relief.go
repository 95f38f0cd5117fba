package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A plugin is often swapped because the one that runs fails. Then there is no
// barrier to make the cut at: the path breaks before it comes, or has given up.
// The new plugins take over between two generations instead, at the newest
// checkpoint. They are on probation from there, and if they fail too, the path is
// what it was.

// relieves has the new plugins take over from one that has failed again and
// again, before a cut could be made. No stream is open. False: it is a failure
// like any other. The error is final.
func (t *takeover) relieves(cause error) (bool, error) {
	d := t.domain
	if d.draining() || !d.failedLately() || errors.As(cause, new(*reorgError)) || errors.As(cause, new(*recordError)) {
		return false, nil
	}
	if p := d.find(stepOf(cause)); p == nil || t.of(p) == nil {
		return false, nil
	}
	return t.relieve()
}

// failedLately tells whether the path has failed before, and not only now.
func (d *domain) failedLately() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.processes {
		if p.suspicion != nil {
			return true
		}
	}
	return len(d.failures) > 0
}

// mayMend tells whether new plugins may be what a path needs that gave up in a
// step: they are its own, or it reads from them.
func (t *takeover) mayMend(step string) bool {
	return slices.ContainsFunc(t.judged(), func(p *process) bool { return p.spec().Step.Name == step })
}

// failedStep is the step that the path gave up in, "" if it was none in particular.
func (d *domain) failedStep() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failedIn
}

// named is a step in the middle of a sentence, where there is one.
func named(step string) string {
	if step == "" {
		return ""
	}
	return ", step " + step + ","
}

// relieve puts the new plugins in the places of the old ones at the newest
// checkpoint. False: the swap was given up meanwhile.
func (t *takeover) relieve() (bool, error) {
	d := t.domain
	base, _, err := d.memory.Newest()
	if err != nil {
		return false, &recordError{number: base.Number, err: err}
	}
	if !t.isToRelieve() {
		return false, nil
	}
	if err := d.startProbation(t, base.Number); err != nil {
		return false, errors.Join(err, t.takeBack(err))
	}
	d.forgetSuspicions(t) // rows that broke the old ones may not break the new ones
	t.beginAnew()
	return true, nil
}

// isToRelieve settles that the new plugins take over, unless the swap was given up.
func (t *takeover) isToRelieve() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage > stageArmed || t.err != nil {
		return false
	}
	t.anew, t.relief = true, true
	t.decide(nil)
	t.broke = time.Now()
	return true
}

// revive has a path that gave up begin again with the new plugins, and returns
// once it has. The caller has the path's control.
func (t *takeover) revive(ctx context.Context) error {
	d := t.domain
	if !d.engine.wakes(d) {
		return t.withdraw(errEnding)
	}
	d.mu.Lock()
	d.relief = t
	d.mu.Unlock()
	if err := d.resume(ctx); err != nil {
		return t.withdraw(err)
	}
	return t.await(ctx)
}

// beginRelieved has the new plugins take over in a path that gave up, if that is
// what it begins again for. The error is final.
func (d *domain) beginRelieved() error {
	d.mu.Lock()
	t := d.relief
	d.relief = nil
	d.mu.Unlock()
	if t == nil {
		return nil
	}
	t.gaveUp = d.still()
	d.takeover.Store(t)
	d.move(PathBackfill, fmt.Sprintf("another plugin %s takes over", t.swap.Plugin))
	done, err := t.relieve()
	switch {
	case err != nil:
		return d.fail(err, false)
	case !done: // nobody wants it to begin again any more
		return d.fail(t.gaveUp, false)
	}
	return nil
}

// stillError has a path give up once more, for the reason that it gave up for
// before a swap was tried.
type stillError struct {
	failure *Failure
	step    string
}

func (e *stillError) Error() string { return e.failure.Error() }
func (e *stillError) Unwrap() error { return e.failure }

// still is what a path in error has given up for.
func (d *domain) still() *stillError {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := &stillError{failure: &Failure{Pipeline: d.name, Err: d.cause}, step: d.failedIn}
	errors.As(d.cause, &e.failure)
	return e
}

// withdraw gives the takeover up, unless it is too late for that: then it is
// waited for.
func (t *takeover) withdraw(why error) error {
	if t.refuse(why) {
		t.leave()
		return why
	}
	return t.settled()
}

// settled waits until the new plugins are on probation, or the swap was taken back.
func (t *takeover) settled() error {
	select {
	case <-t.watched:
		return nil
	case <-t.over:
		cause, _ := t.outcome()
		return cause
	}
}
