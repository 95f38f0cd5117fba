package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/host/internal/catalog"
	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/remote"
)

// fileOf is the pipeline file that was named, and one without anything if none was.
func (a *app) fileOf(o *replayOptions) (*config.File, error) {
	file := config.Explain()
	if o.path == "" {
		return file, nil
	}
	read, diags := config.Read(o.path)
	if diags.HasErrors() {
		return nil, a.complain(file, diags, o.path)
	}
	file, _ = config.Parse(read, config.Options{Env: os.LookupEnv, BaseDir: project.BaseDir(o.path)})
	return file, nil
}

// nodesFor lets the plugin ask for the networks of the file, as it would ask its
// host. Nothing is kept of it.
func (a *app) nodesFor(o *replayOptions) (*rpc.Service, error) {
	file, err := a.fileOf(o)
	if err != nil {
		return nil, err
	}
	return rpc.New(rpc.Config{Networks: file.Networks})
}

// pluginsFor finds the plugin.
func (a *app) pluginsFor(o *replayOptions, name string) (*catalog.Catalog, error) {
	file, err := a.fileOf(o)
	if err != nil {
		return nil, err
	}
	known := map[string]*config.Plugin{}
	if block := file.Plugins[name]; block != nil {
		known[name] = block
	}
	dir := ""
	if o.plugin != "" {
		path, err := filepath.Abs(o.plugin)
		if err != nil {
			return nil, err
		}
		block := config.Plugin{Name: name}
		if known[name] != nil {
			block = *known[name]
		}
		block.Path = path
		known[name] = &block
	} else {
		var err error
		if dir, err = project.PluginDir(o.pluginDir, file.Host.PluginDir); err != nil {
			return nil, err
		}
	}
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return nil, err
	}
	var out io.Writer = a.stdout
	if o.json {
		out = a.stderr
	}
	return catalog.Open(catalog.Config{
		Dir: dir, Plugins: known, StartTimeout: file.Host.StartTimeout, HostVersion: a.version, LogLevel: "warn", Logger: logger, Stdout: out,
	})
}

// registerFor asks the plugin for the register that the recording is of.
func registerFor(ctx context.Context, plugins *catalog.Catalog, r *recording.Recording) (registry.Register, error) {
	h := r.Header
	if _, there := plugins.Path(h.Plugin); !there {
		return registry.Register{}, fmt.Errorf("there is no plugin %q in %s: name its binary with --plugin PATH, the pipeline file whose plugin block does with --file, or the directory with --plugin-dir", h.Plugin, plugins.Dir())
	}
	d := plugins.DescribeOne(ctx, h.Plugin)
	if d.Err != nil {
		return registry.Register{}, d.Err
	}
	var names []string
	for _, register := range catalog.Registers(d) {
		if register.Name == h.Register {
			if kind := register.Type.String(); kind != h.Kind {
				return registry.Register{}, fmt.Errorf("%s is a %s in this plugin, and was recorded as a %s", h.Register, kind, h.Kind)
			}
			return register, nil
		}
		names = append(names, register.Name)
	}
	return registry.Register{}, fmt.Errorf("plugin %s has no register %q: it has %s", h.Plugin, h.Register, strings.Join(names, ", "))
}

// openRecorded is what the step is told when it is opened. A loader begins anew: its
// store knows nothing of the checkpoint.
func openRecorded(r *recording.Recording, settings json.RawMessage) (remote.Open, error) {
	h := r.Header
	open := remote.Open{
		Register: h.Register, Pipeline: h.Pipeline, Step: h.Step, ProcessID: "replay of " + h.Pipeline + "/" + h.Step, Domain: h.Domain,
		Checkpoint: h.Checkpoint, Forks: h.Forks, Generation: recording.Generation, Settings: settings,
		Network: remote.Network{Name: h.Network.Name, ChainID: h.Network.ChainID, Finality: h.Network.Finality},
		From:    h.From, FromLatest: h.FromLatest, To: h.To, Policy: recordedPolicy(h.Policy),
	}
	if c := h.Cursor; c != nil {
		open.Cursor = &remote.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
	}
	if s := r.Snapshot; s != nil {
		open.Snapshot = &remote.Snapshot{Version: s.Version, State: s.State}
	}
	for _, in := range h.Inputs {
		typ, err := in.Type.Transit()
		if err != nil {
			return open, err
		}
		open.Inputs = append(open.Inputs, remote.Input{Name: in.Name, Port: in.Port, Rows: in.Rows, Type: typ})
	}
	if h.Loader() {
		open.Checkpoint, open.Forks, open.Cursor, open.Fresh = 0, 0, nil, true
		for i := range open.Inputs {
			open.Inputs[i].Rows = 0
		}
	}
	return open, nil
}

func recordedPolicy(p *recording.Policy) *remote.Policy {
	if p == nil {
		return nil
	}
	out := &remote.Policy{Size: p.Size, First: p.First, Offset: p.Offset, On: p.On, Latest: p.Latest, Require: p.Require, Max: p.Max, Timeout: p.Timeout}
	switch p.Kind {
	case "trigger":
		out.Kind = remote.PolicyTrigger
	case "epoch":
		out.Kind = remote.PolicyEpoch
	default:
		out.Kind = remote.PolicyBlock
	}
	return out
}
