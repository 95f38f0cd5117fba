package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/host/internal/store"
)

// DeadLetters tells the dead letters of all pipelines that have ever run on the
// store, without their rows, as store.DeadLetters does.
func (e *Engine) DeadLetters() ([]store.DeadLetter, error) { return e.cfg.Store.DeadLetters("") }

// DeadLetter reads one with its row. If there is none the error is
// store.ErrNoLetter.
func (e *Engine) DeadLetter(id string) (store.DeadLetter, error) { return e.cfg.Store.DeadLetter(id) }

// Replay gives dead letters to their steps again, at once where the pipeline
// runs, otherwise when it does. The letters go when the rows are part of a
// checkpoint that nothing will undo.
func (e *Engine) Replay(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := e.replay(id); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (e *Engine) replay(id string) error {
	letter, err := e.cfg.Store.DeadLetter(id)
	if err != nil {
		return err
	}
	domains := e.all()
	at := slices.IndexFunc(domains, func(d *domain) bool { return d.spec.Name == letter.Domain })
	if at < 0 {
		return fmt.Errorf("replay dead letter %s: this host does not run pipeline %s", id, letter.Pipeline)
	}
	d := domains[at]
	d.replays.Lock()
	defer d.replays.Unlock()
	if letter, err = e.cfg.Store.DeadLetter(id); err != nil || letter.State == store.LetterReplaying {
		return err // it is under way
	}
	if _, _, err := d.placeOf(letter); err != nil {
		return err
	}
	letter.State = store.LetterReplaying
	if err := e.cfg.Store.PutDeadLetters(letter); err != nil || !d.replays.open {
		return err
	}
	return d.replay(id)
}

// Discard forgets dead letters, all or none. One whose replay is under way may
// have been given to its step already.
func (e *Engine) Discard(ids ...string) error {
	for _, d := range e.all() {
		d.replays.Lock()
		defer d.replays.Unlock()
	}
	return e.cfg.Store.DiscardDeadLetters(ids...)
}
