package change

import (
	"errors"
	"slices"

	"github.com/penstock-io/penstock/host/internal/store"
)

// History tells the swaps that are remembered, oldest first, with the one under
// way: those of a plugin, or of all if it is "", and the newest of them if limit
// is not 0. That some cannot be read is a *store.DamageError beside the others.
func (c *Changes) History(plugin string, limit int) ([]Record, error) {
	swaps, err := c.cfg.Store.Swaps()
	if err != nil && !errors.As(err, new(*store.DamageError)) {
		return nil, err
	}
	c.mu.Lock()
	a := c.current
	c.mu.Unlock()
	if a != nil {
		current := a.picture()
		swaps = slices.DeleteFunc(swaps, func(r Record) bool { return r.Number == current.Number })
		swaps = append(swaps, current)
	}
	if plugin != "" {
		swaps = slices.DeleteFunc(swaps, func(r Record) bool { return r.Plugin != plugin })
	}
	if limit > 0 && len(swaps) > limit {
		swaps = swaps[len(swaps)-limit:]
	}
	return swaps, err
}

// settle ends the records of swaps in the middle of which a host has died: the
// steps run what they ran before.
func (c *Changes) settle() {
	swaps, err := c.cfg.Store.Swaps()
	if err != nil {
		c.cfg.Logger.Warn("the history of swaps is not whole", "error", err)
	}
	for _, r := range swaps {
		if r.Outcome != store.SwapUnderWay {
			continue
		}
		r.Outcome = store.SwapInterrupted
		r.Cause = "the host was killed in the middle of it; it went on with the bytes before"
		if err := c.cfg.Store.PutSwap(r); err != nil {
			c.cfg.Logger.Warn("the history of swaps does not say that one was interrupted", "swap", r.Number, "error", err)
		}
	}
}

// keptSwaps is how many committed swaps of each plugin can be gone back over: the
// bytes before and after them are kept.
const keptSwaps = 5

// tidy removes bytes that no step runs and nobody can go back to.
func (c *Changes) tidy() {
	swaps, err := c.cfg.Store.Swaps()
	if err != nil && !errors.As(err, new(*store.DamageError)) {
		c.cfg.Logger.Warn("binaries that are not needed any more stay where they are", "error", err)
		return
	}
	var keep []string
	seen := make(map[string]int)
	for _, r := range slices.Backward(swaps) {
		if r.Outcome != store.SwapCommitted || seen[r.Plugin] == keptSwaps {
			continue
		}
		seen[r.Plugin]++
		for _, step := range r.Steps {
			keep = append(keep, step.From.Digest, step.To.Digest)
		}
	}
	if err := c.running().catalog.Collect(keep...); err != nil {
		c.cfg.Logger.Warn("binaries that are not needed any more stay where they are", "error", err)
	}
}
