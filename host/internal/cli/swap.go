package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// swapTimeout is how long a new binary may take by default until rows flow
// through it.
const swapTimeout = time.Minute

// swapFlags are those of swaps and rollbacks.
type swapFlags struct {
	host
	lock        bool
	noProbation bool
	probation   time.Duration
	before      time.Duration
}

func (f *swapFlags) flags(cmd *cobra.Command) {
	f.host.flags(cmd, 0)
	cmd.Flags().BoolVar(&f.lock, "lock", false, "put the bytes into the lock file, where they are not in it")
	cmd.Flags().BoolVar(&f.noProbation, "no-probation", false, "trust the new bytes at once")
	cmd.Flags().DurationVar(&f.probation, "probation", 10*time.Second, "how long the new bytes are watched, and taken back if they fail")
	cmd.Flags().DurationVar(&f.before, "timeout", swapTimeout, "how long everything before the cut may take")
}

func (f *swapFlags) check() error {
	switch {
	case f.before <= 0:
		return usagef("--timeout %s: it is a time above 0, such as 30s or 5m", f.before)
	case f.probation <= 0:
		return usagef("--probation %s: it is a time above 0, such as 10s; --no-probation does without", f.probation)
	}
	return nil
}

func (a *app) pluginSwapCommand() *cobra.Command {
	var (
		f      swapFlags
		canary string
	)
	cmd := &cobra.Command{
		Use:   "swap NAME PATH",
		Short: "Replace the binary of a plugin while its pipelines run",
		Long: `Swap replaces the binary of a plugin in a running host. The new binary is copied
into the host's store, started beside the old one and asked what it offers. If it
fits the pipelines, their settings and the snapshots that the old one has left, a
checkpoint is taken, and from there on rows flow through the new one. Only the
edges of the swapped steps wait, for some milliseconds.

Then it is on probation. If it fails, the pipeline goes back to that checkpoint
and the old binary, which has been kept warm. Nothing is lost and nothing is done
twice. What is refused before the cut costs the running pipelines nothing.

--canary STEP swaps one step only, such as swaps/uni, or uni where only one step
has that name. Ctrl-C before the cut takes the swap back; after it the swap goes
on, and penstock plugin history tells what became of it.`,
		Example: `  penstock plugin swap uniswap ./bin/plugins/uniswap
  penstock plugin swap uniswap ./uniswap-1.2 --canary swaps/uni --probation 1m
  penstock plugin swap uniswap ./uniswap-1.2 --json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: f.pluginNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			path, err := filepath.Abs(args[1]) // the host may work elsewhere
			if err != nil {
				return err
			}
			r := api.SwapRequest{Plugin: args[0], Path: path, Lock: f.lock, NoProbation: f.noProbation, Probation: f.probation, Timeout: f.before}
			if canary != "" {
				r.Steps = []string{canary}
			}
			return a.followSwap(cmd.Context(), f, func(ctx context.Context, c *api.Client, tell api.SwapWatcher) (store.SwapRecord, error) {
				return c.Swap(ctx, r, tell)
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&canary, "canary", "", "only this `step` of the plugin, as pipeline/step or by its name")
	return cmd
}

func (a *app) pluginRollbackCommand() *cobra.Command {
	var f swapFlags
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Take the newest swap of a plugin back",
		Long: `Rollback takes the newest committed swap of a plugin back: its steps run again
what they ran before it. It is a swap like any other, with the same checks and a
probation of its own, and it is refused where the old binary cannot begin with
the state that the new one has left.

It stands in the history as a swap too, so that a second rollback takes back the
first. To go further back, swap to the binary that penstock plugin history
--json names.`,
		Example: `  penstock plugin rollback uniswap
  penstock plugin rollback uniswap --no-probation`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.pluginNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			r := api.RollbackRequest{Plugin: args[0], Lock: f.lock, NoProbation: f.noProbation, Probation: f.probation, Timeout: f.before}
			return a.followSwap(cmd.Context(), f, func(ctx context.Context, c *api.Client, tell api.SwapWatcher) (store.SwapRecord, error) {
				return c.Rollback(ctx, r, tell)
			})
		},
	}
	f.flags(cmd)
	return cmd
}

// followSwap has a host swap a plugin and prints how it comes on.
func (a *app) followSwap(ctx context.Context, f swapFlags, swap func(context.Context, *api.Client, api.SwapWatcher) (store.SwapRecord, error)) error {
	return interruptible(ctx, func(ctx context.Context) error {
		c, err := f.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		cut := false
		record, err := swap(ctx, c, func(ev api.Event) error {
			cut = cut || ev.To == string(engine.SwapCut)
			return a.printPhase(ev.Event, f.json)
		})
		if errors.Is(err, context.Canceled) && cut {
			a.say("the new binary runs already, and the swap goes on: penstock plugin history tells what becomes of it")
		}
		return errors.Join(a.printSwap(record, f.json), err)
	})
}

// printPhase prints how far a swap has come.
func (a *app) printPhase(ev engine.Event, asJSON bool) error {
	if asJSON {
		return a.printObject(ev)
	}
	if to := engine.Phase(ev.To); to == engine.SwapRefused || to == engine.SwapRolledBack {
		return nil // the error says it
	}
	line := ev.To
	if ev.Cause != "" {
		line += ": " + view.Plain(ev.Cause)
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

// printSwap prints what became of a swap; an error is printed by whoever has it.
func (a *app) printSwap(r store.SwapRecord, asJSON bool) error {
	if r.Plugin == "" {
		return nil // it did not come to one
	}
	if asJSON {
		return a.printObject(struct {
			Kind string `json:"kind"`
			store.SwapRecord
		}{"record", r})
	}
	var line string
	switch r.Outcome {
	case store.SwapUnchanged:
		line = fmt.Sprintf("plugin %s runs these bytes already (%s)", r.Plugin, binaries(r, toBinary))
	case store.SwapCommitted:
		line = fmt.Sprintf("plugin %s runs %s in %s: swap #%d took %s, and the edges paused for %s at most",
			r.Plugin, binaries(r, toBinary), plural(len(r.Steps), "step"), r.Number, shortTime(r.Took), shortTime(r.Pause))
	case store.SwapUnderWay, store.SwapRefused, store.SwapRolledBack, store.SwapInterrupted:
		return nil
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

// printObject prints a value as JSON in a line.
func (a *app) printObject(value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// shortTime is a duration with no more digits than people read.
func shortTime(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
