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

// Start starts a plugin. It is the caller's to stop.
func (c *Catalog) Start(ctx context.Context, s Start) (*remote.Plugin, error) {
	path, ok := c.binaries[s.Plugin]
	if !ok {
		return nil, fmt.Errorf("there is no plugin %q: put its binary into %s, or name its path in a plugin block", s.Plugin, c.cfg.Dir)
	}
	return remote.Start(ctx, remote.Config{
		Name:         s.Plugin,
		Path:         path,
		Env:          c.environment(s.Plugin),
		RunDir:       c.cfg.RunDir,
		Logger:       s.Logger,
		Stdout:       c.cfg.Stdout,
		StartTimeout: c.cfg.StartTimeout,
		HostVersion:  c.cfg.HostVersion,
	})
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
