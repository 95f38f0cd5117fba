//go:build linux

package chaos_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/chaos"
)

// built is penstock with its plugins and the development chain, as a person has
// them.
func built(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for to, packages := range map[string]string{"penstock": "host", "devchain": "examples/devchain", "plugins/": "plugins/..."} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-race=false", "-o", filepath.Join(bin, to)+filepath.Ext(to), "./"+packages)
		if to == "plugins/" {
			cmd.Args[4] = filepath.Join(bin, "plugins") + "/"
		}
		cmd.Dir, cmd.Env = "../../..", append(os.Environ(), "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	return bin
}

func TestSeedsEndAsIfNothingHadHappened(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole Ethereum node is built and run")
	}
	bin := built(t)
	file, err := filepath.Abs("../../../examples/pipelines/chaos.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{8, 11, 23} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			report, err := chaos.Run(t.Context(), chaos.Config{
				Penstock: filepath.Join(bin, "penstock"), Devchain: filepath.Join(bin, "devchain"), Env: os.Environ(),
				Args:      []string{file, "--plugin-dir", filepath.Join(bin, "plugins"), "--log-level", "debug"},
				Pipelines: 1, Finality: []string{"finalized"}, Loaders: []chaos.Loader{
					{Step: "chaos.store", Plugin: "sqlite", Paths: []string{"chaos.db"}}, {Step: "chaos.lines", Plugin: "files", Paths: []string{"{step}.jsonl"}},
				},
				Seed: seed, Duration: 6 * time.Second, Blocks: 24, Dir: t.TempDir(),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(report)
			if len(report.Sheets) == 0 || len(report.Faults) == 0 {
				t.Errorf("%d tables and files were compared after %d kinds of faults, want some", len(report.Sheets), len(report.Faults))
			}
			if !report.Equal {
				t.Errorf("seed %d differs; again with: penstock chaos %s --seed %d --duration 6s --blocks 24", seed, file, seed)
			}
		})
	}
}
