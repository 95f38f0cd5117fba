// Package rerun runs the steps of a pipeline that lead to one of them once more,
// over a range of blocks, beside whatever runs: nothing of it reaches the
// pipeline's own loaders, checkpoints or data directory. What comes out is not
// kept, only counted and added up.
package rerun

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Register is the loader that adds up; its plugin has to be there.
const Register = "digest"

// Config says what to run. All fields are required but Logger, and Step and Column
// for Through.
type Config struct {
	Model    *config.Model
	Registry *registry.Registry
	Pipeline *config.Pipeline
	Step     *config.Step // of the pipeline: what it gives is added up
	Column   string       // the number that ranges are of, such as block_number
	Launch   func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
	Logger   hclog.Logger
}

// Run reads blocks from one to another, both inclusive, and returns what the step
// gave by ranges of a size, which begin at its multiples. Ranges without rows are
// left out. Steps begin without a state: what they give may depend on where they
// begin, as with running totals. Epochs stay where the pipeline has them.
func (c Config) Run(ctx context.Context, from, to, size uint64) ([]digest.Range, error) {
	var sums []digest.Range
	err := c.run(ctx, from, to, []*config.Step{c.Step}, size, func(dir string) (err error) {
		sums, err = read(sumsIn(dir, 0))
		return err
	})
	return sums, err
}

// Through reads blocks from one to another, both inclusive, through all steps of
// the pipeline but its loaders, and returns how many rows came to where loaders
// would take them.
func (c Config) Through(ctx context.Context, from, to uint64) (rows uint64, err error) {
	c.Column = "" // their types may have no number of a block
	last := lastSteps(c.Pipeline)
	err = c.run(ctx, from, to, last, to+1, func(dir string) error {
		for i := range last {
			sums, err := read(sumsIn(dir, i))
			if err != nil {
				return err
			}
			for _, s := range sums {
				rows += s.Rows
			}
		}
		return nil
	})
	return rows, err
}

// lastSteps are the steps of a pipeline that give their rows to nobody but
// loaders.
func lastSteps(p *config.Pipeline) (last []*config.Step) {
	feeds := map[*config.Step]bool{}
	for _, s := range p.Steps {
		if s.Kind != registry.Loader {
			for _, in := range s.Inputs {
				feeds[in.From] = true
			}
		}
	}
	for _, s := range p.Steps {
		if s.Kind != registry.Loader && !feeds[s] {
			last = append(last, s)
		}
	}
	return last
}

// sumsIn is the file that the loader behind one of the steps writes.
func sumsIn(dir string, of int) string { return filepath.Join(dir, fmt.Sprintf("sums-%d.json", of)) }

// run runs what leads to some steps, with a loader that adds up behind each, and
// calls done while what these have written is there.
func (c Config) run(ctx context.Context, from, to uint64, steps []*config.Step, size uint64, done func(dir string) error) error {
	if _, ok := c.Registry.Lookup(Register); !ok {
		return fmt.Errorf("there is no register %s, which adds up what is read: put the plugin digest into the plugin directory", Register)
	}
	dir, err := os.MkdirTemp("", "penstock-rerun-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it lies among temporary files
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	model, err := c.part(dir, from, to, steps, size)
	if err != nil {
		return err
	}
	g, diags := graph.Build(model, c.Registry, s)
	if diags.HasErrors() {
		return diags
	}
	logger := c.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	e, err := engine.New(engine.Config{Graph: g, Launch: c.Launch, Store: s, Logger: logger})
	if err != nil {
		return err
	}
	if err := e.Run(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return done(dir)
}

// part is a model of the steps that lead to the wanted ones, with a loader that
// adds up behind each.
func (c Config) part(dir string, from, to uint64, steps []*config.Step, size uint64) (*config.Model, error) {
	p := *c.Pipeline
	begin, end := from, to
	if e := p.Epoch; e != nil && e.Size > 1 && !p.FromLatest && from > p.From {
		begin = p.From + (from-p.From)/e.Size*e.Size
		end += e.Size - 1 - (to-p.From)%e.Size
	}
	p.From, p.To, p.FromLatest, p.Begin, p.End, p.PathType = begin, &end, false, "", "", registry.Backtest
	p.Steps = leadingTo(steps)
	for i, step := range steps {
		settings, err := json.Marshal(map[string]any{"path": sumsIn(dir, i), "column": c.Column, "every": size, "from": from, "to": to})
		if err != nil {
			return nil, err
		}
		p.Steps = append(p.Steps, &config.Step{
			Kind: registry.Loader, Register: Register, Name: fmt.Sprintf("penstock_sums_%d", i), Settings: settings, Inputs: []config.Input{{Port: "input", From: step}},
		})
	}
	return &config.Model{Networks: c.Model.Networks, Pipelines: []*config.Pipeline{&p}, Plugins: c.Model.Plugins, Host: c.Model.Host, Secrets: c.Model.Secrets}, nil
}

// leadingTo are some steps and all those before them, producers first.
func leadingTo(steps []*config.Step) []*config.Step {
	var out []*config.Step
	var visit func(s *config.Step)
	visit = func(s *config.Step) {
		if slices.Contains(out, s) {
			return
		}
		for _, in := range s.Inputs {
			visit(in.From)
		}
		out = append(out, s)
	}
	for _, s := range steps {
		visit(s)
	}
	return out
}

// read reads what the loader has written.
func read(path string) ([]digest.Range, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the sums: %w", err)
	}
	var sums []struct {
		From, To, Rows uint64
		Sum            string
	}
	if err := json.Unmarshal(text, &sums); err != nil {
		return nil, fmt.Errorf("read the sums: %w", err)
	}
	out := make([]digest.Range, len(sums))
	for i, s := range sums {
		out[i] = digest.Range{From: s.From, To: s.To, Rows: s.Rows}
		if n, err := hex.Decode(out[i].Sum[:], []byte(s.Sum)); err != nil || n != len(out[i].Sum) {
			return nil, fmt.Errorf("read the sums: that of %d to %d is broken", s.From, s.To)
		}
	}
	return out, nil
}

// Digest is Run for a comparison: what comes of each of the ranges, which ascend
// without gaps and begin, but for the first, at multiples of their size.
func (c Config) Digest(ctx context.Context, ranges []digest.Range) ([]digest.Range, error) {
	from, to := ranges[0].From, ranges[len(ranges)-1].To
	size := to + 1 // one range has everything
	if len(ranges) > 1 {
		size = ranges[1].From
	}
	if len(ranges) > 2 {
		size = ranges[1].To - ranges[1].From + 1
	}
	sums, err := c.Run(ctx, from, to, size)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(ranges)
	for i := range out {
		for _, s := range sums {
			if s.From <= out[i].From && out[i].From <= s.To {
				out[i].Rows, out[i].Sum = s.Rows, s.Sum
			}
		}
	}
	return out, nil
}
