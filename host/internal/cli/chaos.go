package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/chaos"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
)

type chaosOptions struct {
	sources
	seed     uint64
	runs     int
	jobs     int
	duration time.Duration
	blocks   uint64
	dir      string
	keep     bool
	json     bool
}

// blocksPerSecond are mined while faults happen, unless somebody says otherwise.
const blocksPerSecond = 4

func (a *app) chaosCommand() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos [FILE|DIR]",
		Short: "Try whether pipelines survive whatever may happen",
		Long: `Chaos runs the pipelines of FILE on a development chain while everything goes
wrong that may: the node answers with errors, late, half or from a replica that
lags, the chain reorganises, plugins and the host are killed or stand still. Then
the same pipelines run undisturbed on the chain as it is in the end, and what the
loaders have written in both runs is compared, row by row and in order. The exit
code is 1 if anything differs.

What happens follows from the seed. What it meets depends on the machine too: a
seed that has failed fails again soon, not always at once. The clock of the machine
is left alone; it is the times of blocks that jump.

The pipelines are read with ETH_RPC_URL and ETH_WS_URL set to the development
chain, which has the chain id 1337. Their loaders write below a directory of each
run, so paths in the file have to be relative. Loaders that leave no file, such as
console, are run and not compared.

Logs and what was written are kept if anything differs.`,
		Example: `  penstock chaos --var from=1
  penstock chaos examples/pipelines/chaos.hcl --seed 7
  penstock chaos --seed 1 --runs 100 --json >runs.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = fileArgument(args)
			if !cmd.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1_000_000)
			}
			if !cmd.Flags().Changed("blocks") {
				o.blocks = uint64(max(o.duration.Seconds()*blocksPerSecond, 1))
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.chaos(ctx, o) })
		},
	}
	cmd.Flags().StringArrayVar(&o.vars, "var", nil, "set a variable of the file, as `name=value`; may be repeated")
	o.pluginFlag(cmd)
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "the `number` that all follows from (default any)")
	cmd.Flags().IntVar(&o.runs, "runs", 1, "how many seeds to try, from --seed on")
	cmd.Flags().IntVar(&o.jobs, "jobs", 1, "how many seeds to try at once")
	cmd.Flags().DurationVar(&o.duration, "duration", 20*time.Second, "how long things go wrong in a run")
	cmd.Flags().Uint64Var(&o.blocks, "blocks", 0, "how many blocks are mined meanwhile (default 4 a second)")
	cmd.Flags().StringVar(&o.dir, "dir", "", "`directory` for what the runs write (default one for temporary files)")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep what equal runs have written too")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, one object a run")
	return cmd
}

func (o *chaosOptions) check() error {
	switch {
	case o.runs < 1:
		return usagef("--runs %d: want 1 or more", o.runs)
	case o.jobs < 1:
		return usagef("--jobs %d: want 1 or more", o.jobs)
	case o.duration < time.Second:
		return usagef("--duration %s: want 1s or more", o.duration)
	case o.blocks < 1 || o.blocks > 100_000:
		return usagef("--blocks %d: want 1 to 100000", o.blocks)
	}
	return nil
}

// chaos tries one seed after the other.
func (a *app) chaos(ctx context.Context, o chaosOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := chaos.Supported(); err != nil {
		return err
	}
	c, err := a.chaosConfig(ctx, o)
	if err != nil {
		return err
	}
	base := o.dir
	if base == "" {
		if base, err = os.MkdirTemp("", "penstock-chaos-"); err != nil {
			return fmt.Errorf("make a directory for the runs: %w; name another with --dir", err)
		}
		defer func() { _ = os.Remove(base) }() // it is not empty if anything is kept
	}
	if base, err = filepath.Abs(base); err != nil {
		return fmt.Errorf("find directory %s: %w", base, err)
	}
	failed, err := a.chaosRuns(ctx, o, c, base)
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d runs differ from an undisturbed one; again with:\n  %s", len(failed), o.runs, strings.Join(failed, "\n  "))
	}
	return nil
}

// chaosRuns tries all seeds, some at once, and returns how to try those again
// that have failed.
func (a *app) chaosRuns(ctx context.Context, o chaosOptions, c chaos.Config, base string) (failed []string, err error) {
	var mu sync.Mutex // one report at a time
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.jobs)
	for i := range o.runs {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c := c
			c.Seed = o.seed + uint64(i)
			report, err := a.chaosRun(ctx, o, c, base)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if !report.Equal {
				failed = append(failed, o.reproduce(c.Seed))
			}
			return a.tellChaos(o, report)
		})
	}
	return failed, group.Wait()
}

// chaosRun tries a seed, and removes what it has written if all is well.
func (a *app) chaosRun(ctx context.Context, o chaosOptions, c chaos.Config, base string) (report chaos.Report, err error) {
	c.Dir = filepath.Join(base, "seed-"+strconv.FormatUint(c.Seed, 10))
	if err = os.MkdirAll(base, 0o700); err != nil {
		return report, fmt.Errorf("make directory %s: %w; name another with --dir", base, err)
	}
	if err = os.Mkdir(c.Dir, 0o700); err != nil {
		return report, fmt.Errorf("make a directory for seed %d: %w; remove it, or name another place with --dir", c.Seed, err)
	}
	report, err = chaos.Run(ctx, c)
	if ctx.Err() != nil && !o.keep {
		return report, errors.Join(context.Cause(ctx), os.RemoveAll(c.Dir))
	}
	if err != nil {
		return report, fmt.Errorf("seed %d: %w; what was written is in %s", c.Seed, err, c.Dir)
	}
	if report.Equal && !o.keep {
		report.Dir = ""
		if err := os.RemoveAll(c.Dir); err != nil {
			return report, fmt.Errorf("remove what seed %d has written: %w", c.Seed, err)
		}
	}
	return report, nil
}

func (a *app) tellChaos(o chaosOptions, r chaos.Report) error {
	if o.json {
		line := struct {
			chaos.Report
			Seconds   float64 `json:"seconds"`
			Reproduce string  `json:"reproduce"`
		}{r, r.Took.Seconds(), o.reproduce(r.Seed)}
		if err := json.NewEncoder(a.stdout).Encode(line); err != nil {
			return fmt.Errorf("print JSON: %w", err)
		}
		return nil
	}
	text := r.String()
	if r.Dir != "" {
		text += "\n  logs and what was written: " + r.Dir
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

// reproduce is the command that tries a seed again.
func (o *chaosOptions) reproduce(seed uint64) string {
	words := []string{"penstock chaos", o.path, "--seed", strconv.FormatUint(seed, 10), "--duration", o.duration.String(), "--blocks", strconv.FormatUint(o.blocks, 10)}
	for _, v := range o.vars {
		words = append(words, "--var '"+v+"'")
	}
	if o.pluginDir != "" {
		words = append(words, "--plugin-dir", o.pluginDir)
	}
	return strings.Join(words, " ")
}

// What stands for the addresses of a chain that is not there yet.
const (
	someHTTP = "http://127.0.0.1:1/development-chain"
	someWS   = "ws://127.0.0.1:1/development-chain"
)

// chaosConfig reads the pipelines and refuses those that two runs cannot be
// compared of.
func (a *app) chaosConfig(ctx context.Context, o chaosOptions) (chaos.Config, error) {
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return chaos.Config{}, err
	}
	env := func(name string) (string, bool) {
		switch name {
		case "ETH_RPC_URL":
			return someHTTP, true
		case "ETH_WS_URL":
			return someWS, true
		}
		return os.LookupEnv(name)
	}
	p, err := load(ctx, loading{sources: o.sources, env: env, check: true, dev: true, logger: logger, logLevel: "warn", stdout: a.stderr, version: a.version})
	if err != nil {
		return chaos.Config{}, err
	}
	if err := a.report(p, o.path); err != nil {
		return chaos.Config{}, err
	}
	c := chaos.Config{Pipelines: len(p.Model.Pipelines), Duration: o.duration, Blocks: o.blocks, Tell: func(line string) { a.say(line) }}
	if err := fillChaos(&c, p); err != nil {
		return c, err
	}
	if c.Penstock, err = os.Executable(); err != nil {
		return c, fmt.Errorf("find penstock itself: %w", err)
	}
	if c.Devchain, err = devchain(); err != nil {
		return c, err
	}
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ETH_RPC_URL=") || strings.HasPrefix(v, "ETH_WS_URL=")
	})
	c.Args, err = o.runArguments(p)
	return c, err
}

// runArguments are those of penstock run, from any directory.
func (o *chaosOptions) runArguments(p *project.Project) ([]string, error) {
	path, err := filepath.Abs(o.path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", o.path, err)
	}
	plugins, err := filepath.Abs(p.Catalog.Dir())
	if err != nil {
		return nil, fmt.Errorf("find plugin directory %s: %w", p.Catalog.Dir(), err)
	}
	// Hundreds of runs of what is there now are no first use of it: none locks it.
	args := []string{path, "--plugin-dir", plugins, "--log-level", "debug", "--dev"}
	for _, v := range o.vars {
		args = append(args, "--var", v)
	}
	return args, nil
}

// fillChaos tells what there is to compare, and refuses what cannot be.
func fillChaos(c *chaos.Config, p *project.Project) error {
	var errs []error
	for _, pipeline := range p.Model.Pipelines {
		errs = append(errs, repeatable(pipeline))
		for _, step := range pipeline.Steps {
			if step.Kind != registry.Loader {
				continue
			}
			loader, err := chaosLoader(p, pipeline, step)
			errs = append(errs, err)
			c.Loaders = append(c.Loaders, loader)
		}
	}
	for _, n := range p.Model.Networks {
		c.Finality = append(c.Finality, n.Finality)
		errs = append(errs, onDevelopmentChain(n))
	}
	return errors.Join(errs...)
}

// repeatable is nil if two runs of a pipeline begin and end at the same blocks.
func repeatable(p *config.Pipeline) error {
	switch {
	case p.Network == nil:
		return fmt.Errorf("pipeline %q reads no network, so there is nothing to go wrong with", p.Name)
	case p.FromLatest:
		return fmt.Errorf("pipeline %q begins at the head of the chain, which is another one in each run: set from to a number, such as 1 (with --var if it is a variable)", p.Name)
	case p.From > chaos.LeastHistory:
		return fmt.Errorf("pipeline %q begins at block %d, which the development chain may not have: set from to a number up to %d (with --var if it is a variable)",
			p.Name, p.From, chaos.LeastHistory)
	case p.To != nil:
		return fmt.Errorf("pipeline %q ends at block %d: leave to out, so that it follows the chain while that changes its mind", p.Name, *p.To)
	}
	return nil
}

// onDevelopmentChain is nil if a network reads the chain that chaos gives it.
func onDevelopmentChain(n *config.Network) error {
	if n.ChainID != 0 && n.ChainID != chaos.ChainID {
		return fmt.Errorf("network %q wants chain %d, the development chain is %d: leave chain_id out, or make it a variable", n.Name, n.ChainID, chaos.ChainID)
	}
	for _, e := range n.Endpoints {
		if e.URL != someHTTP && e.URL != someWS {
			return fmt.Errorf("network %q has the endpoint %q, which is not the development chain: write url = env(\"ETH_RPC_URL\") or env(\"ETH_WS_URL\")", n.Name, e.Name)
		}
	}
	return nil
}

// chaosLoader finds where a loader may write. A path that is the same for both
// runs is refused.
func chaosLoader(p *project.Project, pipeline *config.Pipeline, step *config.Step) (chaos.Loader, error) {
	reg, _ := p.Registry.Lookup(step.Register) // it is known: the model has no mistakes
	l := chaos.Loader{Step: cmp.Or(pipeline.Name, "?") + "." + step.Name, Plugin: reg.Plugin, Truncates: reg.Truncates}
	var settings any
	if len(step.Settings) > 0 {
		if err := json.Unmarshal(step.Settings, &settings); err != nil {
			return l, fmt.Errorf("read the settings of %s: %w", l.Step, err)
		}
	}
	if step.After == "final" {
		return l, fmt.Errorf("loader %s waits for final rows, of which two runs have as many as the time they had: leave after out for the trial", l.Step)
	}
	for _, text := range texts(settings) {
		switch {
		case strings.Contains(text, "://"):
		case filepath.IsAbs(text) || slices.Contains(strings.Split(filepath.ToSlash(text), "/"), ".."):
			return l, fmt.Errorf("loader %s has the setting %q: two runs would write to the same place; write a path below the working directory, such as %q",
				l.Step, text, filepath.Base(text))
		case filepath.IsLocal(text):
			l.Paths = append(l.Paths, text)
		}
	}
	return l, nil
}

// texts are all strings in a JSON value.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		return all
	case map[string]any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		slices.Sort(all)
		return all
	}
	return nil
}
