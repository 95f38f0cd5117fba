package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Version is the version of the SDK, which a plugin tells its host.
const Version = "0.1.0"

// LogLevelEnv names the environment variable that sets the level of a plugin's
// log, as hclog spells it; the host sets it to its own.
const LogLevelEnv = "PENSTOCK_LOG_LEVEL"

// Serve is the one call in a plugin's main. It answers the host that started
// the program until the host is done with it, and ends the program then: it
// does not return.
func Serve(registers ...Register) {
	logger := newLogger(wire.Started())
	specs := make([]process.Register, len(registers))
	for i, r := range registers {
		specs[i] = r.spec
	}
	service, err := process.NewService(specs, buildVersion(), Version, logger)
	if err != nil {
		fmt.Fprintf(os.Stderr, "this plugin cannot serve:\n%v\n", err)
		os.Exit(1)
	}
	hclog.SetDefault(logger)
	if !wire.Started() {
		if code, wanted := attached(os.Args, service); wanted {
			os.Exit(code)
		}
		name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
		fmt.Print(explanation(name, service.Description()))
		os.Exit(1)
	}
	wire.Serve(service, logger)
	os.Exit(0)
}

// explanation is what people see who run a plugin by hand.
func explanation(name string, d *pluginv1.DescribeResponse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is a Penstock plugin. It is not run by hand: put it into your plugin_dir, name one of its\n", name)
	b.WriteString("registers in a pipeline file, and start `penstock run FILE`. It serves:\n\n")
	for _, r := range d.Registers {
		kind := strings.ToLower(strings.TrimPrefix(r.Type.String(), "PROCESS_TYPE_"))
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-11s %-24s %s", kind, r.Name, r.Doc), " ") + "\n")
	}
	fmt.Fprintf(&b, "\n`penstock plugin describe %s` tells its settings and types. With --attach it takes its own place in a\n", name)
	b.WriteString("host that runs, until it ends: so it can be run in a debugger.\n")
	return b.String()
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
