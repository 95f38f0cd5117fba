package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Version is the version of the SDK, which a plugin tells its host.
const Version = "0.1.0"

// LogLevelEnv names the environment variable that sets the level of a plugin's
// log, as hclog spells it; the host sets it to its own.
const LogLevelEnv = "PENSTOCK_LOG_LEVEL"

// Serve is the one call in a plugin's main. It answers the host that started
// the program until the host is done with it, and does not return before.
func Serve(registers ...Register) {
	s, err := newService(registers)
	if err != nil {
		fmt.Fprintf(os.Stderr, "this plugin cannot serve:\n%v\n", err)
		os.Exit(1)
	}
	if !wire.Started() {
		explain(os.Stdout, s)
		os.Exit(1)
	}
	s.logger = hclog.New(&hclog.LoggerOptions{
		Level:      hclog.LevelFromString(os.Getenv(LogLevelEnv)),
		Output:     os.Stderr,
		JSONFormat: true,
	})
	hclog.SetDefault(s.logger)
	wire.Serve(s, s.logger)
}

// explain is what people see who run a plugin by hand.
func explain(out io.Writer, s *service) {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	fmt.Fprintf(out, "%s is a Penstock plugin. It is not run by hand: put it into your plugin_dir, name one of its\nregisters in a pipeline file, and start `penstock run FILE`. It serves:\n\n", name)
	for _, r := range s.described.Registers {
		kind := strings.ToLower(strings.TrimPrefix(r.Type.String(), "PROCESS_TYPE_"))
		fmt.Fprintf(out, "  %-11s %-24s %s\n", kind, r.Name, r.Doc)
	}
	fmt.Fprintf(out, "\n`penstock plugin describe %s` tells its settings and types.\n", name)
}

// service answers for the registers of one plugin.
type service struct {
	registers map[string]Register
	described *pluginv1.DescribeResponse
	logger    hclog.Logger
}

// newService checks the registers; everything that is wrong is told at once.
func newService(registers []Register) (*service, error) {
	if len(registers) == 0 {
		return nil, errors.New("it has no registers")
	}
	s := &service{
		registers: map[string]Register{},
		described: &pluginv1.DescribeResponse{Version: buildVersion(), SdkVersion: Version, Protocol: wire.Protocol},
		logger:    hclog.Default(),
	}
	var errs []error
	for _, r := range registers {
		if _, twice := s.registers[r.name]; twice {
			errs = append(errs, fmt.Errorf("register %s: it is served twice", r.name))
		}
		s.registers[r.name] = r
		d, err := r.describe()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.described.Registers = append(s.described.Registers, d)
	}
	return s, errors.Join(errs...)
}

// buildVersion is the version of the plugin's main module, or the commit it was
// built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}

// Describe tells what the plugin offers.
func (s *service) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return s.described, nil
}

// Configure checks settings on a copy of the prototype that is thrown away.
func (s *service) Configure(_ context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	r, ok := s.registers[req.Register]
	if !ok {
		return nil, fmt.Errorf("this plugin has no register %q", req.Register)
	}
	_, mistakes := r.configure(req.Settings)
	res := &pluginv1.ConfigureResponse{}
	for _, m := range mistakes {
		res.Mistakes = append(res.Mistakes, &pluginv1.Mistake{Attribute: m.Attribute, Message: m.Message})
	}
	return res, nil
}

// Process runs one process for as long as its stream lives.
func (s *service) Process(ctx context.Context, stream wire.Stream) error {
	return serveProcess(ctx, s.registers, stream, s.logger)
}
