package engine

import (
	"context"
	"slices"
)

// replace puts paths in the place of others in the list of all. Those that are
// there already stay.
func (e *Engine) replace(old, fresh []*domain) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := len(e.domains)
	if len(old) > 0 {
		if i := slices.Index(e.domains, old[0]); i >= 0 {
			at = i
		}
	}
	out := slices.Clone(e.domains[:at])
	for _, d := range fresh {
		if !slices.Contains(e.domains, d) {
			out = append(out, d)
		}
	}
	out = append(out, e.domains[at:]...)
	e.domains = slices.DeleteFunc(out, func(d *domain) bool { return slices.Contains(old, d) })
}

// join has Run lead a path from now on.
func (e *Engine) join(ctx context.Context, d *domain) error {
	e.mu.Lock()
	e.active++
	e.mu.Unlock()
	select {
	case e.joins <- d:
		return nil
	case <-e.ended:
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fewer()
	d.rests = true
	close(d.gone) // nobody will run it
	return errEnding
}

// leave ends the life of a path that rests.
func (e *Engine) leave(d, successor *domain) {
	e.mu.Lock()
	if !d.rests {
		d.rests = true
		e.fewer()
	}
	e.mu.Unlock()
	d.successor = successor
	close(d.leaving)
}

func (d *domain) hasLeft() bool {
	select {
	case <-d.leaving:
		return true
	default:
		return false
	}
}

// hasBegun notes that all processes have opened.
func (d *domain) hasBegun() {
	select {
	case <-d.begun:
	default:
		close(d.begun)
	}
}

// breaks notes why a generation has failed, if somebody waits for it.
func (d *domain) breaks(cause error) {
	select {
	case d.broke <- cause:
	default:
	}
}
