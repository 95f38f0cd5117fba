package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Start says which plugin is started, and what for. Plugin and Logger are
// required; the others are empty where it is only asked something, and then it
// is given no more than it needs to answer.
type Start struct {
	Plugin   string
	Step     string            // the process, as graph.Process.Name has it
	Register registry.Register // what the process is
	Settings json.RawMessage   // those of the step
	Logger   hclog.Logger
}

// Start starts what runs for the step. It is the caller's to stop.
func (c *Catalog) Start(ctx context.Context, s Start) (*remote.Plugin, error) {
	a, err := c.resolve(ctx, s.Plugin, s.Step)
	if err != nil {
		return nil, err
	}
	return c.StartArtifact(ctx, a, s)
}

// StartArtifact starts these very bytes, whatever has become of the file that
// they came from. The process is the caller's to stop.
func (c *Catalog) StartArtifact(ctx context.Context, a Artifact, s Start) (*remote.Plugin, error) {
	if err := c.judged(a); err != nil {
		return nil, err
	}
	bytes, err := c.open(ctx, a)
	if err != nil {
		return nil, err
	}
	defer c.vault.give(bytes)
	if err := bytes.intact(ctx); err != nil {
		return nil, fmt.Errorf("start plugin %s: %w", a.Plugin, err)
	}
	return remote.Start(ctx, c.confine(remote.Config{
		Name:         a.Plugin,
		Path:         a.Source,
		Sealed:       bytes.file,
		Env:          c.environment(a.Plugin),
		RunDir:       c.cfg.RunDir,
		Logger:       s.Logger,
		Stdout:       c.cfg.Stdout,
		StartTimeout: c.cfg.StartTimeout,
		HostVersion:  c.cfg.HostVersion,
		Services:     c.cfg.Services,
		MutualTLS:    c.cfg.Plugins[a.Plugin] != nil && c.cfg.Plugins[a.Plugin].MutualTLS,
	}, s))
}

// environment is all that a plugin's process finds in its environment.
func (c *Catalog) environment(name string) []string {
	var env []string
	if c.cfg.LogLevel != "" {
		env = append(env, remote.LogLevelEnv+"="+c.cfg.LogLevel)
	}
	if p := c.cfg.Plugins[name]; p != nil {
		for key, value := range p.Env {
			env = append(env, key+"="+value)
		}
	}
	slices.Sort(env)
	return env
}
