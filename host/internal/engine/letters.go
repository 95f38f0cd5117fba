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
	in := p.spec().Inputs[at.input]
	typ := in.From.Register.Output
	letter := store.DeadLetter{
		Domain: d.spec.Name, Pipeline: d.name, Step: p.spec().Step.Name, Input: in.From.Step.Name, Edge: in.From.Name(),
		Register: p.spec().Register.Name, TypeName: typ.Name, Schema: typ.MarshalSchema(), Row: at.from, Body: row,
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
		return r.spec().Name()
	}
	return ""
}

// replaying begins a generation: dead letters whose rows will come again by
// themselves are forgotten, and those that are to be replayed and are not part
// of the checkpoint are given out.
func (d *domain) replaying(base store.Checkpoint) error {
	d.replays.Lock()
	defer d.replays.Unlock()
	letters, err := d.engine.cfg.Store.DeadLetters(d.spec.Name)
	if damage := (*store.DamageError)(nil); errors.As(err, &damage) {
		d.cfg.Logger.Error("a dead letter cannot be read", "pipeline", d.name, "error", err)
		err = nil
	}
	if err != nil {
		return err
	}
	left, err := d.condemnedRows()
	if err != nil {
		return err
	}
	var again []string
	for _, l := range letters {
		p, _, lost := d.placeOf(l)
		switch {
		case lost == nil && l.Row >= p.opensAt(base).Counts[l.Edge] && !left.has(p, l):
			again = append(again, l.ID)
		case l.State != store.LetterReplaying || slices.Contains(base.Replayed, l.ID) || p != nil && p.hold != nil && slices.Contains(p.hold.released.Replayed, l.ID):
		case lost != nil:
			d.cfg.Logger.Error("a dead letter is not replayed", "pipeline", d.name, "error", lost)
			err = d.deadAgain(l.ID, lost, 0)
		default:
			err = d.replay(l.ID)
		}
		if err != nil {
			return err
		}
	}
	d.replays.open = true
	return d.engine.cfg.Store.DiscardDeadLetters(again...)
}

// readsFrom tells whether one of the process's inputs is that of a dead letter.
func (p *process) readsFrom(input uint32, l store.DeadLetter) bool {
	return int(input) < len(p.spec().Inputs) && p.spec().Inputs[input].From.Name() == l.Edge
}

// replayEnds makes dead letters wait for the next generation.
func (d *domain) replayEnds() {
	d.replays.Lock()
	defer d.replays.Unlock()
	d.replays.open = false
}

// placeOf finds where the row of a dead letter belongs.
func (d *domain) placeOf(l store.DeadLetter) (p *process, input uint32, err error) {
	if p = d.find(l.Step); p == nil {
		return nil, 0, fmt.Errorf("replay dead letter %s: pipeline %s has no step %q any more: discard it, or put the step back", l.ID, d.name, l.Step)
	}
	for _, in := range p.spec().Inputs {
		if p.readsFrom(uint32(in.Input), l) {
			return p, uint32(in.Input), nil
		}
	}
	return nil, 0, fmt.Errorf("replay dead letter %s: step %q does not read %q any more: discard it, or put the input back", l.ID, l.Step, l.Input)
}

// replay gives one row to its process again, before anything else that waits.
func (d *domain) replay(id string) error {
	letter, err := d.engine.cfg.Store.DeadLetter(id)
	if err != nil {
		return err
	}
	p, input, err := d.placeOf(letter)
	if err == nil {
		p.inputs.replay(&replayed{
			letter: id, row: letter.Row,
			frame: &remote.Frame{Kind: remote.KindBatch, Input: input, Rows: 1, Body: remote.Bytes(letter.Body)},
		})
	}
	return err
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

// hasLetters tells whether rows wait to be replayed.
func (in *inbox) hasLetters() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.letters) > 0
}

// replaysWait tells whether rows were or are to be replayed that are not part
// of a checkpoint.
func (p *process) replaysWait() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.replays) > 0 || p.inputs.hasLetters()
}

// giveLetters gives the process what is to be replayed, each row by itself, so
// that nobody else is blamed if it breaks the process, and it for nobody else.
// It becomes part of the next checkpoint.
func (p *process) giveLetters(ctx context.Context) error {
	for r := p.inputs.nextLetter(); r != nil; r = p.inputs.nextLetter() {
		if err := p.getThrough(ctx); err != nil {
			return err
		}
		r.frame.Generation = p.generation
		p.flight.add(r.frame, r.row, r.letter)
		p.mu.Lock()
		p.replays = append(p.replays, r.letter)
		p.mu.Unlock()
		if err := p.stream.Load().Send(r.frame); err != nil {
			return err
		}
		if err := p.getThrough(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sealReplays makes the letters that the process was given part of the
// checkpoint whose barrier comes next.
func (p *process) sealReplays() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.replays = append(p.before, p.replays...), nil
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
func (d *domain) killedBy(cause error) error {
	p := d.find(stepOf(cause))
	if p == nil || p.flight == nil {
		return nil
	}
	for _, id := range p.flight.replays() {
		if err := d.deadAgain(id, withoutStep(cause), 1); err != nil {
			return err
		}
	}
	return nil
}

// deadAgain puts a letter back whose replay has failed so many times more.
func (d *domain) deadAgain(id string, cause error, times uint32) error {
	letter, err := d.engine.cfg.Store.DeadLetter(id)
	if errors.Is(err, store.ErrNoLetter) {
		return nil
	}
	if err != nil {
		return &recordError{err: err}
	}
	letter.State, letter.Attempts, letter.Last, letter.Cause, letter.Stack = store.LetterDead, letter.Attempts+times, time.Now(), cause.Error(), ""
	if failure := (*remote.Failure)(nil); errors.As(cause, &failure) {
		letter.Stack = failure.Stack
	}
	if err := d.engine.cfg.Store.PutDeadLetters(letter); err != nil {
		return &recordError{err: err}
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
