package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

func port(name, typ string) registry.Port {
	return registry.Port{Name: name, Type: transit.Type{Name: typ}}
}

// registers is the registry that all tests use. Types are names only: what is
// in them is no matter of this package.
func registers(tb testing.TB) *registry.Registry {
	tb.Helper()
	reader := func(name, typ string, settings registry.Settings) registry.Register {
		return registry.Register{Name: name, Plugin: "ethereum", Type: registry.Reader, Output: transit.Type{Name: typ}, Settings: settings}
	}
	r := registry.New()
	for _, reg := range []registry.Register{
		reader("eth.blocks", "eth.block", registry.Settings{}),
		reader("eth.logs", "eth.log", registry.Settings{
			Attributes: []registry.Attribute{
				{Name: "addresses", Type: "list(string)"},
				{Name: "batch", Type: "number"},
				{Name: "confirm", Type: "bool"},
				{Name: "extra", Type: "any"},
			},
			Blocks: []registry.Block{
				{Name: "retry_policy", Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "attempts", Type: "number", Required: true}, {Name: "wait", Type: "string"}}}},
				{Name: "filter", Many: true, Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "topics", Type: "set(string)"}}}},
			},
		}),
		reader("feed.prices", "feed.price", registry.Settings{Attributes: []registry.Attribute{{Name: "url", Type: "string", Required: true}}}),
		{
			Name: "uniswap.swaps", Plugin: "uniswap", Type: registry.Subscriber, Output: transit.Type{Name: "uniswap.swap"},
			Inputs: []registry.Port{port("", "eth.log")}, Dependencies: []string{"eth.logs"},
		},
		{
			Name: "uniswap.pair_totals", Plugin: "uniswap", Type: registry.Aggregator, Output: transit.Type{Name: "uniswap.pair_total"},
			Inputs: []registry.Port{port("blocks", "eth.block"), port("swaps", "uniswap.swap")}, Dependencies: []string{"uniswap.swaps", "eth.blocks"},
		},
		{
			Name: "uniswap.priced", Plugin: "uniswap", Type: registry.Subscriber, Output: transit.Type{Name: "uniswap.priced"},
			Inputs: []registry.Port{port("", "feed.price")}, Dependencies: []string{"feed.prices"},
		},
		{
			Name: "loop.a", Plugin: "loop", Type: registry.Subscriber, Output: transit.Type{Name: "loop.a"},
			Inputs: []registry.Port{port("", "loop.b")}, Dependencies: []string{"loop.b"},
		},
		{
			Name: "loop.b", Plugin: "loop", Type: registry.Subscriber, Output: transit.Type{Name: "loop.b"},
			Inputs: []registry.Port{port("", "loop.a")}, Dependencies: []string{"loop.a"},
		},
		{
			Name: "odd", Plugin: "odd", Type: registry.Reader, Output: transit.Type{Name: "odd"},
			Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "shape", Type: "list(strng)"}}, Blocks: []registry.Block{{Name: "auth", Required: true}}},
		},
		{
			Name: "sqlite", Plugin: "sqlite", Type: registry.Loader, ManyInputs: true, Inputs: []registry.Port{{Any: true}},
			Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "path", Type: "string", Required: true}}},
		},
		{
			Name: "totals.report", Plugin: "report", Type: registry.Loader, ManyInputs: true, Inputs: []registry.Port{{Any: true}},
			Dependencies: []string{"uniswap.pair_totals"},
		},
		{Name: "console", Plugin: "console", Type: registry.Loader, ManyInputs: true, Inputs: []registry.Port{{Any: true}}},
	} {
		if err := r.Add(reg); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// options are those of all golden tests.
var options = config.Options{
	Vars: map[string]string{"token": "hunter2", "given": "[1, 2"},
	Env: func(name string) (string, bool) {
		value, ok := map[string]string{"ETH_RPC_URL": "https://node.example/hunter2", "HOME": "/root", "PAIRS": "0xa,0xb"}[name]
		return value, ok
	},
	BaseDir: "testdata",
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// load resolves one file. Variables are given to files that declare them.
func load(t *testing.T, path string) (*config.File, *config.Model, config.Diagnostics) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	given := options
	if !bytes.Contains(src, []byte(`variable "token"`)) {
		given.Vars = nil
	}
	f, _ := config.Parse([]config.Source{{Name: filepath.Base(path), Bytes: src}}, given)
	m, diags := f.Resolve(registers(t))
	return f, m, diags
}

func TestDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".hcl"), func(t *testing.T) {
			f, _, diags := load(t, file)
			var text bytes.Buffer
			if err := f.Write(&text, diags, false, 100); err != nil {
				t.Fatal(err)
			}
			if text.Len() == 0 {
				t.Error("no mistake was found")
			}
			if strings.Contains(text.String(), "hunter2") {
				t.Errorf("a secret is shown:\n%s", text.String())
			}
			golden(t, strings.TrimSuffix(file, ".hcl")+".txt", text.Bytes())
		})
	}
}

func TestRegisters(t *testing.T) {
	f, _, _ := load(t, "testdata/implied.hcl")
	if diff := cmp.Diff([]string{"console", "eth.logs", "totals.report", "uniswap.pair_totals"}, f.Registers()); diff != "" {
		t.Errorf("Registers (-want +got):\n%s", diff)
	}
}

func TestVariablesFromOutside(t *testing.T) {
	src := `variable "s" {}
variable "n" { type = number }
variable "l" { type = list(string) }
variable "d" { default = 5 }
network "m" {
  chain_id = var.n
  endpoint "a" { url = "http://${var.s}" }
}
pipeline "p" {
  from = var.d
  reader "eth.logs" "logs" { addresses = var.l }
}`
	f, _ := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(src)}}, config.Options{
		Vars: map[string]string{"s": "[not parsed", "n": "10", "l": `["a", upper("b")]`},
	})
	if _, diags := f.Resolve(registers(t)); !diags.HasErrors() {
		t.Error("a function in a value from outside was called")
	}
	f, _ = config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(src)}}, config.Options{
		Vars: map[string]string{"s": "host", "n": "10", "l": `["a", "b"]`, "d": "6"},
	})
	m, diags := f.Resolve(registers(t))
	noDiagnostics(t, f, diags)
	if got := fmt.Sprint(m.Networks[0].ChainID, m.Networks[0].Endpoints[0].URL, m.Pipelines[0].From, string(m.Pipelines[0].Steps[0].Settings)); got != `10http://host6{"addresses":["a","b"]}` {
		t.Errorf("got %s", got)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]uint64{
		"0B": 0, "7B": 7, "1KB": 1000, "1KiB": 1024, "512MiB": 512 << 20, "1.5GiB": 3 << 29, "2 TB": 2e12,
	} {
		if got, err := config.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q): got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "512", "MiB", "-1B", "1mib", "1e3B", "99999999999999TiB"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q): got %d, want an error", text, got)
		}
	}
}
