// Package project loads what a host is to run: the files, the plugins that
// they need, and the graph that comes of both. Everything that can be known
// before something runs is known then, with every mistake at its place.
package project

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
)

// DefaultDataDir is where a host keeps its state if nobody says otherwise.
const DefaultDataDir = ".penstock"

// Options say what is loaded, and how. Path and Logger are required.
type Options struct {
	Path      string            // a file, or a directory with files
	Sources   []config.Source   // instead of what is read there; nil: that
	BaseDir   string            // what relative paths in the files begin at; "": where Path is
	Vars      map[string]string // variables of the files
	PluginDir string            // instead of what the host block says; "": that, or "plugins" beside this program
	DataDir   string            // instead of what the host block says
	Running   *catalog.Catalog  // of the host that is to run it instead: plugins are looked for where it looks, and run what they run there
	Env       func(name string) (string, bool)
	Check     bool // have the plugins check their settings
	Dev       bool // run plugins that are not locked too
	Logger    hclog.Logger
	LogLevel  string    // of the plugins, as hclog spells it
	Stdout    io.Writer // gets what plugins print for people; nil: it is logged
	Version   string    // of the host
	// Fix puts numbers in the place of what only the chain can tell of a model that
	// is to run; nil: it is only looked at.
	Fix func(ctx context.Context, m *config.Model, dataDir string) error
}

// Project is a configuration with everything that it needs to run.
type Project struct {
	Path     string
	Sources  []config.Source // the files as they were read
	File     *config.File
	Model    *config.Model // nil where the files could not be understood at all, as is what follows
	Catalog  *catalog.Catalog
	Plugins  []catalog.Description
	Registry *registry.Registry
	Graph    *graph.Graph // with numbers that only a running host makes durable
	DataDir  string
	Diags    config.Diagnostics
}

// Load goes through everything that can be known before something runs. What is
// wrong with the configuration stands in the project; the error is about
// everything else.
func Load(ctx context.Context, o Options) (*Project, error) {
	read, diags := o.Sources, config.Diagnostics(nil)
	if read == nil {
		read, diags = config.Read(o.Path)
	}
	if diags.HasErrors() {
		return &Project{Path: o.Path, File: config.Explain(), Diags: diags}, nil
	}
	p := &Project{Path: o.Path, Sources: read}
	p.File, p.Diags = config.Parse(read, config.Options{Vars: o.Vars, Env: o.Env, BaseDir: first(o.BaseDir, BaseDir(o.Path))})
	if len(p.File.Registers()) == 0 && p.Diags.HasErrors() {
		return p, nil
	}
	o.Logger.Debug("read the configuration", "path", o.Path, "files", len(read))
	p.DataDir = dataDir(o, p.File)
	if broken := p.checkLock(o); broken.HasErrors() {
		p.Diags = p.File.Join(p.Diags, broken)
		return p, nil
	}
	if err := p.askPlugins(ctx, o); err != nil {
		return nil, err
	}
	numbers, err := store.Preview(p.DataDir)
	if err != nil && !errors.As(err, new(*store.InUseError)) {
		return nil, err
	}
	var found [3]config.Diagnostics
	p.Model, found[0] = p.File.Resolve(p.Registry)
	if o.Fix != nil && !found[0].HasErrors() {
		if err := o.Fix(ctx, p.Model, p.DataDir); err != nil {
			return p, err
		}
	}
	p.Graph, found[1] = graph.Build(p.Model, p.Registry, numbers)
	if o.Check {
		found[2] = p.Catalog.Check(ctx, p.Model, p.Registry)
	}
	p.Diags = p.File.Join(p.suspects(), found[0], found[1], found[2])
	return p, ctx.Err()
}

// askPlugins fills the registry with what the plugins offer.
func (p *Project) askPlugins(ctx context.Context, o Options) error {
	var err error
	if p.Catalog, err = p.open(o); err != nil {
		return err
	}
	p.Plugins = p.Catalog.Describe(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.Registry = registry.New()
	if err := catalog.Register(p.Registry, p.Plugins); err != nil {
		return err
	}
	o.Logger.Debug("asked the plugins", "plugins", len(p.Plugins), "registers", len(p.Registry.All()))
	return nil
}

// open looks for the plugins.
func (p *Project) open(o Options) (*catalog.Catalog, error) {
	if o.Running != nil {
		return o.Running.Again(p.File.Plugins, p.File.Host.StartTimeout)
	}
	return OpenCatalog(o, p.File)
}

// OpenCatalog looks for the plugins of a file, and reads or runs none.
func OpenCatalog(o Options, file *config.File) (*catalog.Catalog, error) {
	dir, err := PluginDir(o.PluginDir, file.Host.PluginDir)
	if err != nil {
		return nil, err
	}
	return catalog.Open(catalog.Config{
		Dir: dir, Plugins: file.Plugins, DataDir: dataDir(o, file), StartTimeout: file.Host.StartTimeout,
		Lock: o.lockFile(), LockCommand: o.lockCommand(), Dev: o.Dev, TrustedKeys: file.Host.TrustedKeys,
		HostVersion: o.Version, LogLevel: o.LogLevel, Logger: o.Logger, Stdout: o.Stdout, Secrets: file.Secrets,
	})
}

// dataDir is where the host of a file keeps its state.
func dataDir(o Options, file *config.File) string {
	return first(o.DataDir, file.Host.DataDir, DefaultDataDir)
}

// suspects are the plugins that could not be asked. They are mistakes if a
// register is missing, which may well be theirs, and worth a warning otherwise.
func (p *Project) suspects() config.Diagnostics {
	severity := config.Warning
	for _, name := range p.File.Registers() {
		if _, ok := p.Registry.Lookup(name); !ok {
			severity = config.Error
		}
	}
	var diags config.Diagnostics
	for _, d := range p.Plugins {
		if d.Err == nil {
			continue
		}
		diag := &config.Diagnostic{Severity: severity, Summary: "A plugin does not answer", Detail: sentence(d.Err)}
		if e := (*catalog.LockError)(nil); errors.As(d.Err, &e) {
			if severity == config.Warning && !e.Changed() {
				continue // nobody needs it, or wants it to run
			}
			diag.Summary = "A plugin is not locked"
		}
		if block := p.File.Plugins[d.Name]; block != nil {
			diag.Subject = &block.Range
		}
		diags = append(diags, diag)
	}
	if len(p.Plugins) == 0 {
		diags = append(diags, &config.Diagnostic{
			Severity: severity, Summary: "No plugins",
			Detail: fmt.Sprintf("There is no plugin in %s: build the plugins (make build), or name their directory with --plugin-dir.", p.Catalog.Dir()),
		})
	}
	return diags
}

// PluginDir is where plugins are looked for: where a flag or the host block
// says, or in "plugins" beside this program.
func PluginDir(fromFlag, fromFile string) (string, error) {
	if dir := first(fromFlag, fromFile); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return "", fmt.Errorf("plugin directory %s: there is no such directory", dir)
		}
		return dir, nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find penstock itself: %w", err)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return filepath.Join(filepath.Dir(program), "plugins"), nil
}

// BaseDir is where relative paths in a file, or in the files of a directory,
// begin.
func BaseDir(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// sentence makes an error begin with a capital and end with a full stop.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
