package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// controlTimeout is how long people wait by default for what they asked for. A
// pause takes as long as a checkpoint does.
const controlTimeout = time.Minute

// action is a command that does something to a pipeline of a running host.
type action struct {
	short, long string
	examples    []string
	do          func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error)
	// said tells people what has become of a path; dir is the host's.
	said func(p engine.PathStatus, dir string) string
}

func (a *app) controlCommand(name string, act action) *cobra.Command {
	h := &host{}
	cmd := &cobra.Command{
		Use:               name + " PIPELINE",
		Short:             act.short,
		Long:              act.long,
		Example:           "  " + strings.Join(act.examples, "\n  "),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.control(cmd.Context(), h, args[0], act)
		},
	}
	h.flags(cmd, controlTimeout)
	return cmd
}

// control does it and says what became of it.
func (a *app) control(ctx context.Context, h *host, pipeline string, act action) error {
	return interruptible(ctx, func(ctx context.Context) error {
		var paths []engine.PathStatus
		err := h.ask(ctx, func(ctx context.Context, c *api.Client) (err error) {
			paths, err = act.do(ctx, c, pipeline)
			return err
		})
		if err != nil {
			return err
		}
		if h.json {
			return printJSON(a.stdout, pathDocuments(paths))
		}
		dir, err := h.dir()
		if err != nil {
			return err
		}
		var text strings.Builder
		for _, p := range paths {
			text.WriteString(act.said(p, dir) + "\n")
		}
		_, err = a.stdout.WriteString(text.String())
		return err
	})
}

func (a *app) pauseCommand() *cobra.Command {
	cmd := a.controlCommand("pause", action{
		short: "Stop a pipeline at a checkpoint, to go on from there later",
		long: `Pause takes a checkpoint of a pipeline and stops it there. It stays paused, also
when the host is started again, until penstock resume lets it go on from there.
Nothing is lost and nothing is done twice.

What is done takes as long as the checkpoint. When --timeout has passed it goes
on all the same, and penstock status tells when it is done.`,
		examples: []string{"penstock pause swaps", "penstock pause swaps --timeout 10m"},
		do: func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error) {
			return c.Pause(ctx, pipeline)
		},
		said: func(p engine.PathStatus, dir string) string {
			return fmt.Sprintf("%s is %s at %s; %s goes on from there", p.Pipeline, p.State, view.Place(p), toResume(p.Pipeline, dir))
		},
	})
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	cmd := a.controlCommand("resume", action{
		short: "Let a pipeline run again that is paused, stopped or in error",
		long: `Resume lets a pipeline run again: one that is paused or in error from its last
checkpoint, one that is stopped from its beginning. A pipeline that runs is left
alone. Whether what was wrong is over is seen with penstock status.`,
		examples: []string{"penstock resume swaps"},
		do: func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error) {
			paths, err := c.Resume(ctx, pipeline)
			var failed []error
			for _, p := range paths {
				if p.State == engine.PathError {
					failed = append(failed, fmt.Errorf("%s was resumed and failed again: %s", p.Pipeline, view.Plain(p.Cause)))
				}
			}
			return paths, errors.Join(append(failed, err)...)
		},
		said: func(p engine.PathStatus, _ string) string {
			return fmt.Sprintf("%s runs again from %s: its state is %s", p.Pipeline, view.Place(p), p.State)
		},
	})
	return cmd
}

func (a *app) checkpointCommand() *cobra.Command {
	cmd := a.controlCommand("checkpoint", action{
		short: "Take a checkpoint of a pipeline now",
		long: `Checkpoint takes a checkpoint of a pipeline that runs, instead of waiting for the
next one, and returns when it is recorded. Where nothing has moved since the last
checkpoint there is nothing to take.`,
		examples: []string{"penstock checkpoint swaps", "penstock checkpoint swaps --json"},
		do: func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error) {
			return c.Checkpoint(ctx, pipeline)
		},
		said: func(p engine.PathStatus, _ string) string {
			return fmt.Sprintf("the newest checkpoint of %s is at %s", p.Pipeline, view.Place(p))
		},
	})
	return cmd
}

func (a *app) stopCommand() *cobra.Command {
	var yes bool
	cmd := a.controlCommand("stop", action{
		short: "End a pipeline, which begins anew when it runs again",
		long: `Stop ends a pipeline and forgets its checkpoints. When it is resumed, or the host
is started again, it BEGINS ANEW: everything is read again, and loaders replace
what they hold. To go on later from where it is, use penstock pause.

On a terminal stop asks before it does that, unless --yes is given. A host in
which nothing runs or is paused any more ends.`,
		examples: []string{"penstock stop swaps", "penstock stop swaps --yes"},
		do: func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error) {
			return c.Stop(ctx, pipeline)
		},
		said: func(p engine.PathStatus, dir string) string {
			return fmt.Sprintf("%s is %s and its checkpoints are forgotten: with %s, or when the host is started again, it begins anew; penstock pause would have it go on",
				p.Pipeline, p.State, toResume(p.Pipeline, dir))
		},
	})
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes && !a.confirmed(fmt.Sprintf("Stop %s? It forgets its checkpoints and begins anew when it runs again; penstock pause %s goes on later. [y/N] ", args[0], args[0])) {
			return errors.New("nothing was stopped")
		}
		return do(cmd, args)
	}
	return cmd
}

// confirmed asks a person at a terminal; where there is none nobody is asked.
func (a *app) confirmed(question string) bool {
	if !term.IsTerminal(int(a.stdin.Fd())) {
		return true
	}
	_, _ = fmt.Fprint(a.stderr, question) // whoever cannot read it says nothing
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func (a *app) rewindCommand() *cobra.Command {
	var block uint64
	cmd := a.controlCommand("rewind", action{
		short: "Take a pipeline back to an earlier block",
		long: `Rewind takes a pipeline back to its newest checkpoint at or before a block: what
came after that is forgotten, loaders that can remove it do, and it is read
again. A pipeline that is paused or in error goes back and stays at rest until
penstock resume.

Checkpoints are kept as far back as the chain may still be reorganised, so there
may be none that is old enough; the error names the oldest. From further back a
pipeline begins anew, with penstock stop and penstock resume.`,
		examples: []string{"penstock rewind swaps --to 19000000"},
		do: func(ctx context.Context, c *api.Client, pipeline string) ([]engine.PathStatus, error) {
			return c.Rewind(ctx, pipeline, block)
		},
		said: func(p engine.PathStatus, dir string) string {
			if p.State == engine.PathPaused || p.State == engine.PathError {
				return fmt.Sprintf("%s went back to %s and is still %s; %s goes on from there", p.Pipeline, view.Place(p), p.State, toResume(p.Pipeline, dir))
			}
			return fmt.Sprintf("%s went back to its newest checkpoint at or before block %d and reads again from there", p.Pipeline, block)
		},
	})
	cmd.Use = "rewind PIPELINE --to BLOCK"
	cmd.Flags().Uint64Var(&block, "to", 0, "the last `block` that is kept, or an earlier one")
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("to") {
			return usagef("rewind to which block? penstock rewind %s --to BLOCK", args[0])
		}
		return do(cmd, args)
	}
	return cmd
}
