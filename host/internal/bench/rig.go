package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// setup is what an engine is to run.
type setup struct {
	file       string // a pipeline file with one pipeline
	plugins    []*config.Plugin
	checkpoint engine.CheckpointConfig
	restart    engine.Restart // one failure is too many where it says nothing
	quiet      bool           // failures are meant to happen, and not logged
}

// rig is an engine that runs, with fresh processes and no checkpoints of others.
type rig struct {
	*engine.Engine
	stop    context.CancelFunc
	ended   chan error
	store   *store.Store
	graph   *graph.Graph
	plugins *catalog.Catalog // nil: it could not be opened
	nodes   *chain.Service   // nil, as the plugins

	mu      sync.Mutex
	started []int // the processes of its plugins
}

// start runs an engine. The rig must be closed.
func (b *bench) start(ctx context.Context, s setup) (*rig, error) {
	r, err := b.prepare(ctx, s)
	if err == nil {
		r.begin(ctx)
	}
	return r, err
}

// prepare makes an engine that has not begun.
func (b *bench) prepare(ctx context.Context, s setup) (_ *rig, err error) {
	r := &rig{ended: make(chan error, 1)}
	cfg, err := r.config(ctx, s, b.dir)
	defer func() {
		if err != nil {
			r.closePlugins()
		}
	}()
	if err != nil {
		return nil, err
	}
	if r.store, err = store.Open(filepath.Join(b.dir, "data")); err != nil {
		return nil, err
	}
	cfg.Store = r.store
	if r.Engine, err = engine.New(cfg); err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	return r, nil
}

// begin lets the engine run.
func (r *rig) begin(ctx context.Context) {
	running, stop := context.WithCancel(ctx)
	r.stop = stop
	go func() { r.ended <- r.Run(running) }()
}

func (r *rig) config(ctx context.Context, s setup, dir string) (engine.Config, error) {
	level := hclog.Warn
	if s.quiet {
		level = hclog.Off
	}
	logger := hclog.New(&hclog.LoggerOptions{Level: level, Output: os.Stderr})
	byName := make(map[string]*config.Plugin)
	for _, p := range s.plugins {
		byName[p.Name] = p
	}
	plugins, err := catalog.Open(catalog.Config{Plugins: byName, Logger: logger, RunDir: dir, LogLevel: "warn"})
	if err != nil {
		return engine.Config{}, err
	}
	r.plugins = plugins
	known := registry.New()
	described := plugins.Describe(ctx)
	for _, d := range described {
		err = errors.Join(err, d.Err)
	}
	if err := errors.Join(err, catalog.Register(known, described)); err != nil {
		return engine.Config{}, err
	}
	g, err := buildGraph(s.file, known)
	if err != nil {
		return engine.Config{}, err
	}
	r.graph = g
	var networks []*config.Network
	for _, p := range g.Processes {
		if n := p.Pipeline.Network; n != nil && !slices.Contains(networks, n) {
			networks = append(networks, n)
		}
	}
	if r.nodes, err = chain.New(chain.Config{Networks: networks, Logger: logger}); err != nil {
		return engine.Config{}, err
	}
	serving := plugins.Serving(remote.Services{Chain: r.nodes})
	if s.restart.Max == 0 {
		s.restart.Max = 1
	}
	return engine.Config{
		Graph: g, Fresh: true, Logger: logger, Restart: s.restart, Checkpoint: s.checkpoint,
		Launch: func(ctx context.Context, p *graph.Process) (*remote.Plugin, error) {
			plugin, err := serving.Start(ctx, catalog.Start{Plugin: p.Register.Plugin, Step: p.Name(), Register: p.Register, Settings: p.Step.Settings, Logger: logger})
			if err == nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.started = append(r.started, plugin.PID())
			}
			return plugin, err
		},
	}, nil
}

// close stops the engine and waits for it.
func (r *rig) close() error {
	r.stop()
	err := errors.Join(<-r.ended, r.store.Close())
	r.closePlugins()
	return err
}

// closePlugins ends what plugins are started from, and what they ask.
func (r *rig) closePlugins() {
	if r.nodes != nil {
		r.nodes.Close()
	}
	if r.plugins != nil {
		r.plugins.Close()
	}
}

// finish waits until the engine has come to its end by itself.
func (r *rig) finish(ctx context.Context) error {
	select {
	case err := <-r.ended:
		r.ended <- err // for close
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flow measures the rows that the loader is given.
func (r *rig) flow(ctx context.Context, e effort) (load, error) {
	if err := r.when(ctx, "the first rows", func() bool { return r.loaded() > 0 }); err != nil {
		return load{}, err
	}
	r.mu.Lock()
	pids := r.started
	r.mu.Unlock()
	seen := r.loaded()
	return e.flow(ctx, pids, func() (int, error) {
		time.Sleep(time.Millisecond)
		now := r.loaded()
		n := now - seen
		seen = now
		return int(n), nil
	})
}

// when waits until something is so.
func (r *rig) when(ctx context.Context, what string, so func() bool) error {
	for !so() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// path is the only one that the engine has.
func (r *rig) path() engine.PathStatus { return r.Status()[0] }

// loaded is how many rows the last loader was given.
func (r *rig) loaded() uint64 {
	processes := r.path().Processes
	return processes[len(processes)-1].RowsIn
}

// step is a step as the engine was given it.
func (r *rig) step(name string) *graph.Process {
	for _, p := range r.graph.Processes {
		if p.Step.Name == name {
			return p
		}
	}
	return nil
}

// pid is the process that runs a step now, 0 if none does.
func (r *rig) pid(step string) int {
	for _, p := range r.path().Processes {
		if p.Step == step {
			return p.PID
		}
	}
	return 0
}

func buildGraph(text string, known *registry.Registry) (*graph.Graph, error) {
	file, diags := config.Parse([]config.Source{{Name: "bench.hcl", Bytes: []byte(text)}}, config.Options{})
	if diags.HasErrors() {
		return nil, diags
	}
	model, diags := file.Resolve(known)
	if diags.HasErrors() {
		return nil, diags
	}
	g, diags := graph.Build(model, known, &registry.MemoryNumbers{})
	if diags.HasErrors() {
		return nil, diags
	}
	return g, nil
}
