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

// Config says what to run. All fields are required but Logger.
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
	if _, ok := c.Registry.Lookup(Register); !ok {
		return nil, fmt.Errorf("there is no register %s, which adds up what is read: put the plugin digest into the plugin directory", Register)
	}
	dir, err := os.MkdirTemp("", "penstock-rerun-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it lies among temporary files
	s, err := store.Open(dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	sums := filepath.Join(dir, "sums.json")
	model, err := c.part(sums, from, to, size)
	if err != nil {
		return nil, err
	}
	g, diags := graph.Build(model, c.Registry, s)
	if diags.HasErrors() {
		return nil, diags
	}
	logger := c.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	e, err := engine.New(engine.Config{Graph: g, Launch: c.Launch, Store: s, Logger: logger})
	if err != nil {
		return nil, err
	}
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return read(sums)
}

// part is a model of the steps that lead to the wanted one, with the loader that
// adds up behind it.
func (c Config) part(sums string, from, to, size uint64) (*config.Model, error) {
	settings, err := json.Marshal(map[string]any{"path": sums, "column": c.Column, "every": size, "from": from, "to": to})
	if err != nil {
		return nil, err
	}
	p := *c.Pipeline
	begin := from
	if e := p.Epoch; e != nil && e.Size > 1 && !p.FromLatest && from > p.From {
		begin = p.From + (from-p.From)/e.Size*e.Size
		to += e.Size - 1 - (to-p.From)%e.Size
	}
	p.From, p.To, p.FromLatest, p.Begin, p.End, p.PathType = begin, &to, false, "", "", registry.Backtest
	p.Steps = append(leadingTo(c.Step), &config.Step{
		Kind: registry.Loader, Register: Register, Name: "penstock_sums", Settings: settings, Inputs: []config.Input{{Port: "input", From: c.Step}},
	})
	return &config.Model{Networks: c.Model.Networks, Pipelines: []*config.Pipeline{&p}, Plugins: c.Model.Plugins, Host: c.Model.Host, Secrets: c.Model.Secrets}, nil
}

// leadingTo are a step and all those before it, producers first.
func leadingTo(step *config.Step) []*config.Step {
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
	visit(step)
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
