package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/estimate"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/rerun"
	sdk "github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/remote"
)

// estimateOptions are what the command estimate was told.
type estimateOptions struct {
	sources
	logging
	pipeline string
	blocks   string
	samples  int
	size     uint64
	json     bool
}

func (a *app) estimateCommand() *cobra.Command {
	var o estimateOptions
	cmd := &cobra.Command{
		Use:   "estimate [FILE]",
		Short: "Tell what reading history will take, before it is read",
		Long: `Read samples of the blocks that a pipeline is to read, through its readers and nothing else, and tell what
all of them will take: calls by method, units and their price (weights and cost of the endpoint), bytes,
rows and time. Nothing is loaded, and nothing of it is kept. Only calls are counted whose number depends on
how much is read. A reader that asks for ranges of blocks asks for larger ones in a long run than in a
sample: for those it is an upper bound.`,
		Example: `  penstock estimate
  penstock estimate mainnet.hcl --range 19M:19.5M
  penstock estimate mainnet.hcl --samples 10 --sample-blocks 2000 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				o.path = fileArgument(args)
				return a.estimate(ctx, o)
			})
		},
	}
	o.sources.flags(cmd)
	o.logging.flags(cmd, "warn")
	cmd.Flags().StringVar(&o.pipeline, "pipeline", "", "the `pipeline`, where there are several (default: all)")
	cmd.Flags().StringVar(&o.blocks, "range", "", "estimate these `blocks`, such as 15.5M:15.6M or -1000: (default: those of the pipeline, up to the head)")
	cmd.Flags().IntVar(&o.samples, "samples", 0, "how many stretches are read (default 5)")
	cmd.Flags().Uint64Var(&o.size, "sample-blocks", 0, "how many `blocks` a stretch has (default 500)")
	jsonFlag(cmd, &o.json)
	return cmd
}

// estimateDocument is an estimate as JSON.
type estimateDocument struct {
	Pipeline string `json:"pipeline"`
	Step     string `json:"step"`
	Register string `json:"register"`
	*estimate.Estimate
}

func (a *app) estimate(ctx context.Context, o estimateOptions) error {
	logger, err := o.open(a.stderr, colored(a.stderr))
	if err != nil {
		return err
	}
	options, err := (&loading{sources: o.sources, env: os.LookupEnv, check: true, logger: logger, logLevel: o.level, stdout: a.stderr, version: a.version}).options()
	if err != nil {
		return err
	}
	options.Fix = cutting(o.blocks, o.pipeline, logger)
	p, err := project.Load(ctx, options)
	if err != nil {
		return err
	}
	if p.Catalog != nil {
		defer p.Catalog.Close()
	}
	if err := a.report(p, o.path); err != nil {
		return err
	}
	documents, err := a.estimates(ctx, p, o, logger)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(a.stdout, documents)
	}
	return a.printEstimates(documents)
}

func (a *app) estimates(ctx context.Context, p *project.Project, o estimateOptions, logger hclog.Logger) ([]estimateDocument, error) {
	networks, err := rpc.New(rpc.Config{Networks: p.Model.Networks, Logger: logger.Named("chain")})
	if err != nil {
		return nil, err
	}
	defer networks.Close()
	documents := []estimateDocument{}
	var names []string
	for _, pipeline := range p.Model.Pipelines {
		names = append(names, pipeline.Name)
		if o.pipeline != "" && o.pipeline != pipeline.Name {
			continue
		}
		for _, step := range pipeline.Steps {
			if step.Kind != registry.Reader {
				continue
			}
			e, err := estimateReader(ctx, p, o, pipeline, step, networks, logger)
			if err != nil {
				return nil, fmt.Errorf("pipeline %s, step %s: %w", pipeline.Name, step.Name, err)
			}
			documents = append(documents, estimateDocument{Pipeline: pipeline.Name, Step: step.Name, Register: step.Register, Estimate: e})
		}
	}
	if len(documents) == 0 {
		return nil, unknown("pipeline", o.pipeline, names, o.path)
	}
	return documents, nil
}

// estimateReader reads samples through one reader.
func estimateReader(ctx context.Context, p *project.Project, o estimateOptions, pipeline *config.Pipeline, step *config.Step,
	networks sdk.Service, logger hclog.Logger,
) (*estimate.Estimate, error) {
	from, to, err := extentOf(ctx, pipeline, networks)
	if err != nil {
		return nil, err
	}
	meter := &estimate.Meter{Service: networks}
	plugins := p.Catalog.Serving(remote.Services{Chain: meter, Shared: &standingSets{dir: p.DataDir}})
	again := rerun.Config{
		Model: p.Model, Registry: p.Registry, Pipeline: pipeline, Step: step, Column: "block_number",
		Launch: engineConfig(p, p.Graph, plugins, logger).Launch, Logger: logger,
	}
	c := estimate.Config{
		From: from, To: to, Samples: o.samples, Blocks: o.size, Meter: meter,
		Read: func(ctx context.Context, from, to uint64) ([]digest.Range, error) {
			return again.Run(ctx, from, to, to+1)
		},
	}
	if len(pipeline.Network.Endpoints) > 0 {
		first := pipeline.Network.Endpoints[0]
		c.Units, c.Price = first.Weights, first.Cost
	}
	return estimate.Run(ctx, c)
}

// extent is the blocks that a pipeline has to read until it is at the head.
func extentOf(ctx context.Context, p *config.Pipeline, networks sdk.Service) (from, to uint64, err error) {
	switch {
	case p.FromLatest:
		return 0, 0, fmt.Errorf("it begins at the head and has no history to read: say with --range which blocks to estimate")
	case p.To != nil:
		return p.From, *p.To, nil
	}
	if to, err = numberOf(ctx, p, networks, "latest"); err != nil {
		return 0, 0, fmt.Errorf("ask for the head of network %q: %w", p.Network.Name, err)
	}
	return p.From, to, nil
}

func (a *app) printEstimates(documents []estimateDocument) error {
	return aligned(a.stdout, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "PIPELINE\tREADER\tBLOCKS\tCALLS\tUNITS\tCOST\tANSWERS\tROWS\tTIME")
		for _, d := range documents {
			calls := uint64(0)
			for _, n := range d.Calls {
				calls += n
			}
			cost := "-"
			if d.Cost > 0 && d.Cost != d.Units {
				cost = fmt.Sprintf("%.2f", d.Cost)
			}
			fmt.Fprintf(w, "%s\t%s (%s)\t%d\t%d\t%.0f\t%s\t%s\t%d\t%s\n", d.Pipeline, d.Step, d.Register, d.Blocks, calls, d.Units, cost,
				bytesText(d.Bytes), d.Rows, span(d.Least, d.Most))
		}
		for _, d := range documents {
			fmt.Fprintf(w, "\n%s/%s: blocks %d to %d, projected from %d of them\n", d.Pipeline, d.Step, d.From, d.To, d.Sampled)
			var methods []string
			for method, n := range d.Calls {
				methods = append(methods, fmt.Sprintf("  %s\t%d", method, n))
			}
			slices.Sort(methods)
			fmt.Fprintln(w, strings.Join(methods, "\n"))
		}
	})
}

// span is a time that is known from the least to the most.
func span(least, most time.Duration) string {
	round := func(d time.Duration) time.Duration {
		if d > time.Minute {
			return d.Round(time.Second)
		}
		return d.Round(100 * time.Millisecond)
	}
	if least, most = round(least), round(most); least == most {
		return least.String()
	}
	return least.String() + " to " + most.String()
}
