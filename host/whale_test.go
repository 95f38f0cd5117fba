package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whales shows all swaps and those that the plugin reports.
const whales = `
network "ethereum" {
  endpoint "node" { url = env("ETH_RPC_URL") }
}
pipeline "whales" {
  from = 0
  to   = 60
  subscriber "uniswap.swaps" "swaps" {}
  subscriber "whale.alert" "whales" {
    input = swaps
    above = 0.5
  }
  loader "console" "show" {
    inputs  = [swaps, whales]
    format  = "json"
    columns = ["block_number", "pair", "amount0_in", "amount1_in"]
  }
}
`

// TestPluginOfSomebodyElse builds the example as a third party does, in a
// module of its own, and runs it beside our plugins on a chain.
func TestPluginOfSomebodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole Ethereum node is built and run")
	}
	bin := t.TempDir()
	plugins := filepath.Join(bin, "plugins")
	build := func(dir string, args ...string) {
		t.Helper()
		run(t, dir, "go", append([]string{"build", "-race=false", "-o"}, args...)...)
	}
	build(".", filepath.Join(bin, "penstock"), ".")
	build("..", bin+"/", "./examples/devchain")
	build("..", plugins+"/", "./plugins/ethereum", "./plugins/uniswap", "./plugins/console")
	whale := filepath.Join("..", "examples", "whale")
	build(whale, filepath.Join(plugins, "whale"), ".")
	run(t, whale, "go", "test", "./...")

	penstock, dir := filepath.Join(bin, "penstock"), t.TempDir()
	describes := run(t, dir, penstock, "plugin", "describe", "whale", "--plugin-dir", plugins)
	for _, want := range []string{"takes uniswap.swap", "gives whale.alert", "above  number  default 1000", "reads uniswap.swaps"} {
		if !strings.Contains(describes, want) {
			t.Errorf("describe does not say %q:\n%s", want, describes)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "whales.hcl"), []byte(whales), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := run(t, dir, penstock, "run", "--devchain", "--view", "none", "--plugin-dir", plugins, "whales.hcl")
	swaps, alerts := exchanges(t, shown, "swaps"), exchanges(t, shown, "whales")
	var want []exchange
	for _, s := range swaps {
		if s.above(t, 5e17) {
			want = append(want, s)
		}
	}
	if diff := cmp.Diff(want, alerts); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	t.Logf("%d of %d swaps are reported", len(alerts), len(swaps))
	if len(alerts) == 0 || len(alerts) == len(swaps) {
		t.Errorf("%d of %d swaps are reported: choose another limit", len(alerts), len(swaps))
	}
}

// exchange is a row as the console shows it.
type exchange struct {
	Step    string `json:"step"`
	Block   uint64 `json:"block_number"`
	Pair    string `json:"pair"`
	Amount0 string `json:"amount0_in"`
	Amount1 string `json:"amount1_in"`
}

func (e exchange) above(t *testing.T, limit int64) bool {
	t.Helper()
	for _, amount := range []string{e.Amount0, e.Amount1} {
		v, ok := new(big.Int).SetString(amount, 10)
		if !ok {
			t.Fatalf("%q is no amount", amount)
		}
		if v.Cmp(big.NewInt(limit)) > 0 {
			return true
		}
	}
	return false
}

// exchanges are the rows of a step.
func exchanges(t *testing.T, shown, step string) []exchange {
	t.Helper()
	var of []exchange
	for line := range strings.Lines(shown) {
		var e exchange
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Step == step {
			e.Step = ""
			of = append(of, e)
		}
	}
	return of
}

// run runs a program and returns what it prints on its standard output.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &problems
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if err := errors.Join(cmd.Run(), ctx.Err()); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd, err, problems.Bytes(), out.Bytes())
	}
	return out.String()
}
