package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
)

// defaultFile is what commands read where nothing is named.
const defaultFile = "pipelines.hcl"

// sources are the flags that say what a project is made of.
type sources struct {
	path      string
	vars      []string
	pluginDir string
	dataDir   string
}

func (s *sources) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.vars, "var", nil, "set a variable of the file, as `name=value`; may be repeated")
	s.pluginFlag(cmd)
	cmd.Flags().StringVar(&s.dataDir, "data-dir", "", "`directory` that the host keeps its state in (default .penstock, or data_dir of the host block)")
}

func (s *sources) pluginFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.pluginDir, "plugin-dir", "", "`directory` with plugin binaries (default \"plugins\" beside penstock, or plugin_dir of the host block)")
}

// values are the variables that were set.
func (s *sources) values() (map[string]string, error) {
	vars := make(map[string]string, len(s.vars))
	for _, text := range s.vars {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--var %q: write it as name=value", text)
		}
		vars[name] = value
	}
	return vars, nil
}

// loading says how a project is loaded.
type loading struct {
	sources
	env      func(name string) (string, bool)
	check    bool // have the plugins check their settings
	logger   hclog.Logger
	logLevel string
	stdout   io.Writer // gets what plugins print
	version  string
}

// project is a configuration with everything that it needs to run.
type project struct {
	file     *config.File
	model    *config.Model
	catalog  *catalog.Catalog
	plugins  []catalog.Description
	registry *registry.Registry
	graph    *graph.Graph // with numbers that only a running host makes durable
	dataDir  string
	diags    config.Diagnostics
}

// load goes through everything that can be known before something runs. What is
// wrong with the configuration stands in the project; the error is about
// everything else.
func load(ctx context.Context, l loading) (*project, error) {
	vars, err := l.values()
	if err != nil {
		return nil, err
	}
	read, diags := config.Read(l.path)
	if diags.HasErrors() {
		return &project{file: config.Explain(), diags: diags}, nil
	}
	p := &project{}
	p.file, p.diags = config.Parse(read, config.Options{Vars: vars, Env: l.env, BaseDir: baseDir(l.path)})
	if len(p.file.Registers()) == 0 && p.diags.HasErrors() {
		return p, nil
	}
	l.logger.Debug("read the configuration", "path", l.path, "files", len(read))
	if err := p.askPlugins(ctx, l); err != nil {
		return nil, err
	}
	p.dataDir = first(l.dataDir, p.file.Host.DataDir, ".penstock")
	numbers, err := store.Preview(p.dataDir)
	if err != nil && !errors.As(err, new(*store.InUseError)) {
		return nil, err
	}
	var found [3]config.Diagnostics
	p.model, found[0] = p.file.Resolve(p.registry)
	p.graph, found[1] = graph.Build(p.model, p.registry, numbers)
	if l.check {
		found[2] = p.catalog.Check(ctx, p.model, p.registry)
	}
	p.diags = p.file.Join(p.suspects(), found[0], found[1], found[2])
	return p, ctx.Err()
}

// askPlugins fills the registry with what the plugins offer.
func (p *project) askPlugins(ctx context.Context, l loading) error {
	dir, err := pluginDir(l.pluginDir, p.file.Host.PluginDir)
	if err != nil {
		return err
	}
	p.catalog, err = catalog.Open(catalog.Config{
		Dir: dir, Plugins: p.file.Plugins, StartTimeout: p.file.Host.StartTimeout,
		HostVersion: l.version, LogLevel: l.logLevel, Logger: l.logger, Stdout: l.stdout,
	})
	if err != nil {
		return err
	}
	p.plugins = p.catalog.Describe(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.registry = registry.New()
	if err := catalog.Register(p.registry, p.plugins); err != nil {
		return err
	}
	l.logger.Debug("asked the plugins", "plugins", len(p.plugins), "registers", len(p.registry.All()))
	return nil
}

// suspects are the plugins that could not be asked. They are mistakes if a
// register is missing, which may well be theirs, and worth a warning otherwise.
func (p *project) suspects() config.Diagnostics {
	severity := config.Warning
	for _, name := range p.file.Registers() {
		if _, ok := p.registry.Lookup(name); !ok {
			severity = config.Error
		}
	}
	var diags config.Diagnostics
	for _, d := range p.plugins {
		if d.Err == nil {
			continue
		}
		diag := &config.Diagnostic{Severity: severity, Summary: "A plugin does not answer", Detail: sentence(d.Err)}
		if block := p.file.Plugins[d.Name]; block != nil {
			diag.Subject = &block.Range
		}
		diags = append(diags, diag)
	}
	if len(p.plugins) == 0 {
		diags = append(diags, &config.Diagnostic{
			Severity: severity, Summary: "No plugins",
			Detail: fmt.Sprintf("There is no plugin in %s: build the plugins (make build), or name their directory with --plugin-dir.", p.catalog.Dir()),
		})
	}
	return diags
}

// report writes what is wrong with the configuration, and returns an error if
// it cannot run.
func (a *app) report(p *project, path string) error {
	width := 0
	if w, _, err := term.GetSize(int(a.stderr.Fd())); err == nil {
		width = w
	}
	if err := p.file.Write(a.stderr, p.diags, colored(a.stderr), uint(max(width, 0))); err != nil {
		return err
	}
	mistakes := 0
	for _, diag := range p.diags {
		if diag.Severity == config.Error {
			mistakes++
		}
	}
	switch mistakes {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: 1 mistake", path)
	}
	return fmt.Errorf("%s: %d mistakes", path, mistakes)
}

// pluginDir is where plugins are looked for.
func pluginDir(fromFlag, fromFile string) (string, error) {
	if dir := first(fromFlag, fromFile); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return "", fmt.Errorf("plugin directory %s: there is no such directory", dir)
		}
		return dir, nil
	}
	return beside("plugins")
}

// baseDir is where relative paths in a file, or in the files of a directory,
// begin.
func baseDir(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// fileArgument is the path that a command was given, or the default.
func fileArgument(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return defaultFile
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
