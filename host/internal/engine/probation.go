package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// In its probation a plugin has everything but trust. The checkpoint of the cut
// is pinned: it is neither pruned nor does anything after it become final, so
// that loaders and journals can go back to it; a note says so to the next run of
// the host. If the new plugin breaks, or what reads from it does, or it puts too
// much aside or is too slow, the path goes back there, on the old plugin.

// fewRows is up to how many rows a share is not one yet.
const fewRows = 100

// What answers to barriers may take whatever they took before: on average, and
// one of them, as a machine that does much else may hold up anybody once.
const (
	slowAnswers   = 100 * time.Millisecond
	slowestAnswer = 500 * time.Millisecond
)

// backError ends a generation because its swap is to be taken back.
type backError struct{ cause error }

func (e *backError) Error() string { return e.cause.Error() }
func (e *backError) Unwrap() error { return e.cause }

// startProbation begins the probation: from now on the path goes back to the
// checkpoint of the cut if anything goes wrong, also in the next run of the host.
func (d *domain) startProbation(t *takeover, checkpoint uint64) error {
	note, err := json.Marshal(swapNote{Plugin: t.swap.Plugin, Number: t.swap.Number, Checkpoint: checkpoint, Basis: t.basis()})
	if err == nil {
		err = d.memory.SetNote(noteSwapped, note)
	}
	if err != nil {
		return &recordError{err: err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pinned, t.pin = true, checkpoint
	if !t.anew { // then the path does the rest when its streams are closed
		t.begin()
	}
	return nil
}

// begin makes the path what it is to be. t.mu is held.
func (t *takeover) begin() {
	t.domain.install(t.next)
	for _, h := range t.handovers {
		h.p.launcher = h.launcher
		h.p.former.Store(nil)
		if h.attached {
			h.before.detached = h.detached
			h.p.former.Store(&h.before)
		}
	}
	t.stage = stageProbation
	if !t.anew { // then it is watched once the streams are open
		close(t.watched)
	}
}

// count notes what the old plugins have done. t.mu is held.
func (t *takeover) count() {
	t.then = make(map[*process]tally)
	for _, p := range t.judged() {
		t.then[p] = p.tally()
		p.slowest.Store(0)
	}
}

// judged are the processes that are replaced, and all that read from them.
func (t *takeover) judged() []*process {
	reached := make(map[string]bool)
	var out []*process
	for _, p := range t.domain.processes { // producers first
		spec := p.spec()
		hit := t.of(p) != nil
		for _, e := range spec.Inputs {
			hit = hit || reached[e.From.Name()]
		}
		if hit {
			reached[spec.Name()] = true
			out = append(out, p)
		}
	}
	return out
}

// tally is what a process has done so far.
type tally struct {
	rows, bad, batches uint64
	answers            time.Duration // to barriers, on average
}

func (p *process) tally() tally {
	return tally{rows: p.rowsIn.Load(), bad: p.poisoned.Load(), batches: p.batches.Load(), answers: time.Duration(p.answers.Load())}
}

// answered notes how long the process took to answer a barrier once it had
// nothing else to say.
func (p *process) answered() {
	since := time.Unix(0, p.askedAt.Load())
	if p.listens.After(since) {
		since = p.listens
	}
	took := int64(time.Since(since))
	p.slowest.Store(max(p.slowest.Load(), took))
	if before := p.answers.Load(); before > 0 {
		took = (7*before + took) / 8
	}
	p.answers.Store(took)
}

// tryOut watches the new plugins until they are trusted, or have failed.
func (x *exchange) tryOut() error {
	x.tell(SwapProbation, "")
	began := time.Now()
	tick := time.NewTicker(min(max(x.swap.Probation.For/8, time.Millisecond), 100*time.Millisecond))
	defer tick.Stop()
	for {
		for _, t := range x.takeovers {
			if err, back := t.outcome(); back {
				x.takeBack(errOthers)
				return x.failed(err)
			}
		}
		if x.trusted(time.Since(began)) {
			if done, err := x.commit(); done {
				return err
			}
			continue
		}
		select {
		case <-x.wake:
		case <-tick.C:
			x.judge()
		}
	}
}

// trusted tells whether the probation is over.
func (x *exchange) trusted(since time.Duration) bool {
	limit := x.swap.Probation
	if limit.Off {
		return true
	}
	for _, t := range x.takeovers {
		t.mu.Lock()
		ends := t.ends
		t.mu.Unlock()
		if ends || since >= 10*limit.For {
			continue
		}
		if since < limit.For {
			return false
		}
		for _, h := range t.handovers {
			if h.p.batches.Load()-t.then[h.p].batches < limit.Batches {
				return false
			}
		}
	}
	return true
}

// judge looks for signs that the new plugins do worse than the old ones.
func (x *exchange) judge() {
	for _, t := range x.takeovers {
		if !t.at(stageProbation) {
			continue
		}
		for _, p := range t.judged() {
			if err := t.judge(p); err != nil {
				t.breaks(err)
			}
		}
	}
}

func (t *takeover) judge(p *process) error {
	limit, then, now := t.swap.Probation, t.then[p], p.tally()
	share := limit.MaxPoison
	if then.rows > 0 {
		share += float64(then.bad) / float64(then.rows)
	}
	rows, bad := now.rows-then.rows, now.bad-min(then.bad, now.bad)
	if float64(bad) > share*float64(max(rows, fewRows)) {
		return fmt.Errorf("step %s put %d of %d rows aside since the cut, more than %.3g %%", p.spec().Step.Name, bad, rows, 100*share)
	}
	if t.of(p) == nil || p.is(registry.Reader) {
		return nil
	}
	slower := time.Duration(limit.MaxSlower * float64(then.answers))
	took, slowest := now.answers, time.Duration(p.slowest.Load())
	if slowest > slowestAnswer+slower {
		took = slowest
	} else if took <= slowAnswers+slower {
		return nil
	}
	return fmt.Errorf("step %s took %s to answer a barrier, and the old one %s", p.spec().Step.Name,
		took.Round(time.Millisecond), then.answers.Round(10*time.Microsecond))
}

// breaks asks the path to take the swap back.
func (t *takeover) breaks(err error) {
	select {
	case t.breach <- err:
	default: // somebody has asked already
	}
}

// breached tells the path that its swap is to be taken back.
func (d *domain) breached() <-chan error {
	if t := d.takeover.Load(); t != nil {
		return t.breach
	}
	return nil
}

// errNotTrusted takes a swap back whose path is to rest.
var errNotTrusted = errors.New("the path was asked to end, to pause or to go back before it was trusted")

// onProbation is the path's share of a swap that may still be taken back, nil if
// there is none.
func (d *domain) onProbation() *takeover {
	if t := d.takeover.Load(); t != nil && t.at(stageProbation) {
		return t
	}
	return nil
}

// pinnedTo is the checkpoint that the path may have to go back to, whatever else
// it needs.
func (d *domain) pinnedTo() (number uint64, ok bool) {
	t := d.takeover.Load()
	if t == nil {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pin, t.pinned && t.stage != stageOver
}

// repin moves the pin with a path that has gone back to before it.
func (d *domain) repin(number uint64) error {
	pin, ok := d.pinnedTo()
	if !ok || pin <= number {
		return nil
	}
	t := d.takeover.Load()
	t.mu.Lock()
	t.pin = number
	t.mu.Unlock()
	note, err := json.Marshal(swapNote{Plugin: t.swap.Plugin, Number: t.swap.Number, Checkpoint: number, Basis: t.basis()})
	if err == nil {
		err = d.memory.SetNote(noteSwapped, note)
	}
	if err != nil {
		return &recordError{err: err}
	}
	return nil
}

// endsOnProbation has a path that has come to its end trust the new plugins:
// they have done all there was to do.
func (c *coordinator) endsOnProbation(ctx context.Context) error {
	t := c.domain.takeover.Load()
	if t == nil || t.at(stageWarm) || t.at(stageArmed) {
		return nil
	}
	t.mu.Lock()
	t.ends = true
	t.mu.Unlock()
	signal(t.wake)
	select {
	case <-t.over:
		return nil
	case err := <-t.breach:
		return &backError{cause: err}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
