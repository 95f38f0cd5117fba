package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// hold keeps the rows of a loader that takes final rows only. What comes for the
// loader goes to a journal, whose position is the loader's part of a checkpoint;
// when a checkpoint becomes final, what lies before it is given to the loader,
// with the barrier. So the loader's own checkpoint lags behind the domain's: it
// is remembered apart.
type hold struct {
	journal  *frameJournal
	released released
	answered chan uint64 // barriers that the loader has answered
}

// released is how far a loader has been given what is final.
type released struct {
	Checkpoint uint64                 `json:"checkpoint"`
	Position   uint64                 `json:"position"`
	Readers    map[string]store.Place `json:"readers,omitempty"`
	Counts     map[string]uint64      `json:"counts,omitempty"`
	Replayed   []string               `json:"replayed,omitempty"` // dead letters whose rows the loader has
}

func (p *process) holds() bool { return p.is(registry.Loader) && p.spec().Step.After == "final" }

func (p *process) noteReleased() string { return "released " + p.spec().Step.Name }

// openHold finds how far the loader is and opens its journal as it was at the
// checkpoint that the generation begins with.
func (p *process) openHold(from store.Checkpoint) error {
	if !p.holds() {
		return nil
	}
	h := &hold{answered: make(chan uint64, 1)}
	if text, ok := p.domain.memory.Note(p.noteReleased()); ok && from.Number > 0 {
		if err := json.Unmarshal(text, &h.released); err != nil {
			return &recordError{err: fmt.Errorf("read how far step %s is: %w", p.spec().Step.Name, err)}
		}
	}
	j, err := p.openJournal(from.Positions[p.spec().Name()], false)
	if err != nil {
		return err
	}
	h.journal, p.hold = j, h
	return nil
}

// forgetReleased begins anew.
func (d *domain) forgetReleased() error {
	for _, p := range d.processes {
		if p.holds() {
			if err := d.memory.SetNote(p.noteReleased(), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// opensAt is the checkpoint that the process's plugin goes on from.
func (p *process) opensAt(from store.Checkpoint) store.Checkpoint {
	if p.hold == nil {
		return from
	}
	at := p.hold.released
	return store.Checkpoint{Number: at.Checkpoint, Readers: at.Readers, Counts: at.Counts}
}

// passHeld keeps a frame for the loader, or gives it what has become final.
func (p *process) passHeld(ctx context.Context, f *remote.Frame) error {
	switch f.Kind {
	case remote.KindBatch:
		p.inputs.edges[f.Input].rows += uint64(f.Rows)
		return p.holdBack(f)
	case remote.KindSafePoint:
		return p.holdBack(f)
	case remote.KindBarrier:
		if err := p.holdBack(f); err != nil {
			return err
		}
		return p.answerHeld(f.Checkpoint)
	case remote.KindFinal:
		return p.releaseUpTo(ctx, f.Checkpoint)
	case remote.KindEnded, remote.KindDrain:
		select {
		case <-p.coordinator.done: // what has become final with the last checkpoint is given out first
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for g := p.inputs.commanded(); g != nil; g = p.inputs.commanded() {
			if err := p.passHeld(ctx, g); err != nil {
				return err
			}
		}
		return p.stream.Load().Send(f)
	default:
		return p.stream.Load().Send(f)
	}
}

func (p *process) holdBack(f *remote.Frame) error {
	if err := p.hold.journal.add(f); err != nil {
		return &recordError{err: err}
	}
	return nil
}

// answerHeld answers a barrier for the loader: what it will get is durable.
func (p *process) answerHeld(checkpoint uint64) error {
	p.note(checkpoint)
	_, err := p.coordinator.answer(p, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: checkpoint})
	return err
}

// releaseUpTo gives the loader what lies before a checkpoint that is final.
func (p *process) releaseUpTo(ctx context.Context, checkpoint uint64) error {
	h := p.hold
	base, ok := p.domain.kept(checkpoint)
	if !ok || !base.Final || checkpoint <= h.released.Checkpoint {
		return nil // it is only the oldest that is kept, or a later one is final by now
	}
	if err := h.journal.Flush(); err != nil {
		return &recordError{err: err}
	}
	next := released{
		Checkpoint: checkpoint, Position: base.Positions[p.spec().Name()],
		Readers: base.Readers, Counts: base.Counts, Replayed: h.released.Replayed,
	}
	given := maps.Clone(h.released.Counts)
	if given == nil {
		given = make(map[string]uint64)
	}
	err := h.journal.frames(h.released.Position+1, func(position uint64, f *remote.Frame) (bool, error) {
		if position > next.Position {
			return false, nil
		}
		if f.Kind == remote.KindBarrier {
			return true, nil // of a checkpoint before
		}
		f.Generation = p.generation
		if f.Kind == remote.KindBatch {
			edge := p.inputs.edges[f.Input].spec.From.Name()
			p.flight.add(f, given[edge], "")
			given[edge] += uint64(f.Rows)
		}
		return true, p.stream.Load().Send(f)
	})
	if err != nil {
		return err
	}
	return p.seal(ctx, next)
}

// kept finds a checkpoint that the domain can go back to.
func (d *domain) kept(number uint64) (c store.Checkpoint, ok bool) {
	for _, c := range d.memory.Kept() {
		if c.Number == number {
			return c, true
		}
	}
	return c, false
}

// seal has the loader commit what it was given, and remembers that it has.
func (p *process) seal(ctx context.Context, next released) error {
	p.sealReplays()
	if err := p.stream.Load().Send(&remote.Frame{Kind: remote.KindBarrier, Generation: p.generation, Checkpoint: next.Checkpoint}); err != nil {
		return err
	}
	select {
	case answered := <-p.hold.answered:
		if answered != next.Checkpoint {
			return p.failed(fmt.Errorf("plugin %s answered the barrier of checkpoint %d, but was asked for %d", p.spec().Register.Plugin, answered, next.Checkpoint))
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	replayed := p.takeReplays()
	next.Replayed = append(slices.Clone(next.Replayed), replayed...)
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := p.domain.memory.SetNote(p.noteReleased(), text); err != nil {
		return &recordError{err: err}
	}
	p.hold.released = next
	if err := errors.Join(p.domain.discardReplayed(replayed), p.hold.journal.Release(next.Position)); err != nil {
		return &recordError{err: err}
	}
	return p.stream.Load().Send(&remote.Frame{Kind: remote.KindFinal, Generation: p.generation, Checkpoint: next.Checkpoint})
}
