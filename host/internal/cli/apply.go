package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// applyTimeout is how long people wait by default until a plan is carried out: a
// pipeline may take long to come to its end.
const applyTimeout = 10 * time.Minute

func (a *app) applyCommand() *cobra.Command {
	var (
		w   proposal
		yes bool
	)
	cmd := &cobra.Command{
		Use:   "apply [FILE|DIR]",
		Short: "Have a host that runs take over what a file says",
		Long: `Apply shows what penstock plan shows, asks on a terminal whether that is wanted
(unless --yes is given), and carries it out. What does not change is not touched.

Each pipeline is changed as a whole or not at all: one that cannot be, because a
new process does not open for instance, is put back as it was and goes on from
its checkpoint. The others stay applied, and the exit code is 1. A pipeline that
is paused stays paused.

What is carried out is what was shown: if the file or what runs has changed since,
nothing is done. What has begun is carried out even if nobody waits for it.

A restart of the host begins with the files that it is given, whatever was
applied last, and says so if that is something else.`,
		Example: `  penstock apply
  penstock apply mainnet.hcl --yes
  penstock apply --accept-changes
  penstock apply --fresh swaps
  penstock apply --only transfers`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := w.request(args)
			if err != nil {
				return err
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.apply(ctx, &w, r, yes) })
		},
	}
	w.flags(cmd, applyTimeout)
	w.fileFlags(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) rollbackCommand() *cobra.Command {
	var (
		w   proposal
		yes bool
	)
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Have a host that runs go back to what it ran before the last apply",
		Long: `Rollback returns to the configuration before the one that runs, with the files as
they were then: the host keeps those of the last ten configurations. It shows the
plan and asks, as penstock apply does. Rolling back once more goes further back.

The files on disk stay as they are, and are what the host begins with when it is
started again. To take back the swap of a plugin, use penstock plugin rollback.`,
		Example: `  penstock plan --previous
  penstock rollback
  penstock rollback --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := plan.Request{Previous: true, Fresh: w.fresh, AcceptChanges: w.accept}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.apply(ctx, &w, r, yes) })
		},
	}
	w.flags(cmd, applyTimeout)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// apply shows a plan, asks, and has it carried out.
func (a *app) apply(ctx context.Context, w *proposal, r plan.Request, yes bool) error {
	preview, err := a.preview(ctx, w, r)
	if err != nil {
		return err
	}
	if !w.json {
		if err := a.printPlan(preview); err != nil {
			return err
		}
	}
	if unmet := preview.Unmet(); len(unmet) > 0 {
		return errors.Join(&plan.UnmetError{Pipelines: unmet}, errors.New("nothing was done"))
	}
	if preview.Empty() {
		if w.json {
			return printJSON(a.stdout, plan.Outcome{Preview: preview, Configuration: preview.Configuration})
		}
		return nil
	}
	if !yes && !a.confirmed("\nIs this to be carried out? [y/N] ") {
		return errors.New("nothing was done")
	}
	r.Digest = preview.Digest
	var outcome plan.Outcome
	err = w.ask(ctx, func(ctx context.Context, c *api.Client) (err error) {
		outcome, err = c.Apply(ctx, r)
		return err
	})
	if err := a.mistaken(err, r); err != nil {
		return err
	}
	if w.json {
		err = printJSON(a.stdout, outcome)
	} else {
		err = a.printOutcome(outcome)
	}
	for _, f := range outcome.Failed {
		err = errors.Join(err, fmt.Errorf("pipeline %s was not changed: %s", f.Pipeline, view.Plain(f.Cause)))
	}
	return err
}

// doneTexts say what has become of a pipeline.
var doneTexts = map[plan.Effect]string{
	plan.Live:    "runs on with what has changed",
	plan.Swap:    "runs on with new processes",
	plan.Restart: "runs again from its checkpoint",
	plan.New:     "runs",
	plan.Gone:    "is gone",
}

func (a *app) printOutcome(o plan.Outcome) error {
	failed := make(map[string]bool)
	for _, f := range o.Failed {
		failed[f.Pipeline] = true
	}
	var out bytes.Buffer
	out.WriteByte('\n')
	for _, p := range o.Pipelines {
		switch {
		case failed[p.Name]:
			fmt.Fprintf(&out, "%s is what it was\n", p.Name)
		case p.Anew:
			fmt.Fprintf(&out, "%s begins anew\n", p.Name)
		default:
			fmt.Fprintf(&out, "%s %s\n", p.Name, doneTexts[p.Effect])
		}
	}
	fmt.Fprintf(&out, "the host runs configuration %d\n", o.Configuration)
	_, err := a.stdout.Write(out.Bytes())
	return err
}
