package engine

import (
	"encoding/json"
	"fmt"
)

// commit makes the new plugins the ones that run. done is false where a path has
// gone back in the same moment, or is about to.
func (x *exchange) commit() (done bool, err error) {
	for i, t := range x.takeovers {
		if t.move(stageProbation, stageCommitting) {
			continue
		}
		for _, before := range x.takeovers[:i] {
			before.move(stageCommitting, stageProbation)
		}
		<-t.over // it has just gone back
		return false, nil
	}
	if err := x.keep(); err != nil {
		err = fmt.Errorf("it did well, but that could not be kept: %w", err)
		for _, t := range x.takeovers {
			t.move(stageCommitting, stageProbation)
		}
		x.takeBack(err)
		return true, x.failed(err)
	}
	for _, t := range x.takeovers {
		t.mu.Lock()
		t.close()
		t.mu.Unlock()
		t.domain.takeover.CompareAndSwap(t, nil)
		for _, h := range t.handovers {
			if former := h.before.former; former != nil && former.detached != nil {
				former.detached(fmt.Sprintf("another plugin %s has taken its place", x.swap.Plugin))
			}
		}
	}
	x.tell(SwapCommitted, "")
	return true, nil
}

// keep makes it durable that the new plugins run.
func (x *exchange) keep() error {
	if x.swap.Commit != nil {
		if err := x.swap.Commit(); err != nil {
			return err
		}
	}
	for _, t := range x.takeovers {
		d := t.domain
		before, _ := d.memory.Note(noteBasis)
		if err := d.noteBasis(t.basis(), before); err != nil {
			return err
		}
		if err := d.memory.SetNote(noteSwapped, nil); err != nil {
			return err
		}
	}
	return nil
}

// move brings the takeover from one stage to another, if it is there.
func (t *takeover) move(from, to stageOfSwap) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != from {
		return false
	}
	t.stage = to
	return true
}

// basis is what checkpoints of the path go with after the swap. What a plugin
// that is attached for a while is set to is not remembered.
func (t *takeover) basis() map[string]map[string]string {
	out := make(map[string]map[string]string)
	for p, spec := range t.next {
		if h := t.of(p); h != nil && h.attached {
			spec = h.before.spec
		}
		out[spec.Name()] = spec.Basis()
	}
	return out
}

// recallSwap goes back to where a swap was cut over that was not trusted yet when
// the host ended.
func (d *domain) recallSwap() error {
	text, ok := d.memory.Note(noteSwapped)
	if !ok {
		return nil
	}
	var note swapNote
	if err := json.Unmarshal(text, &note); err != nil {
		return fmt.Errorf("pipeline %s: read which swap was under way: %w", d.name, err)
	}
	number := uint64(0)
	for _, c := range d.memory.Kept() {
		if c.Number <= note.Checkpoint {
			number = c.Number
		}
	}
	d.cfg.Logger.Warn("the host ended while another version of a plugin was in its probation: the path goes back to the checkpoint before it",
		"pipeline", d.name, "plugin", note.Plugin, "swap", note.Number, "checkpoint", number)
	return d.memory.Rewind(number, false)
}

// swappedBasis is what checkpoints go with if that swap was committed and the
// host ended before it had noted that; nothing if there was none.
func (d *domain) swappedBasis() map[string]map[string]string {
	text, ok := d.memory.Note(noteSwapped)
	var note swapNote
	if !ok || json.Unmarshal(text, &note) != nil {
		return nil
	}
	return note.Basis
}
