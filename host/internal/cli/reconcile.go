package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/reconcile"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/rerun"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/remote"
)

// reconcileOptions are what the command reconcile was told.
type reconcileOptions struct {
	sources
	logging
	pipeline string
	loaders  []string
	blocks   string
	column   string
	every    uint64
	most     int
	timeout  time.Duration
	json     bool
}

func (a *app) reconcileCommand() *cobra.Command {
	var o reconcileOptions
	cmd := &cobra.Command{
		Use:   "reconcile [FILE]",
		Short: "Compare what two loaders hold, or a loader and the chain",
		Long: `Compare what two loaders of a pipeline hold, by counts and sums of ranges of blocks; where those differ,
by smaller ranges until the blocks are known. With one --loader its rows are compared with those that
come of reading the chain again, through the steps before it. The pipeline may run meanwhile: what was
committed before is compared. The exit code is 0 where all is equal, and 2 where it is not.

Steps that add up over blocks give other rows where they begin elsewhere: compare those from the
pipeline's first block, which is where a comparison begins unless --range says otherwise.`,
		Example: `  penstock reconcile --loader store
  penstock reconcile mainnet.hcl --loader store --loader archive --range 19M:19.1M
  penstock reconcile --pipeline swaps --loader store --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				o.path = fileArgument(args)
				return a.reconcile(ctx, o)
			})
		},
	}
	o.sources.flags(cmd)
	o.logging.flags(cmd, "warn")
	cmd.Flags().StringVar(&o.pipeline, "pipeline", "", "the `pipeline`, where there are several")
	cmd.Flags().StringArrayVar(&o.loaders, "loader", nil, "a `step` to compare; given twice both are compared, given once it is compared with the chain")
	cmd.Flags().StringVar(&o.blocks, "range", "", "compare these `blocks`, such as 15.5M:15.6M (default: from the pipeline's first to the newest that was committed)")
	cmd.Flags().StringVar(&o.column, "column", "block_number", "the `column` that has the block of a row")
	cmd.Flags().Uint64Var(&o.every, "every", 0, "how many `blocks` are compared at once at first (default 100000)")
	cmd.Flags().IntVar(&o.most, "most", 0, "how many differences to look for (default 20)")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long a loader may take to answer")
	jsonFlag(cmd, &o.json)
	return cmd
}

func (a *app) reconcile(ctx context.Context, o reconcileOptions) error {
	if n := len(o.loaders); n != 1 && n != 2 {
		return usagef("name one loader with --loader to compare it with the chain, or two to compare them with each other")
	}
	logger, err := o.open(a.stderr, colored(a.stderr))
	if err != nil {
		return err
	}
	p, err := load(ctx, loading{sources: o.sources, env: os.LookupEnv, logger: logger, logLevel: o.level, stdout: a.stderr, version: a.version})
	if err != nil {
		return err
	}
	if p.Catalog != nil {
		defer p.Catalog.Close()
	}
	if err := a.report(p, o.path); err != nil {
		return err
	}
	comparison := comparison{options: o, project: p, logger: logger}
	stop, err := comparison.begin()
	if err != nil {
		return err
	}
	defer stop()
	cfg, err := comparison.config(ctx)
	if err != nil {
		return err
	}
	done, all := uint64(0), cfg.To-cfg.From+1
	if colored(a.stderr) {
		cfg.Progress = func(blocks uint64) {
			done += blocks
			_, _ = fmt.Fprintf(a.stderr, "\r%.0f %% of %d blocks", 100*float64(done)/float64(all), all) // it is only to be seen
		}
		defer func() { _, _ = fmt.Fprint(a.stderr, "\r\x1b[K") }()
	}
	report, err := reconcile.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if o.json {
		err = printJSON(a.stdout, report)
	} else {
		err = a.printReport(report)
	}
	if err == nil && !report.Equal() {
		return errChanges
	}
	return err
}

func (a *app) printReport(r *reconcile.Report) error {
	if r.Equal() {
		return a.printLine(fmt.Sprintf("blocks %d to %d: %s and %s hold the same %d rows", r.From, r.To, r.A, r.B, r.RowsA))
	}
	err := aligned(a.stdout, func(w *bytes.Buffer) {
		fmt.Fprintf(w, "BLOCKS\t%s\t%s\n", strings.ToUpper(r.A), strings.ToUpper(r.B))
		for _, d := range r.Differences {
			blocks := fmt.Sprint(d.From)
			if d.To != d.From {
				blocks = fmt.Sprintf("%d to %d", d.From, d.To)
			}
			fmt.Fprintf(w, "%s\t%d rows\t%d rows%s\n", blocks, d.RowsA, d.RowsB, map[bool]string{true: ", with other values"}[d.RowsA == d.RowsB])
		}
	})
	if err != nil {
		return err
	}
	more := ""
	if r.More {
		more = "; there are others: raise --most, or narrow --range"
	}
	return a.printLine(fmt.Sprintf("blocks %d to %d: %s holds %d rows, %s %d%s", r.From, r.To, r.A, r.RowsA, r.B, r.RowsB, more))
}

// comparison is what it takes to compare.
type comparison struct {
	options reconcileOptions
	project *project.Project
	logger  hclog.Logger

	domain    *graph.Domain
	processes []*graph.Process // the loaders
	launch    func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
}

// begin finds the loaders, and makes it possible to start plugins.
func (c *comparison) begin() (stop func(), err error) {
	for _, name := range c.options.loaders {
		p, d, err := c.find(name)
		if err != nil {
			return nil, err
		}
		c.domain, c.processes = d, append(c.processes, p)
	}
	if len(c.processes) == 2 {
		if a, b := typeInto(c.processes[0]), typeInto(c.processes[1]); a != b {
			return nil, fmt.Errorf("%s holds %s and %s holds %s: only what takes the same rows can be compared", c.options.loaders[0], a, c.options.loaders[1], b)
		}
	}
	c.launch, stop, err = launcher(c.project, c.logger)
	return stop, err
}

// launcher starts plugins as a host does, beside one that may run: with nodes to
// ask, and without anything that is kept.
func launcher(p *project.Project, logger hclog.Logger) (launch func(context.Context, *graph.Process) (*remote.Plugin, error), stop func(), err error) {
	networks, err := rpc.New(rpc.Config{Networks: p.Model.Networks, Logger: logger.Named("chain")})
	if err != nil {
		return nil, nil, err
	}
	plugins := p.Catalog.Serving(remote.Services{Chain: networks, Shared: &standingSets{dir: p.DataDir}})
	return engineConfig(p, p.Graph, plugins, logger).Launch, networks.Close, nil
}

// find finds a loader by the name of its step.
func (c *comparison) find(name string) (*graph.Process, *graph.Domain, error) {
	var names []string
	for _, d := range c.project.Graph.Domains {
		for _, p := range d.Processes {
			if p.Register.Type != registry.Loader || c.options.pipeline != "" && p.Pipeline.Name != c.options.pipeline {
				continue
			}
			if p.Step.Name == name || p.Name() == name {
				return p, d, nil
			}
			names = append(names, p.Step.Name)
		}
	}
	return nil, nil, unknown("loader", name, names, c.options.path)
}

func typeInto(p *graph.Process) string { return p.Inputs[0].From.Register.Output.Name }

func (c *comparison) config(ctx context.Context) (reconcile.Config, error) {
	cfg := reconcile.Config{A: c.side(c.processes[0]), Every: c.options.every, Most: c.options.most}
	if len(c.processes) == 2 {
		cfg.B = c.side(c.processes[1])
	} else {
		from := c.processes[0].Inputs[0].From
		again := rerun.Config{
			Model: c.project.Model, Registry: c.project.Registry, Pipeline: from.Pipeline, Step: from.Step, Column: c.options.column,
			Launch: c.launch, Logger: c.logger,
		}
		cfg.B = reconcile.Side{Name: "the chain", Digest: again.Digest}
	}
	var err error
	cfg.From, cfg.To, err = c.blocks(ctx)
	return cfg, err
}

// side is a loader that is asked what it holds.
func (c *comparison) side(p *graph.Process) reconcile.Side {
	return reconcile.Side{Name: p.Step.Name, Digest: func(ctx context.Context, ranges []digest.Range) ([]digest.Range, error) {
		ctx, cancel := context.WithTimeout(ctx, c.options.timeout)
		defer cancel()
		plugin, err := c.launch(ctx, p)
		if err != nil {
			return nil, err
		}
		defer plugin.Kill() // it only reads
		open := engine.Opening(c.domain.Name, p)
		return plugin.Digest(ctx, open, digest.Query{Type: open.Inputs[0].Type, Column: c.options.column, Ranges: ranges})
	}}
}

// blocks are those that are compared.
func (c *comparison) blocks(ctx context.Context) (from, to uint64, err error) {
	p := c.processes[0].Pipeline
	if c.options.blocks != "" {
		return config.ParseBlocks(c.options.blocks)
	}
	if p.FromLatest || p.Begin != "" {
		return 0, 0, usagef("the pipeline begins where the head was: say with --range which blocks to compare")
	}
	newest, known, err := c.committed(ctx)
	if err == nil && !known {
		err = errors.New("nothing was committed yet: run the pipeline first")
	}
	if err == nil && newest < p.From {
		err = fmt.Errorf("block %d, the newest that was committed, lies before the pipeline's first, %d", newest, p.From)
	}
	return p.From, newest, err
}

// committed is the newest block of the newest checkpoint: as the host that runs
// says, or as one that has ended has left it.
func (c *comparison) committed(ctx context.Context) (block uint64, known bool, err error) {
	s, err := store.Open(c.project.DataDir)
	if inUse := (*store.InUseError)(nil); errors.As(err, &inUse) {
		return c.committedOf(ctx)
	}
	if err != nil {
		return 0, false, err
	}
	defer s.Close()
	d, err := s.Domain(c.domain.Name)
	if err != nil {
		return 0, false, err
	}
	newest, there, err := d.Newest()
	if err != nil || !there {
		return 0, false, err
	}
	var least *uint64
	for _, place := range newest.Readers {
		if place.Known && (least == nil || place.Block < *least) {
			least = &place.Block
		}
	}
	if least == nil {
		return 0, false, nil
	}
	return *least, true, nil
}

func (c *comparison) committedOf(ctx context.Context) (block uint64, known bool, err error) {
	client, err := api.Dial(ctx, c.project.DataDir)
	if err != nil {
		return 0, false, err
	}
	defer client.Close()
	_, paths, err := client.Status(ctx, c.processes[0].Pipeline.Name)
	if err != nil {
		return 0, false, err
	}
	at := slices.IndexFunc(paths, func(p engine.PathStatus) bool { return p.Committed != nil })
	if at < 0 {
		return 0, false, nil
	}
	return *paths[at].Committed, true, nil
}
