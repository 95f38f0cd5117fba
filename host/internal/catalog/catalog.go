// Package catalog finds plugin binaries, asks them what they offer, and starts
// them.
//
// A plugin's name is the base name of its binary. Binaries lie in the plugin
// directory; a plugin block in a pipeline file can name another path, and says
// what the process finds in its environment.
package catalog

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// describeAtOnce is how many plugins are asked at the same time.
const describeAtOnce = 4

// Config says where to look. Logger is required.
type Config struct {
	Dir     string                    // the plugin directory; "" or missing: only Plugins with a path
	Plugins map[string]*config.Plugin // what pipeline files say about some of them
	DataDir string                    // remembers which bytes were chosen, and keeps them; "": nothing is kept or remembered
	// Lock is the lock file, which is read whenever bytes are judged. Where there is
	// none, any bytes run until there is one; from then on only those that it has.
	Lock        string
	LockCommand string // how a person calls penstock plugin lock for this file; "": just so
	Dev         bool   // run what is there, locked or not
	// TrustedKeys: one of them must have signed each plugin. nil: none need be
	// signed.
	TrustedKeys  []ed25519.PublicKey
	RunDir       string        // where sockets are made; "": the system's temporary directory
	StartTimeout time.Duration // of one plugin; 0: 10 seconds
	HostVersion  string
	LogLevel     string // of the plugins, as hclog spells it
	Logger       hclog.Logger
	// Stdout gets what plugins print for people, whole lines at a time; nil:
	// it is logged.
	Stdout io.Writer
	// Services are what plugins may ask of their host while they run in a pipeline.
	Services remote.Services
	// Secrets are values that must stand in nothing that comes of a plugin; nil:
	// there are none.
	Secrets func() []string
}

// Catalog knows the plugins that can run here. It holds no processes: what
// Start returns is the caller's.
type Catalog struct {
	cfg      Config
	binaries map[string]string // name to path
	// What follows is shared with what In returns.
	vault      *vault
	choices    *choices
	judgements *judgements
}

// Description is what one plugin offers, or why it could not say.
type Description struct {
	Name   string
	Path   string
	Digest string // of the bytes that were asked
	remote.Description
	Err error
}

// Open looks for binaries without reading or running any. The catalog is closed
// by whoever opened it.
func Open(cfg Config) (_ *Catalog, err error) {
	c := &Catalog{cfg: cfg, binaries: map[string]string{}, vault: newVault(cfg.DataDir, cfg.RunDir), judgements: &judgements{approved: map[string]bool{}}}
	if err := c.scan(cfg.Dir); err != nil {
		return nil, err
	}
	for name, p := range cfg.Plugins {
		if p.Path != "" {
			c.binaries[name] = p.Path
		}
	}
	if c.choices, err = readChoices(cfg.DataDir, c.binaries); err != nil {
		return nil, err
	}
	return c, nil
}

// scan enters every program of a directory. A directory that is not there holds
// no plugins. A file that cannot be executed but looks like a program, having no
// extension, is entered too: to start it says what is wrong with it.
func (c *Catalog) scan(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for plugins: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || info.IsDir() || strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), SignatureSuffix) {
			continue
		}
		if info.Mode()&0o111 == 0 && filepath.Ext(e.Name()) != "" {
			continue
		}
		c.binaries[strings.TrimSuffix(e.Name(), ".exe")] = path
	}
	return nil
}

// Dir is where the catalog looked.
func (c *Catalog) Dir() string { return c.cfg.Dir }

// Names are the plugins found, sorted.
func (c *Catalog) Names() []string {
	names := make([]string, 0, len(c.binaries))
	for name := range c.binaries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Path is the binary of a plugin.
func (c *Catalog) Path(name string) (string, bool) {
	path, ok := c.binaries[name]
	return path, ok
}

// Describe asks every plugin what it offers, several at a time. A plugin that
// cannot answer does not keep the others from it: its description says why.
func (c *Catalog) Describe(ctx context.Context) []Description {
	names := c.Names()
	out := make([]Description, len(names))
	var group errgroup.Group
	group.SetLimit(describeAtOnce)
	for i, name := range names {
		group.Go(func() error {
			out[i] = c.DescribeOne(ctx, name)
			return nil
		})
	}
	_ = group.Wait() // each failure stands in its description
	return out
}

// DescribeOne asks one plugin what it offers.
func (c *Catalog) DescribeOne(ctx context.Context, name string) Description {
	a, err := c.resolve(ctx, name, "")
	if err != nil {
		return Description{Name: name, Path: c.binaries[name], Err: err}
	}
	return c.DescribeArtifact(ctx, a)
}

// with runs f on a plugin that lives no longer than f.
func (c *Catalog) with(ctx context.Context, name string, f func(*remote.Plugin) error) error {
	start := func() (*remote.Plugin, error) {
		return c.Start(ctx, Start{Plugin: name, Logger: c.cfg.Logger})
	}
	return c.asked(ctx, name, start, f)
}

// asked runs f on a plugin that start starts. One that somebody has killed
// meanwhile is asked once more.
func (c *Catalog) asked(ctx context.Context, name string, start func() (*remote.Plugin, error), f func(*remote.Plugin) error) error {
	err := c.once(ctx, name, start, f)
	if exit := (*remote.Exit)(nil); errors.As(err, &exit) && exit.Signal == syscall.SIGKILL && !exit.Requested && !exit.OutOfMemory && ctx.Err() == nil {
		c.cfg.Logger.Warn("a plugin was killed while it was asked what it offers: it is asked again", "plugin", name, "cause", err)
		err = c.once(ctx, name, start, f)
	}
	return err
}

func (c *Catalog) once(ctx context.Context, name string, start func() (*remote.Plugin, error), f func(*remote.Plugin) error) error {
	p, err := start()
	if err != nil {
		return err
	}
	err = f(p)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopErr := p.Stop(stopping); stopErr != nil {
		c.cfg.Logger.Debug("the plugin did not end cleanly", "plugin", name, "error", stopErr)
	}
	return err
}

// stopTimeout is how long a plugin that was only asked something may take to end.
const stopTimeout = 2 * time.Second

// In returns the same catalog with sockets made below dir, for the host that has
// the data directory: what one that was killed has left half done there goes.
func (c *Catalog) In(dir string) *Catalog {
	moved := *c
	moved.cfg.RunDir = dir
	moved.settle()
	if err := c.vault.sweep(func(string) bool { return true }); err != nil {
		c.cfg.Logger.Warn("files that an earlier host has not finished stay where they are", "dir", c.vault.dir, "error", err)
	}
	return &moved
}

// Serving is the same catalog for a host that offers services, once it has them.
func (c *Catalog) Serving(services remote.Services) *Catalog {
	offering := *c
	offering.cfg.Services = services
	return &offering
}

// Register enters the registers of descriptions into a registry. Every mistake
// is returned; what is right is entered all the same.
func Register(into *registry.Registry, descriptions []Description) error {
	var errs []error
	for _, d := range descriptions {
		if d.Err != nil {
			continue
		}
		for _, r := range Registers(d) {
			if err := into.Add(r); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Check asks the plugins of a model whether they take its settings, each once.
// The mistakes come back as diagnostics at the places of the attributes.
func (c *Catalog) Check(ctx context.Context, model *config.Model, reg *registry.Registry) config.Diagnostics {
	steps := map[string][]*config.Step{}
	for _, p := range model.Pipelines {
		for _, s := range p.Steps {
			if r, ok := reg.Lookup(s.Register); ok && !s.Broken {
				steps[r.Plugin] = append(steps[r.Plugin], s)
			}
		}
	}
	var diags config.Diagnostics
	for _, name := range c.Names() {
		if len(steps[name]) == 0 {
			continue
		}
		var found config.Diagnostics
		err := c.with(ctx, name, func(p *remote.Plugin) (err error) {
			found, err = checkSteps(ctx, p, steps[name])
			return err
		})
		diags = append(diags, found...)
		if err != nil && len(found) == 0 {
			diags = append(diags, mistake(steps[name][0].Range, "The plugin does not start", "%v", err))
		}
	}
	return diags
}

// checkSteps asks a plugin about the settings of its steps. Where it fails, the
// others are not asked about: most likely it is not there any more.
func checkSteps(ctx context.Context, p *remote.Plugin, steps []*config.Step) (config.Diagnostics, error) {
	var diags config.Diagnostics
	for _, s := range steps {
		mistakes, err := p.Configure(ctx, s.Register, s.Settings)
		if err != nil {
			return append(diags, mistake(s.Range, "The plugin could not check its settings",
				"Plugin %s, register %s: %v", p.Name(), s.Register, err)), err
		}
		for _, m := range mistakes {
			diags = append(diags, mistake(place(s, m), "The plugin refuses this setting", "%s", mistakeText(s, m)))
		}
	}
	return diags, nil
}

func mistake(at config.Range, summary, format string, args ...any) *config.Diagnostic {
	return &config.Diagnostic{Severity: config.Error, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

// place is where the attribute of a mistake stands in the file. Where an author's
// own check has found it nothing names the attribute, but most sentences begin
// with it.
func place(s *config.Step, m remote.Mistake) config.Range {
	named := cmp.Or(m.Attribute, m.Message)
	if end := strings.IndexAny(named, ".[,: "); end >= 0 {
		named = named[:end]
	}
	if r, ok := s.Places[named]; ok {
		return r
	}
	return s.Range
}

func mistakeText(s *config.Step, m remote.Mistake) string {
	if m.Attribute == "" {
		return fmt.Sprintf("%s: %s.", s.Register, m.Message)
	}
	return fmt.Sprintf("%s, %s: %s.", s.Register, m.Attribute, m.Message)
}
