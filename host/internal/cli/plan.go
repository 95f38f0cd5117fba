package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/plan"
	"github.com/penstock-io/penstock/host/internal/project"
)

// proposal is the flags that say which configuration a running host is to run.
type proposal struct {
	host
	sources sources // vars only
	fresh   []string
	accept  bool
	only    []string
}

func (w *proposal) flags(cmd *cobra.Command, timeout time.Duration) {
	w.host.flags(cmd, timeout)
	cmd.Flags().StringArrayVar(&w.fresh, "fresh", nil, "have the `pipeline` begin anew; may be repeated")
	cmd.Flags().BoolVar(&w.accept, "accept-changes", false, "go on from checkpoints that were taken of another shape of a pipeline")
}

// fileFlags are those of what a file says.
func (w *proposal) fileFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&w.only, "only", nil, "change this `pipeline` and leave the others what they are; may be repeated")
	cmd.Flags().StringArrayVar(&w.sources.vars, "var", nil, "set a variable of the file, as `name=value`, beside those that the host has; may be repeated")
}

// request says it to the host. A file that is named also says which host is
// meant, unless a flag does.
func (w *proposal) request(args []string) (plan.Request, error) {
	r := plan.Request{Fresh: w.fresh, AcceptChanges: w.accept, Only: w.only}
	vars, err := w.sources.values()
	if err != nil || len(args) == 0 {
		r.Vars = vars
		return r, err
	}
	r.Vars, r.Name = vars, args[0]
	if r.Path, err = filepath.Abs(args[0]); err != nil {
		return r, err
	}
	if w.file == "" && w.dataDir == "" {
		if _, diags := config.Read(args[0]); diags.HasErrors() {
			return r, fmt.Errorf("%s: %s", diags[0].Summary, diags[0].Detail)
		}
		w.file = args[0]
	}
	return r, nil
}

func (a *app) planCommand() *cobra.Command {
	var (
		w        proposal
		previous bool
		exitCode bool
	)
	cmd := &cobra.Command{
		Use:   "plan [FILE|DIR]",
		Short: "Show what a file would change about a host that runs",
		Long: `Plan has the running host read FILE, or all .hcl files of DIR, and shows how that
differs from what runs, attribute by attribute, and what each difference takes:

  live     it is taken over without touching anything that runs
  swap     the process of one step is replaced in place, at a checkpoint
  restart  the pipeline ends at a checkpoint and begins again from there
  new      the pipeline begins
  gone     the pipeline is drained and taken out; its checkpoints are kept
  host     nothing, until the host is started again

Nothing is changed: penstock apply does that. If neither FILE nor DIR is named,
the files that the host runs are read again. Variables are those that the host
was started with, and --var.

Mistakes are told as penstock validate does, with exit code 1. With --exit-code
the exit code is 2 if something would change.`,
		Example: `  penstock plan
  penstock plan mainnet.hcl --var from=19000000
  penstock plan --previous
  penstock plan --json --exit-code`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := w.request(args)
			if err != nil {
				return err
			}
			if r.Previous = previous; previous && len(args) > 0 {
				return usagef("--previous is the configuration before the one that runs: leave %s out", args[0])
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.plan(ctx, &w, r, exitCode) })
		},
	}
	w.flags(cmd, time.Minute)
	w.fileFlags(cmd)
	cmd.Flags().BoolVar(&previous, "previous", false, "show what penstock rollback would change")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with 2 if something would change")
	return cmd
}

// plan shows a plan.
func (a *app) plan(ctx context.Context, w *proposal, r plan.Request, exitCode bool) error {
	preview, err := a.preview(ctx, w, r)
	if err != nil {
		return err
	}
	if w.json {
		err = printJSON(a.stdout, preview)
	} else {
		err = a.printPlan(preview)
	}
	if err == nil && exitCode && !preview.Empty() {
		return errChanges
	}
	return err
}

// errChanges is no mistake: a plan is not empty.
var errChanges = errors.New("something would change")

// preview asks the host for a plan. Mistakes are written as validate does it.
func (a *app) preview(ctx context.Context, w *proposal, r plan.Request) (preview plan.Preview, err error) {
	err = w.ask(ctx, func(ctx context.Context, c *api.Client) error {
		preview, err = c.Plan(ctx, r)
		return err
	})
	if err := a.mistaken(err, r); err != nil {
		return preview, err
	}
	if len(preview.Warnings) == 0 || w.json {
		return preview, nil
	}
	return preview, a.writeMistakes(preview.Warnings, r)
}

// mistaken writes the mistakes in files that an error tells of.
func (a *app) mistaken(err error, r plan.Request) error {
	invalid := (*plan.InvalidError)(nil)
	if !errors.As(err, &invalid) {
		return err
	}
	if err := a.writeMistakes(invalid.Mistakes, r); err != nil {
		return err
	}
	n := 0
	for _, m := range invalid.Mistakes {
		if !m.Warning {
			n++
		}
	}
	return fmt.Errorf("%s: %s; the host runs on as it was", first(invalid.Source, r.Name, "the files"), plural(n, "mistake"))
}

// writeMistakes writes mistakes with the lines that they are in, as far as the
// files can be read here.
func (a *app) writeMistakes(mistakes []plan.Mistake, r plan.Request) error {
	read, _ := config.Read(r.Name) // without them there are places, but no lines
	if read == nil {
		for _, name := range filesOf(mistakes) {
			more, _ := config.Read(name)
			read = append(read, more...)
		}
	}
	file := config.Explain()
	if len(read) > 0 {
		file, _ = config.Parse(read, config.Options{Vars: r.Vars, Env: os.LookupEnv, BaseDir: project.BaseDir(first(r.Name, defaultFile))})
	}
	return file.Write(a.stderr, plan.Diagnostics(mistakes), colored(a.stderr), a.errorWidth())
}

// errorWidth is that of the terminal that mistakes are written to, 0 if it is
// none.
func (a *app) errorWidth() uint {
	if w, _, err := term.GetSize(int(a.stderr.Fd())); err == nil && w > 0 {
		return uint(w)
	}
	return 0
}

func filesOf(mistakes []plan.Mistake) []string {
	names := make(map[string]bool)
	for _, m := range mistakes {
		if m.File != "" {
			names[m.File] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
