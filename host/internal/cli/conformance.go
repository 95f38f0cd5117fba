package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/conformance"
	"github.com/penstock-io/penstock/sdk/remote"
)

// conformity is what is tested, and how.
type conformity struct {
	register string
	settings []string
	env      []string
	networks []string
	pattern  string
	seed     uint64
	deadline time.Duration
	logLevel string
	devchain bool
	verbose  bool
	json     bool
	asHost   bool
}

func (a *app) pluginTestCommand() *cobra.Command {
	var o conformity
	cmd := &cobra.Command{
		Use:   "test BINARY",
		Short: "Hold a plugin's binary to what every host expects of it",
		Long: `Test starts a plugin's binary as a host does, in a sandbox, speaks to it over the
wire and tells what it does wrong, what it should do, and how to mend it.

Rows are made up from the types that its registers declare: blocks that follow one
another, addresses and hashes that come again, amounts of every size, and, for
eth.log, the events that most contracts emit. Every check compares what the plugin
does with what it did undisturbed: after a checkpoint, after kill -9, when nobody
takes its rows, when its host is gone. Whether the rows are right is for the tests
of the plugin to say.

Settings are given with --set: a string as it is, all else as JSON. Where a path to
write to is required and not given, one in a temporary directory is. A reader that
needs a network gets one with --network or --devchain; without, its rows are not
tested. --network also lets the plugin reach the network itself.

Loaders keep their rows where nobody sees them who only speaks to the loader:
plugintest.Contract, in a test of the plugin, tells whether they are right.`,
		Example: `  penstock plugin test bin/gas-watch
  penstock plugin test bin/plugins/uniswap --register uniswap.swaps --run 'kill|restore'
  penstock plugin test bin/plugins/ethereum --devchain --register eth.logs
  penstock plugin test bin/alert --set above=0.5 --set 'tokens=["0xC02a..."]' --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				if o.asHost {
					return conformance.ActAsHost(ctx, a.stdin, a.stdout)
				}
				if len(args) == 0 {
					return usagef("say which binary to test: penstock plugin test BINARY")
				}
				return a.testPlugin(ctx, o, args[0])
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.register, "register", "", "test only this `register`")
	flags.StringArrayVar(&o.settings, "set", nil, "set an `attribute=value` of the registers that have it")
	flags.StringArrayVar(&o.env, "env", nil, "add a `NAME=value` to the plugin's environment, which is empty otherwise")
	flags.StringArrayVar(&o.networks, "network", nil, "`URL` of a node, for registers that read from a network; the plugin may reach the network then")
	flags.BoolVar(&o.devchain, "devchain", false, "start a development chain to read from")
	flags.StringVar(&o.pattern, "run", "", "make only the checks whose name, or register/name, a regular `expression` matches: "+strings.Join(conformance.Checks(), ", "))
	flags.Uint64Var(&o.seed, "seed", 1, "what rows are made from: the same `number` makes the same rows")
	flags.DurationVar(&o.deadline, "timeout", time.Minute, "how long one check may take")
	flags.StringVar(&o.logLevel, "log-level", "off", "show the plugin's log from this `level` on: trace, debug, info, warn, error or off")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say of each check what it is about")
	flags.BoolVar(&o.asHost, "as-host", false, "start the plugin that standard input names, and wait to be killed")
	_ = flags.MarkHidden("as-host") // it is there: unreachable
	jsonFlag(cmd, &o.json)
	return cmd
}

func (a *app) testPlugin(ctx context.Context, o conformity, path string) error {
	cfg, err := o.config(path)
	if err != nil {
		return err
	}
	cfg.Version = a.version
	if err := a.logFor(o, &cfg); err != nil {
		return err
	}
	stop, err := o.chainFor(ctx, &cfg)
	if err != nil {
		return err
	}
	defer stop()
	if program, err := os.Executable(); err == nil {
		cfg.Host = []string{program, "plugin", "test", "--as-host"}
	}
	if len(cfg.Network.Endpoints) > 0 {
		nodes, err := servicesFor(&cfg)
		if err != nil {
			return err
		}
		defer nodes.Close()
	}
	tells := &testView{w: a.stdout, verbose: o.verbose}
	if !o.json {
		cfg.Tell = tells.result
	}
	report, err := conformance.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if len(report.Results) == 0 {
		return usagef("--run %q: no check has such a name: there are %s", o.pattern, strings.Join(conformance.Checks(), ", "))
	}
	if o.json {
		err = printJSON(a.stdout, report)
	} else {
		err = tells.sum(report)
	}
	if err == nil && report.Count(conformance.Fail) > 0 {
		return errSaid
	}
	return err
}

// logFor has the plugin's log shown if it is wanted.
func (a *app) logFor(o conformity, cfg *conformance.Config) error {
	if o.logLevel == "off" {
		return nil
	}
	logger, err := (&logging{level: o.logLevel}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return err
	}
	cfg.Logger = logger
	cfg.Env = append(cfg.Env, remote.LogLevelEnv+"="+o.logLevel)
	return nil
}

// chainFor starts a development chain if one is wanted, to be stopped in the end.
func (o conformity) chainFor(ctx context.Context, cfg *conformance.Config) (stop func(), err error) {
	if !o.devchain {
		return func() {}, nil
	}
	c, err := startChain(ctx, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	cfg.Network.ChainID, cfg.Reach = c.ChainID, true
	cfg.Network.Endpoints = append(cfg.Network.Endpoints, remote.Endpoint{Name: "devchain", URL: c.HTTP}, remote.Endpoint{Name: "devchain-ws", URL: c.WS})
	return c.stop, nil
}

// servicesFor lets a plugin ask for the network that it is tested with, as it would
// ask its host.
func servicesFor(cfg *conformance.Config) (*rpc.Service, error) {
	n := &config.Network{Name: cfg.Network.Name, ChainID: cfg.Network.ChainID, Finality: cfg.Network.Finality}
	for _, e := range cfg.Network.Endpoints {
		n.Endpoints = append(n.Endpoints, config.Endpoint{Name: e.Name, URL: e.URL})
	}
	nodes, err := rpc.New(rpc.Config{Networks: []*config.Network{n}, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	cfg.Services.Chain = nodes
	return nodes, nil
}

// config is what the suite is told.
func (o conformity) config(path string) (conformance.Config, error) {
	cfg := conformance.Config{
		Path: path, Env: o.env, Register: o.register, Settings: map[string]string{}, Seed: o.seed, Deadline: o.deadline,
		Network: remote.Network{Name: "conformance", ChainID: 1, Finality: "finalized"},
	}
	if o.deadline <= 0 {
		return cfg, usagef("--timeout %s: it is a time above 0, such as 30s", o.deadline)
	}
	if o.pattern != "" {
		pattern, err := regexp.Compile(o.pattern)
		if err != nil {
			return cfg, usagef("--run %q: %w", o.pattern, err)
		}
		cfg.Run = pattern
	}
	for _, setting := range o.settings {
		name, value, ok := strings.Cut(setting, "=")
		if !ok || name == "" {
			return cfg, usagef("--set %q: write attribute=value", setting)
		}
		cfg.Settings[name] = value
	}
	for _, variable := range o.env {
		if name, _, ok := strings.Cut(variable, "="); !ok || name == "" {
			return cfg, usagef("--env %q: write NAME=value", variable)
		}
	}
	for i, url := range o.networks {
		cfg.Network.Endpoints = append(cfg.Network.Endpoints, remote.Endpoint{Name: fmt.Sprintf("node-%d", i+1), URL: url})
		cfg.Network.ChainID, cfg.Reach = 0, true
	}
	return cfg, nil
}

// testView shows results as they come.
type testView struct {
	w        io.Writer
	verbose  bool
	register string
	begun    bool
	err      error // of the first write that failed
}

func (v *testView) result(r conformance.Result) {
	if !v.begun || r.Register != v.register {
		title := r.Register
		if title == "" {
			title = "the plugin"
		}
		if v.begun {
			v.printf("\n")
		}
		v.printf("%s\n", title)
		v.begun, v.register = true, r.Register
	}
	text := r.Note
	if r.Outcome == conformance.Skip {
		text = r.Reason
	}
	v.printf("%s\n", strings.TrimRight(fmt.Sprintf("  %-4s  %-16s %7s  %s", r.Outcome, r.Check, took(r.Took), text), " "))
	if v.verbose {
		v.printf("%s", indented("is", r.About))
	}
	if r.Outcome == conformance.Fail || r.Outcome == conformance.Warn {
		v.printf("%s%s%s", indented("saw", r.Saw), indented("want", r.Want), indented("mend", r.Mend))
	}
}

// took is a time in as few words as do.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// indented is a text below a result, with every line where it belongs.
func indented(word, text string) string {
	return fmt.Sprintf("          %-5s %s\n", word, strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n                "))
}

func (v *testView) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(v.w, format, args...); err != nil && v.err == nil {
		v.err = err
	}
}

// sum says how it went.
func (v *testView) sum(r conformance.Report) error {
	passed, warned, failed, skipped := r.Count(conformance.Pass), r.Count(conformance.Warn), r.Count(conformance.Fail), r.Count(conformance.Skip)
	v.printf("\n%s: %d passed, %d failed, %d warned, %d skipped (seed %d)\n", r.Plugin, passed, failed, warned, skipped, r.Seed)
	if v.err != nil {
		return errors.Join(errors.New("write the report"), v.err)
	}
	return nil
}
