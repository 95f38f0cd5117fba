// Package conformance holds a plugin to what every host expects of it.
//
// Its one idea: nothing of the plugin is known but its binary. It is started as a
// host starts it and spoken to over the wire, with rows that are made up from the
// types that it declares; what it does then is compared with what it did before,
// in another process, undisturbed. So the suite says nothing about whether the
// rows are right. It says whether they are the same ones after a crash.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/remote"
)

// Config says what is tested. Path is required.
type Config struct {
	// Path is the plugin's binary, Env its whole environment.
	Path string
	Env  []string
	// Register is the only one to test; "": all that there are.
	Register string
	// Settings are those of the registers, by attribute or block. An attribute that
	// a register does not have is not set there.
	Settings map[string]string
	// Network is what readers read from. One without endpoints: those that need a
	// network are not tested beyond what can be without.
	Network remote.Network
	// Services are what the plugin may ask of its host. Without a Chain, what a
	// plugin cannot do for want of one is not tested; without Shared, sets are empty.
	Services remote.Services
	// Reach lets the plugin reach the network itself.
	Reach bool
	// Run chooses checks by their name, as register/check or check; nil: all.
	Run *regexp.Regexp
	// Seed is what the rows are made from; 0 is 1. The same seed makes the same
	// rows.
	Seed uint64
	// Host is a command that calls ActAsHost, to be killed; nil: what happens when
	// a host dies is not tested.
	Host []string
	// Deadline bounds a check, a minute if zero.
	Deadline time.Duration
	// Tell is called with every result as soon as it is there; nil: nobody is.
	Tell func(Result)
	// Version is what plugins are told that their host has.
	Version string
	// Logger gets what the plugin logs; nil: nobody does.
	Logger hclog.Logger
}

// Outcome is how a check ended.
type Outcome string

// The outcomes. A warning is no failure: the plugin can be used.
const (
	Pass Outcome = "pass"
	Warn Outcome = "warn"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Result is what came of a check.
type Result struct {
	Register string        `json:"register,omitempty"` // "": it is about the whole plugin
	Check    string        `json:"check"`
	About    string        `json:"about"` // what a plugin that passes does
	Outcome  Outcome       `json:"outcome"`
	Took     time.Duration `json:"took_ns"`
	Saw      string        `json:"saw,omitempty"`    // Fail, Warn: what the plugin did
	Want     string        `json:"want,omitempty"`   // what it should have done
	Mend     string        `json:"mend,omitempty"`   // what to do about it
	Reason   string        `json:"reason,omitempty"` // Skip: why
	Note     string        `json:"note,omitempty"`   // figures, and what could not be checked
}

// Report is what came of all checks.
type Report struct {
	Plugin    string   `json:"plugin"`
	Path      string   `json:"path"`
	Version   string   `json:"version,omitempty"`
	SDK       string   `json:"sdk,omitempty"`
	Registers []string `json:"registers"`
	Seed      uint64   `json:"seed"`
	Results   []Result `json:"results"`
}

// Count is how many results have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Run runs the suite. An error says that it could not be run, because of what it
// was told or because ctx has ended; what the plugin does wrong stands in the
// report. No process is left when it returns.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp("", "penstock-conformance-")
	if err != nil {
		return Report{}, fmt.Errorf("make a directory for the plugin's files: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is the system's to clear
	s := &suite{cfg: cfg, dir: dir, mark: newMark()}
	if cfg.Services.Chain == nil {
		s.nodes = &noNodes{}
		s.cfg.Services.Chain = s.nodes
	}
	if cfg.Services.Shared == nil {
		s.cfg.Services.Shared = noSets{}
	}
	s.report = Report{Path: cfg.Path, Seed: cfg.Seed, Registers: []string{}, Results: []Result{}}
	if err := s.acquaint(ctx); err != nil {
		return s.report, err
	}
	s.run(ctx)
	return s.report, context.Cause(ctx)
}

func (c Config) complete() (Config, error) {
	if c.Path == "" {
		return c, errors.New("test a plugin: its path is missing")
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Deadline == 0 {
		c.Deadline = time.Minute
	}
	if c.Tell == nil {
		c.Tell = func(Result) {}
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c, nil
}

// suite is a run of the checks.
type suite struct {
	cfg    Config
	dir    string
	mark   string // stands in the environment of everything that the plugin starts
	report Report
	checks int      // that have been begun
	nodes  *noNodes // what is asked where there is no network; nil: there is one
}

// acquaint asks the plugin what it offers, before anything is checked: one that
// does not start, or that does not have what is asked for, has nothing to test.
func (s *suite) acquaint(ctx context.Context) error {
	described, err := s.describe(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.report.Plugin = filepath.Base(s.cfg.Path)
		return nil //nolint:nilerr // the first checks tell
	}
	s.report.Version, s.report.SDK = described.Version, described.SDKVersion
	for _, r := range described.Registers {
		s.report.Registers = append(s.report.Registers, r.Name)
	}
	if s.cfg.Register != "" && !slices.Contains(s.report.Registers, s.cfg.Register) {
		return fmt.Errorf("the plugin has no register %q: it has %q", s.cfg.Register, s.report.Registers)
	}
	return checkSettings(s.cfg.Settings, described.Registers)
}

// describe starts the plugin once and asks it.
func (s *suite) describe(ctx context.Context) (remote.Description, error) {
	b := s.bench(remote.Register{})
	defer func() { _ = b.end() }() // what it leaves, the checks tell
	p, err := b.start(ctx)
	if err != nil {
		return remote.Description{}, err
	}
	d, err := p.Describe(ctx)
	s.report.Plugin = p.Name()
	return d, err
}

// run runs the checks of the plugin, and then those of each register.
func (s *suite) run(ctx context.Context) {
	for _, c := range ofPlugins {
		s.check(ctx, c, &subject{suite: s})
	}
	d, err := s.describe(ctx)
	if err != nil {
		return // which the check has told
	}
	for _, r := range d.Registers {
		if s.cfg.Register != "" && s.cfg.Register != r.Name {
			continue
		}
		about := &subject{suite: s, register: r}
		for _, c := range ofRegister(r.Type) {
			s.check(ctx, c, about)
		}
	}
}

// asJSON is a value as a plugin is given it.
func asJSON(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage("null") // unreachable: only what came from JSON is written
	}
	return text
}
