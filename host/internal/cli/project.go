package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
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
	dev      bool // run plugins that are not locked too
	logger   hclog.Logger
	logLevel string
	stdout   io.Writer // gets what plugins print
	version  string
}

// load goes through everything that can be known before something runs.
func load(ctx context.Context, l loading) (*project.Project, error) {
	options, err := l.options()
	if err != nil {
		return nil, err
	}
	return project.Load(ctx, options)
}

func (l *loading) options() (project.Options, error) {
	vars, err := l.values()
	return project.Options{
		Path: l.path, Vars: vars, PluginDir: l.pluginDir, DataDir: l.dataDir, Env: l.env, Check: l.check, Dev: l.dev,
		Logger: l.logger, LogLevel: l.logLevel, Stdout: l.stdout, Version: l.version,
	}, err
}

// report writes what is wrong with the configuration, and returns an error if
// it cannot run.
func (a *app) report(p *project.Project, path string) error {
	width := 0
	if w, _, err := term.GetSize(int(a.stderr.Fd())); err == nil {
		width = w
	}
	if err := p.File.Write(a.stderr, p.Diags, colored(a.stderr), uint(max(width, 0))); err != nil {
		return err
	}
	mistakes := 0
	for _, diag := range p.Diags {
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
