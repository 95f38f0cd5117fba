package change

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// RollbackRequest says whose newest swap is taken back. Plugin is required; the
// other fields are those of a SwapRequest.
type RollbackRequest struct {
	Plugin      string
	Lock        bool
	NoProbation bool
	Probation   time.Duration
	Timeout     time.Duration
	Progress    func(engine.Event)
}

// Rollback takes the newest committed swap of a plugin back: its steps run again
// what they ran before it. That is a swap like any other, with all that is
// checked, and is remembered as one, so that a second rollback takes back the
// first. What the swap has changed in the lock file is taken back too.
func (c *Changes) Rollback(ctx context.Context, r RollbackRequest) (Record, error) {
	if err := config.CheckPluginName(r.Plugin); err != nil {
		return Record{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, orElse(r.Timeout, usualTimeout))
	defer cancel()
	done, err := c.begin(waiting, "the rollback of plugin "+r.Plugin)
	if err != nil {
		return Record{}, err
	}
	defer done()
	now := c.running()
	steps, err := stepsOf(now.graph, r.Plugin, nil)
	if err == nil {
		err = c.free(steps)
	}
	if err != nil {
		return Record{}, err
	}
	last, err := c.newest(r.Plugin)
	if err != nil {
		return Record{}, err
	}
	a, err := c.attempt(now, SwapRequest{
		Plugin: r.Plugin, Lock: r.Lock || last.Locked, NoProbation: r.NoProbation, Probation: r.Probation, Timeout: r.Timeout, Progress: r.Progress,
	})
	if err != nil {
		return Record{}, err
	}
	a.record.Undoes = last.Number
	return a.carryOut(ctx, func(ctx context.Context) error { return a.backOver(ctx, last) })
}

// newest is the newest committed swap of a plugin.
func (c *Changes) newest(plugin string) (Record, error) {
	swaps, err := c.cfg.Store.Swaps()
	if err != nil && !errors.As(err, new(*store.DamageError)) {
		return Record{}, err
	}
	for _, r := range slices.Backward(swaps) {
		if r.Plugin == plugin && r.Outcome == store.SwapCommitted {
			return r, nil
		}
	}
	return Record{}, fmt.Errorf("no swap of plugin %s was ever committed on this data directory, so there is nothing to go back to; penstock plugin history lists all swaps", plugin)
}

// backOver aims at what the steps of a swap ran before it.
func (a *attempt) backOver(ctx context.Context, last Record) error {
	before := make(map[string]catalog.Artifact)
	processes := byName(a.now.graph)
	for _, step := range last.Steps {
		p := processes[step.Step]
		if p == nil || p.Register.Plugin != last.Plugin {
			continue // it does not run any more
		}
		runs, err := a.now.catalog.Current(last.Plugin, step.Step)
		if err != nil {
			return err
		}
		if runs.Digest != step.To.Digest {
			return fmt.Errorf("step %s runs %s, which is not what swap #%d left (%s), because its binary was replaced while no host ran: name the binary that it is to run, with penstock plugin swap %s PATH",
				step.Step, catalog.Short(runs.Digest), last.Number, catalog.Short(step.To.Digest), last.Plugin)
		}
		to, known := before[step.From.Digest]
		if !known {
			if to, err = a.recall(ctx, step.From); err != nil {
				return err
			}
			before[step.From.Digest] = to
		}
		a.targets = append(a.targets, target{process: p, to: to})
	}
	if len(a.targets) == 0 {
		return fmt.Errorf("no step that swap #%d was about runs any more, so there is nothing to take back", last.Number)
	}
	return nil
}

// recall finds bytes in the host's store.
func (a *attempt) recall(ctx context.Context, b store.SwapBinary) (catalog.Artifact, error) {
	kind, hex, _ := strings.Cut(b.Digest, ":")
	path := filepath.Join(a.changes.cfg.Store.Dir(), "plugins", kind, hex)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return catalog.Artifact{}, fmt.Errorf("the bytes before, %s from %s, are not kept any more: swap to that file, if it is still what it was", catalog.Short(b.Digest), b.Source)
	}
	to, err := a.stage(ctx, path)
	if err == nil && to.Digest != b.Digest {
		return to, fmt.Errorf("%s does not hold what it should, but %s: remove it, and swap to %s, if that is still there", path, catalog.Short(to.Digest), b.Source)
	}
	to.Version, to.Source = b.Version, b.Source
	return to, err
}
