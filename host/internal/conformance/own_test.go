package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/conformance"
)

const root = "../../.."

// The plugins of this tree pass.
func TestOwnPluginsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("all plugins are built, and killed many times")
	}
	for _, test := range []struct {
		plugin string
		path   string // where its module is, and what to build there
		pass   int    // checks that have to pass, at least
	}{
		{"uniswap", "plugins/uniswap", 50},
		{"console", "plugins/console", 12},
		{"sqlite", "plugins/sqlite", 12},
		{"files", "plugins/files", 24},
		{"parquet", "plugins/parquet", 18},
		{"ethereum", "plugins/ethereum", 10},
		{"whale", "examples/whale", 20},
	} {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			cfg := conformance.Config{Path: build(t, filepath.Join(root, test.path)), Tell: shown(t)}
			if test.plugin == "whale" {
				cfg.Settings = map[string]string{"above": "0.5"}
			}
			if test.plugin == "ethereum" {
				cfg.Settings = map[string]string{"call": `[{"to": "0x00000000219ab540356cbb839cbe05303d7705fa", "method": "totalSupply() returns (uint256)"}]`}
			}
			report := run(t, cfg)
			if n := report.Count(conformance.Fail); n > 0 {
				t.Errorf("%d checks fail", n)
			}
			if n := report.Count(conformance.Pass); n < test.pass {
				t.Errorf("%d checks pass, want %d or more", n, test.pass)
			}
		})
	}
}

// run runs the suite, with this test as the host that is killed.
func run(t *testing.T, cfg conformance.Config) conformance.Report {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Host = []string{self, asHost}
	report, err := conformance.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// shown shows results in the test's log.
func shown(t *testing.T) func(conformance.Result) {
	t.Helper()
	return func(r conformance.Result) {
		text := r.Note + r.Reason
		if r.Outcome == conformance.Fail || r.Outcome == conformance.Warn {
			text = "\n  saw " + r.Saw + "\n  want " + r.Want + "\n  mend " + r.Mend + "\n  " + text
		}
		t.Logf("%s %s/%s %s %s", r.Outcome, r.Register, r.Check, r.Took, text)
	}
}

// build builds a plugin from a folder of this tree.
func build(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(dir))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-race=false", "-o", to, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return to
}
