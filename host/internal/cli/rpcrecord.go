package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/chain/recorded"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/rerun"
	sdk "github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/remote"
)

// rpcRecordOptions are what the command rpc record was told.
type rpcRecordOptions struct {
	sources
	logging
	dir      string
	pipeline string
	blocks   string
	most     string
	json     bool
}

func (a *app) rpcRecordCommand() *cobra.Command {
	var o rpcRecordOptions
	cmd := &cobra.Command{
		Use:   "record DIR [FILE]",
		Short: "Keep what nodes answer, to read it again without them",
		Long: `Read blocks through the steps of a pipeline, as run does but without its loaders,
and write everything that nodes answer into files of a directory. An endpoint with the
URL recorded:DIR then answers the same pipeline, or another that asks for the same, as
often as wanted and without a node: for tests, demonstrations, or to look into a fault.

The files are JSON that people can read, and hold calls and answers: nothing of the
endpoints, their URLs or headers. Each is there whole or not at all, so that what was
recorded before an interruption can be used. Without --range the pipeline's own blocks
are read, up to the newest final one.`,
		Example: `  penstock rpc record testdata/uniswap --range 19M:+100
  penstock rpc record last-hour mainnet.hcl --pipeline swaps --range -300:
  penstock rpc record testdata/more mainnet.hcl --range 2024-01-01:2024-01-02 --max-size 4GiB`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				o.dir, o.path = args[0], fileArgument(args[1:])
				return a.recordAnswers(ctx, o)
			})
		},
	}
	o.sources.flags(cmd)
	o.logging.flags(cmd, "warn")
	cmd.Flags().StringVar(&o.pipeline, "pipeline", "", "the `pipeline`, where there are several")
	cmd.Flags().StringVar(&o.blocks, "range", "", "record these `blocks`, such as 15.5M:15.6M, -1000: or 2024-01-01:2024-01-02")
	cmd.Flags().StringVar(&o.most, "max-size", "1GiB", "how large the recording may become")
	jsonFlag(cmd, &o.json)
	return cmd
}

// answersDocument is what a recording has come to, as JSON.
type answersDocument struct {
	Dir     string `json:"dir"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Rows    uint64 `json:"rows"` // that the steps made of it
	Answers uint64 `json:"answers"`
	Bytes   int64  `json:"bytes"`
}

func (a *app) recordAnswers(ctx context.Context, o rpcRecordOptions) error {
	most, err := config.ParseSize(o.most)
	if err != nil || most == 0 || most > 1<<50 {
		return usagef("--max-size %q: write a size such as 500MiB or 4GiB", o.most)
	}
	logger, err := o.open(a.stderr, colored(a.stderr))
	if err != nil {
		return err
	}
	p, pipeline, err := a.toRecord(ctx, o, logger)
	if p != nil && p.Catalog != nil {
		defer p.Catalog.Close()
	}
	if err != nil {
		return err
	}
	networks, err := rpc.New(rpc.Config{Networks: p.Model.Networks, Logger: logger.Named("chain")})
	if err != nil {
		return err
	}
	defer networks.Close()
	to, err := lastToRecord(ctx, pipeline, networks)
	if err != nil {
		return err
	}
	w, err := recorded.Create(o.dir, int64(most))
	if err != nil {
		return err
	}
	r := &recorded.Recorder{Service: networks, Writer: w}
	done := a.watchRecording(r, pipeline.From, to)
	rows, err := record(ctx, p, pipeline, to, r, logger)
	err = errors.Join(err, w.Close())
	done()
	return a.sayRecorded(o, answersDocument{
		Dir: o.dir, From: pipeline.From, To: to, Rows: rows, Answers: w.Written().Answers, Bytes: w.Written().Bytes,
	}, err)
}

// toRecord finds the pipeline, with the blocks that were asked for.
func (a *app) toRecord(ctx context.Context, o rpcRecordOptions, logger hclog.Logger) (*project.Project, *config.Pipeline, error) {
	options, err := (&loading{sources: o.sources, env: os.LookupEnv, check: true, logger: logger, logLevel: o.level, stdout: a.stderr, version: a.version}).options()
	if err != nil {
		return nil, nil, err
	}
	options.Fix = cutting(o.blocks, o.pipeline, logger)
	p, err := project.Load(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	if err := a.report(p, o.path); err != nil {
		return p, nil, err
	}
	var names []string
	for _, pipeline := range p.Model.Pipelines {
		names = append(names, pipeline.Name)
		if o.pipeline == pipeline.Name {
			return p, pipeline, nil
		}
	}
	if o.pipeline == "" && len(names) == 1 {
		return p, p.Model.Pipelines[0], nil
	}
	if o.pipeline == "" {
		return p, nil, usagef("say with --pipeline which one to record: %s", strings.Join(names, ", "))
	}
	return p, nil, unknown("pipeline", o.pipeline, names, o.path)
}

// cutting puts a range in the place of those of pipelines, or of one, and asks the
// chain what it means; "" leaves them. Nothing of it is kept.
func cutting(blocks, pipeline string, logger hclog.Logger) func(context.Context, *config.Model, string) error {
	fix := fixing(logger, false)
	return func(ctx context.Context, m *config.Model, _ string) error {
		for _, p := range m.Pipelines {
			if blocks == "" || pipeline != "" && p.Name != pipeline {
				continue
			}
			if err := p.Cut(blocks); err != nil {
				return usagef("--%w", err)
			}
		}
		return fix(ctx, m, "")
	}
}

// lastToRecord is the last block: that of the pipeline, or the newest final one.
func lastToRecord(ctx context.Context, p *config.Pipeline, networks sdk.Service) (uint64, error) {
	switch {
	case p.FromLatest:
		return 0, usagef("pipeline %s begins at the head and has no blocks to record yet: say with --range which ones, such as -1000:", p.Name)
	case p.To != nil:
		return *p.To, nil
	}
	to, err := numberOf(ctx, p, networks, "finalized")
	if err != nil {
		to, err = numberOf(ctx, p, networks, "latest")
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the head of network %q: %w", p.Network.Name, err)
	}
	if to < p.From {
		return 0, fmt.Errorf("the newest final block is %d, and the blocks to record begin with %d: write an end into --range, such as %d:+10, to record blocks that may still change",
			to, p.From, p.From)
	}
	return to, nil
}

// numberOf is the number of the block that a tag stands for.
func numberOf(ctx context.Context, p *config.Pipeline, networks sdk.Service, tag string) (number uint64, err error) {
	client := sdk.NewClient(networks, p.Network.Name, sdk.Asker{Step: p.Name})
	err = client.Do(ctx, []sdk.Call{{Method: "eth_getBlockByNumber", Params: []any{tag, false}, Never: true, Decode: func(raw []byte) error {
		var block struct{ Number string }
		if err := json.Unmarshal(raw, &block); err != nil {
			return err
		}
		_, err := fmt.Sscanf(block.Number, "0x%x", &number)
		return err
	}}})
	return number, err
}

// record reads blocks through the steps before the loaders, until what they ask
// for cannot be written.
func record(ctx context.Context, p *project.Project, pipeline *config.Pipeline, to uint64, r *recorded.Recorder, logger hclog.Logger) (rows uint64, err error) {
	first := sdk.Request{Network: pipeline.Network.Name, Asker: sdk.Asker{Step: pipeline.Name}, Calls: []sdk.Query{{Method: "eth_chainId", Params: []byte("[]")}}}
	if _, err := r.Exchange(ctx, first); err != nil {
		return 0, err
	}
	ctx, broken := context.WithCancelCause(ctx)
	defer broken(nil)
	r.Broken = broken
	plugins := p.Catalog.Serving(remote.Services{Chain: r, Shared: &standingSets{dir: p.DataDir}})
	again := rerun.Config{
		Model: p.Model, Registry: p.Registry, Pipeline: pipeline, Launch: engineConfig(p, p.Graph, plugins, logger).Launch, Logger: logger,
	}
	rows, err = again.Through(ctx, pipeline.From, to)
	if cause := context.Cause(ctx); cause != nil {
		return rows, cause
	}
	if err != nil {
		return rows, err
	}
	return rows, r.Head(to)
}

// watchRecording tells people how far it is, until done is called.
func (a *app) watchRecording(r *recorded.Recorder, from, to uint64) (done func()) {
	if !colored(a.stderr) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(time.Second / 4)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				_, _ = fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			case <-ticks.C:
				sums := r.Writer.Written()
				at := min(max(r.Newest(), from), to)
				_, _ = fmt.Fprintf(a.stderr, "\r\x1b[Kblock %d of %d to %d, %d answers, %s", at, from, to, sums.Answers, bytesText(uint64(sums.Bytes)))
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// sayRecorded tells what there is, also where it was not all.
func (a *app) sayRecorded(o rpcRecordOptions, d answersDocument, err error) error {
	if err != nil {
		if d.Answers > 0 {
			_, _ = fmt.Fprintf(a.stderr, "%d answers, %s, are in %s and can be used\n", d.Answers, bytesText(uint64(d.Bytes)), d.Dir)
		}
		return err
	}
	if o.json {
		return printJSON(a.stdout, d)
	}
	return a.printLine(fmt.Sprintf("blocks %d to %d: %d answers, %s, in %s\nread them with: endpoint \"recorded\" { url = \"recorded:%s\" }",
		d.From, d.To, d.Answers, bytesText(uint64(d.Bytes)), d.Dir, d.Dir))
}
