package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// exchange has the engine put the new processes in the place of the old ones, and
// sees to it that they are the ones that run from now on.
func (a *attempt) exchange(ctx context.Context) error {
	// So that it is known of a host that dies in the middle.
	if err := a.changes.cfg.Store.PutSwap(a.picture()); err != nil {
		return err
	}
	fresh := byName(a.next.graph)
	s := engine.Swap{
		Number: a.record.Number, Plugin: a.record.Plugin, Timeout: a.left(),
		Probation: engine.Probation{Off: a.request.NoProbation, For: a.request.Probation},
		Commit:    a.use, Tell: a.hear, Revive: true,
	}
	for _, t := range a.targets {
		spec := fresh[t.process.Name()]
		s.Replacements = append(s.Replacements, engine.Replacement{Spec: spec, Launch: a.launch(spec, t.to)})
	}
	err := a.changes.cfg.Engine.Swap(ctx, s)
	a.notePause()
	if err == nil {
		a.changes.became(a.next)
	}
	return err
}

// notePause finds how long edges were held back.
func (a *attempt) notePause() {
	var longest time.Duration
	for _, p := range a.changes.cfg.Engine.Status() {
		if p.Swap != nil && p.Swap.Number == a.record.Number {
			longest = max(longest, p.Swap.Pause)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record.Pause = longest
}

// left is how much of the time before the cut is left.
func (a *attempt) left() time.Duration {
	return max(orElse(a.request.Timeout, usualTimeout)-time.Since(a.record.Time), time.Second)
}

// launch starts the plugin of a step from its bytes.
func (a *attempt) launch(p *graph.Process, bytes catalog.Artifact) func(context.Context) (*remote.Plugin, error) {
	plugins := a.now.catalog
	log := a.changes.cfg.Logger.With("pipeline", p.Pipeline.Name, "step", p.Step.Name)
	return func(ctx context.Context) (*remote.Plugin, error) {
		plugin, err := plugins.StartArtifact(ctx, bytes, catalog.Start{
			Plugin: p.Register.Plugin, Step: p.Name(), Register: p.Register, Settings: p.Step.Settings, Logger: log,
		})
		if err == nil {
			log.Debug("started a plugin", "plugin", plugin.Name(), "pid", plugin.PID(), "version", bytes.Version, "digest", catalog.Short(bytes.Digest))
		}
		return plugin, err
	}
}

// use has the next run of the host begin with the new bytes too.
func (a *attempt) use() error {
	if a.uniform() {
		if err := a.now.catalog.Use(a.targets[0].to); err != nil {
			return err
		}
	} else if err := a.useEach(func(t target) catalog.Artifact { return t.to }); err != nil {
		return err
	}
	if !a.picture().Locked {
		return nil
	}
	if err := a.now.catalog.Lock(a.record.Plugin); err != nil {
		return errors.Join(fmt.Errorf("lock the new bytes: %w", err), a.useEach(func(t target) catalog.Artifact { return t.from }))
	}
	return nil
}

// useEach chooses what each step of the swap runs.
func (a *attempt) useEach(side func(target) catalog.Artifact) error {
	for _, t := range a.targets {
		if err := a.now.catalog.Use(side(t), t.process.Name()); err != nil {
			return err
		}
	}
	return nil
}

// unchanged is the record where there was nothing to do.
func (a *attempt) unchanged() Record {
	out := a.picture()
	out.Number, out.Outcome, out.Took = 0, store.SwapUnchanged, time.Since(out.Time)
	return out
}

// finish ends the record.
func (a *attempt) finish(ctx context.Context, err error) (Record, error) {
	err = a.explained(ctx, err)
	if ctx.Err() != nil && a.picture().Phase == "" {
		return Record{}, err // nobody knows yet whether there was anything to swap
	}
	if a.picture().Steps == nil {
		a.noteTargets() // what is known of them
	}
	a.mu.Lock()
	a.record.Took = time.Since(a.record.Time)
	a.record.Outcome = outcome(err)
	if err != nil {
		a.record.Cause = because(err)
	}
	record, told := a.record, a.isOver
	a.mu.Unlock()
	if record.Outcome == store.SwapRefused && !told {
		a.phase(engine.SwapRefused, record.Cause)
	}
	if putErr := a.changes.cfg.Store.PutSwap(record); putErr != nil {
		a.changes.cfg.Logger.Error("the swap is not in the history", "plugin", record.Plugin, "swap", record.Number, "error", putErr)
	}
	if a.changes.cfg.Swapped != nil {
		a.changes.cfg.Swapped(record)
	}
	a.changes.tidy()
	return record, err
}

func outcome(err error) store.SwapOutcome {
	failed := (*engine.SwapError)(nil)
	switch {
	case err == nil:
		return store.SwapCommitted
	case errors.As(err, &failed) && failed.RolledBack:
		return store.SwapRolledBack
	}
	return store.SwapRefused
}

// explained is an error as people are to read it.
func (a *attempt) explained(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*engine.SwapError)) {
		return err
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("whoever wanted it went away before the cut: %w", err)
	}
	return &engine.SwapError{Plugin: a.record.Plugin, Phase: engine.Phase(a.picture().Phase), Err: err}
}

// because is why a swap was not made, without saying so again.
func because(err error) string {
	if failed := (*engine.SwapError)(nil); errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return err.Error()
}
