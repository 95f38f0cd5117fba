package catalog_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk"
)

// markEnv names a directory: as long as it is not there, the plugin makes it and
// is killed.
const markEnv = "PENSTOCK_CATALOG_MARK"

// stagerEnv has the test binary put plugins into a store until it is killed: it
// names the directories of both.
const stagerEnv = "PENSTOCK_CATALOG_STAGER"

// serveEnv has the test binary be the plugin at once.
const serveEnv = "PENSTOCK_CATALOG_SERVE"

// curiousEnv has the test binary be the plugin that looks into files.
const curiousEnv = "PENSTOCK_CATALOG_CURIOUS"

// The test binary is also the plugin.
func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		sdk.Serve(sdk.Reader("test.none", none{}))
		os.Exit(0)
	}
	if os.Getenv(curiousEnv) != "" {
		sdk.Serve(sdk.Reader("test.curious", &curious{}))
		os.Exit(0)
	}
	if plugins, data, ok := strings.Cut(os.Getenv(stagerEnv), ":"); ok {
		stager(plugins, data)
	}
	if mark := os.Getenv(markEnv); mark != "" {
		if os.Mkdir(mark, 0o700) == nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		sdk.Serve(sdk.Reader("test.none", none{}))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type row struct{ BlockNumber uint64 }

func (row) TransitType() string { return "test.row" }

type none struct{}

func (none) Read(context.Context, sdk.Start, *sdk.Output[row]) error { return nil }

// A plugin that somebody kills while it is asked what it offers is asked again.
func TestKilledPluginIsAskedAgain(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{markEnv: filepath.Join(t.TempDir(), "killed"), "GORACE": "atexit_sleep_ms=0"}
	c, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{"test": {Name: "test", Path: self, Env: env, Sandbox: config.Sandbox{Off: true}}}, // it leaves a mark
		Logger:  hclog.NewNullLogger(), RunDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := c.DescribeOne(t.Context(), "test")
	if d.Err != nil || len(d.Registers) != 1 {
		t.Errorf("got %d registers and %v, want the one that it has", len(d.Registers), d.Err)
	}
}
