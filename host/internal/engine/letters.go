package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// bury puts a row that a process could not use into the dead letters. d.mu may
// be held.
func (d *domain) bury(p *process, at span, row []byte, cause error, attempts int, first time.Time) error {
	in := p.spec.Inputs[at.input]
	typ := in.From.Register.Output
	letter := store.DeadLetter{
		Domain: d.spec.Name, Pipeline: d.name, Step: p.spec.Step.Name, Input: in.From.Step.Name, Edge: in.From.Name(),
		Register: p.spec.Register.Name, TypeName: typ.Name, Schema: typ.MarshalSchema(), Row: at.from, Body: row,
		Cause: withoutStep(cause).Error(), Attempts: uint32(attempts), Generation: p.generation,
		Cursor: p.coordinator.base.Readers[firstReader(p)], First: first, Last: time.Now(), State: store.LetterDead,
	}
	failure := (*remote.Failure)(nil)
	if errors.As(cause, &failure) {
		letter.Stack = failure.Stack
	}
	p.log.Error("a row was put aside: penstock dead-letter list shows it", "row", at.from, "input", letter.Input, "attempts", attempts, "cause", letter.Cause)
	if err := d.engine.cfg.Store.PutDeadLetters(letter); err != nil {
		return &recordError{err: err}
	}
	return nil
}

// firstReader names the reader whose cursor says best where a row was.
func firstReader(p *process) string {
	for _, r := range p.domain.readers() {
		return r.spec.Name()
	}
	return ""
}

// replaying gives the process the dead letters that are to be replayed and are
// not part of a checkpoint yet.
func (d *domain) replaying(done []string) error {
	letters, err := d.engine.cfg.Store.DeadLetters(d.spec.Name)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if l.State != store.LetterReplaying || slices.Contains(done, l.ID) {
			continue
		}
		if err := d.replay(l.ID); err != nil {
			return err
		}
	}
	return nil
}

// replay gives one row to its process again, before anything else that waits.
func (d *domain) replay(id string) error {
	letter, err := d.engine.cfg.Store.DeadLetter(id)
	if err != nil {
		return err
	}
	p := d.find(letter.Step)
	if p == nil {
		return fmt.Errorf("replay dead letter %s: pipeline %s has no step %q any more: discard it, or put the step back", id, d.name, letter.Step)
	}
	for _, in := range p.spec.Inputs {
		if in.From.Step.Name == letter.Input {
			p.inputs.replay(&replayed{
				letter: id, row: letter.Row,
				frame: &remote.Frame{
					Kind: remote.KindBatch, Input: uint32(in.Input), Rows: 1, Body: remote.Bytes(letter.Body),
				},
			})
			return nil
		}
	}
	return fmt.Errorf("replay dead letter %s: step %q does not read %q any more: discard it, or put the input back", id, letter.Step, letter.Input)
}

// replayed is a dead letter on its way.
type replayed struct {
	letter string
	row    uint64
	frame  *remote.Frame
}

// replay queues a row of a dead letter. It never blocks.
func (in *inbox) replay(r *replayed) {
	in.mu.Lock()
	in.letters = append(in.letters, r)
	in.mu.Unlock()
	signal(in.ready)
}

func (in *inbox) nextLetter() *replayed {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.letters) == 0 {
		return nil
	}
	r := in.letters[0]
	in.letters = in.letters[1:]
	return r
}

// giveLetters gives the process what is to be replayed. It becomes part of the
// next checkpoint.
func (p *process) giveLetters() error {
	for r := p.inputs.nextLetter(); r != nil; r = p.inputs.nextLetter() {
		r.frame.Generation = p.generation
		p.flight.add(r.frame, r.row, r.letter)
		if err := p.stream.Send(r.frame); err != nil {
			return err
		}
		p.mu.Lock()
		p.replays = append(p.replays, r.letter)
		p.mu.Unlock()
	}
	return nil
}

// takeReplays are the letters that the process was given before the barrier
// that it answers.
func (p *process) takeReplays() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.before
	p.before = nil
	return taken
}

// dead notes that a replay has failed.
func (p *process) dead(letter string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replays = slices.DeleteFunc(p.replays, func(id string) bool { return id == letter })
	p.before = slices.DeleteFunc(p.before, func(id string) bool { return id == letter })
}

// killedBy takes dead letters back whose replay was under way when their
// process failed: they are not tried again unless somebody asks for it.
func (d *domain) killedBy(p *process, cause error) error {
	for _, id := range p.flight.replays() {
		letter, err := d.engine.cfg.Store.DeadLetter(id)
		if errors.Is(err, store.ErrNoLetter) {
			continue
		}
		if err != nil {
			return err
		}
		letter.State, letter.Attempts, letter.Last, letter.Cause = store.LetterDead, letter.Attempts+1, time.Now(), withoutStep(cause).Error()
		if err := d.engine.cfg.Store.PutDeadLetters(letter); err != nil {
			return err
		}
	}
	return nil
}

// settleLetters forgets what nothing will ever go back to: rows that are left
// out, and letters that were replayed.
func (d *domain) settleLetters(oldest uint64) error {
	base, err := d.memory.Load(oldest)
	if err != nil {
		return err
	}
	return errors.Join(d.forgive(base), d.discardReplayed(base.Replayed))
}

// discardReplayed forgets the letters that are part of a checkpoint which
// nothing will ever undo.
func (d *domain) discardReplayed(ids []string) error {
	for _, id := range ids {
		letter, err := d.engine.cfg.Store.DeadLetter(id)
		if errors.Is(err, store.ErrNoLetter) || err == nil && letter.State != store.LetterReplaying {
			continue
		}
		if err == nil {
			err = d.engine.cfg.Store.DiscardDeadLetters(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Replay gives dead letters to their steps again, at once where the pipeline
// runs, otherwise when it does. The letters go when the rows are part of a
// checkpoint that nothing will undo.
func (e *Engine) Replay(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := errors.Join(ctx.Err(), e.replayOne(id)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) replayOne(id string) error {
	letter, err := e.cfg.Store.DeadLetter(id)
	if err != nil || letter.State == store.LetterReplaying {
		return err
	}
	letter.State = store.LetterReplaying
	if err := e.cfg.Store.PutDeadLetters(letter); err != nil {
		return err
	}
	for _, d := range e.domains {
		if state := d.pathState(); d.spec.Name == letter.Domain && (state == PathBackfill || state == PathLive) {
			return d.replay(id)
		}
	}
	return nil
}
