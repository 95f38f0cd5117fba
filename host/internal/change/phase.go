package change

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// setCurrent says which swap is under way, nil: none.
func (c *Changes) setCurrent(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = a
}

// phase tells everybody that the swap has come to a phase of which the engine
// does not know.
func (a *attempt) phase(to engine.Phase, cause string) {
	a.mu.Lock()
	from := a.record.Phase
	a.mu.Unlock()
	ev := engine.Event{
		Time: time.Now(), Kind: engine.EventSwap, Plugin: a.record.Plugin, Swap: a.record.Number, From: from, To: string(to), Cause: cause,
	}
	log := a.changes.cfg.Logger.Info
	if to == engine.SwapRefused {
		log = a.changes.cfg.Logger.Warn
	}
	log("swap", "plugin", ev.Plugin, "swap", ev.Swap, "phase", ev.To, "what", cause)
	if a.changes.cfg.Events != nil {
		a.changes.cfg.Events(ev)
	}
	a.note(ev)
}

// hear is told of the phases that the engine brings the swap to, which the engine
// tells everybody else itself.
func (a *attempt) hear(to engine.Phase, cause string) {
	if to == engine.SwapProbation && !a.request.NoProbation {
		cause = "for " + orElse(a.request.Probation, usualProbation).String()
	}
	a.note(engine.Event{
		Time: time.Now(), Kind: engine.EventSwap, Plugin: a.record.Plugin, Swap: a.record.Number, From: a.picture().Phase, To: string(to), Cause: cause,
	})
}

// note takes over how far the swap has come.
func (a *attempt) note(ev engine.Event) {
	a.mu.Lock()
	switch to := engine.Phase(ev.To); to {
	case engine.SwapRefused, engine.SwapRolledBack:
		a.isOver = true
	case engine.SwapCut, engine.SwapProbation:
		a.isCut = true
		a.record.Phase = ev.To
	default:
		a.record.Phase = ev.To
	}
	a.mu.Unlock()
	if a.request.Progress != nil {
		a.request.Progress(ev)
	}
}

// noteTargets puts into the record what becomes what.
func (a *attempt) noteTargets() {
	steps := make([]store.SwapStep, 0, len(a.targets))
	for _, t := range a.targets {
		steps = append(steps, store.SwapStep{Step: t.process.Name(), From: a.changes.binary(t.from), To: a.changes.binary(t.to)})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record.Steps = steps
}

// picture is the record as it is now.
func (a *attempt) picture() Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record
}

func (a *attempt) wasCut() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.isCut
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return plural(int(n), "byte")
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
