package graph_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

type logRow struct {
	BlockNumber uint64
	Data        []byte
}

func (logRow) TransitType() string { return "eth.log" }

type blockRow struct{ Number uint64 }

func (blockRow) TransitType() string { return "eth.block" }

type swapRow struct {
	BlockNumber uint64
	Amount      uint64
}

func (swapRow) TransitType() string { return "uniswap.swap" }

type totalRow struct{ Total uint64 }

func (totalRow) TransitType() string { return "uniswap.pair_total" }

// oldSwapRow is what a consumer asks for that was built against another
// version of uniswap.swap.
type oldSwapRow struct {
	BlockNumber uint64
	Amount      string
	Pair        string
}

func (oldSwapRow) TransitType() string { return "uniswap.swap" }

func typeOf(t *testing.T, row any) transit.Type {
	t.Helper()
	typ, err := transit.TypeOfGo(reflect.TypeOf(row))
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// registers is the registry that all tests use.
func registers(t *testing.T) *registry.Registry {
	t.Helper()
	logs, blocks, swaps, totals := typeOf(t, logRow{}), typeOf(t, blockRow{}), typeOf(t, swapRow{}), typeOf(t, totalRow{})
	path := registry.Settings{Attributes: []registry.Attribute{{Name: "path", Type: "string", Required: true}}}
	r := registry.New()
	for _, reg := range []registry.Register{
		{Name: "eth.logs", Plugin: "ethereum", Type: registry.Reader, Output: logs},
		{Name: "eth.blocks", Plugin: "ethereum", Type: registry.Reader, Output: blocks},
		{
			Name: "uniswap.swaps", Plugin: "uniswap", Type: registry.Subscriber, Output: swaps,
			Inputs: []registry.Port{{Type: logs}}, Dependencies: []string{"eth.logs"},
			Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "pair", Type: "string"}}},
		},
		{
			Name: "uniswap.pair_totals", Plugin: "uniswap", Type: registry.Aggregator, Output: totals,
			Inputs:       []registry.Port{{Name: "blocks", Type: blocks}, {Name: "swaps", Type: swaps}},
			Dependencies: []string{"eth.blocks", "uniswap.swaps"},
		},
		{Name: "same.logs", Plugin: "test", Type: registry.Subscriber, Output: logs, Inputs: []registry.Port{{Type: logs}}},
		{Name: "old.swaps", Plugin: "old", Type: registry.Subscriber, Output: totals, Inputs: []registry.Port{{Type: typeOf(t, oldSwapRow{})}}},
		{Name: "sqlite", Plugin: "sqlite", Type: registry.Loader, ManyInputs: true, Inputs: []registry.Port{{Any: true}}, Settings: path},
		{Name: "console", Plugin: "console", Type: registry.Loader, ManyInputs: true, Inputs: []registry.Port{{Any: true}}},
	} {
		if err := r.Add(reg); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// build goes all the way from HCL to a graph. The text is that of all
// diagnostics.
func build(t *testing.T, src string) (*graph.Graph, string) {
	t.Helper()
	f, _ := config.Parse([]config.Source{{Name: "pipelines.hcl", Bytes: []byte(src)}}, config.Options{})
	r := registers(t)
	m, diags := f.Resolve(r)
	g, more := graph.Build(m, r, &registry.MemoryNumbers{})
	var text strings.Builder
	if err := f.Write(&text, append(diags, more...), false, 100); err != nil {
		t.Fatal(err)
	}
	return g, text.String()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
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

func TestDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hcl")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, text := build(t, string(src))
			golden(t, name+".txt", []byte(text))
		})
	}
}

// The type's own words are tested where types are; here it is who, where and
// that both are shown.
func TestTypesThatDoNotFit(t *testing.T) {
	_, text := build(t, network+`pipeline "swaps" {
  reader "eth.logs" "logs" {}
  reader "eth.blocks" "blocks" {}
  subscriber "uniswap.swaps" "swaps" { input = logs }
  subscriber "old.swaps" "old" { input = swaps }
  aggregator "uniswap.pair_totals" "totals" {
    inputs = [swaps, blocks] # the wrong way round
  }
  loader "console" "print" { inputs = [old, totals] }
}`)
	flat := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		`at pipelines.hcl:9:42, in pipeline "swaps"`,
		`Step "swaps" (uniswap.swaps) cannot be read by "old" (old.swaps): uniswap.swap does not fit: 2 columns differ`,
		"! amount string uint64",
		`at pipelines.hcl:11:15, in pipeline "swaps"`,
		`Step "swaps" (uniswap.swaps) cannot be read by "totals" (uniswap.pair_totals): uniswap.swap is offered where eth.block is wanted`,
		`at pipelines.hcl:11:22, in pipeline "swaps"`,
		`Step "blocks" (eth.blocks) cannot be read by "totals" (uniswap.pair_totals): eth.block is offered where uniswap.swap is wanted`,
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if got := strings.Count(text, "Error:"); got != 3 {
		t.Errorf("%d errors, want 3:\n%s", got, text)
	}
}

const network = `network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}
`

const pairs = network + `pipeline "swaps" {
  from = 100
  loader "sqlite" "store" {
    inputs = [totals, swaps]
    path   = "swaps.db"
  }
  aggregator "uniswap.pair_totals" "totals" {
    inputs = { swaps = swaps, blocks = blocks }
  }
  subscriber "uniswap.swaps" "swaps" { input = logs }
  reader "eth.blocks" "blocks" {}
  reader "eth.logs" "logs" {}
}
pipeline "other" {
  to = 9
  loader "console" "print" { input = logs }
  reader "eth.logs" "logs" {}
}
`

func TestBuild(t *testing.T) {
	g, text := build(t, pairs)
	if text != "" {
		t.Fatalf("unexpected diagnostics:\n%s", text)
	}
	var order, paths, domains []string
	for _, p := range g.Processes {
		order = append(order, fmt.Sprint(p.ID.PID, " ", p.Name()))
		for i, e := range p.Inputs {
			order = append(order, fmt.Sprintf("  %d %q from %s", i, e.Port, e.From.Name()))
			if e.Input != i || e.To != p {
				t.Errorf("edge %d of %s: Input %d, To %s", i, p.Name(), e.Input, e.To.Name())
			}
		}
	}
	wantOrder := []string{
		// Numbers are given in the order of the file: sqlite, totals, swaps, blocks.
		"01010113 swaps/blocks",
		"01010102 swaps/logs",
		`01010212 swaps/swaps`,
		`  0 "" from swaps/logs`,
		`01010311 swaps/totals`,
		`  0 "blocks" from swaps/blocks`,
		`  1 "swaps" from swaps/swaps`,
		`01010410 swaps/store`,
		`  0 "" from swaps/totals`,
		`  1 "" from swaps/swaps`,
		`01020102 other/logs`,
		`01020414 other/print`,
		`  0 "" from other/logs`,
	}
	if diff := cmp.Diff(wantOrder, order); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	for _, p := range g.Paths {
		var names []string
		for _, process := range p.Processes {
			names = append(names, process.Step.Name)
		}
		paths = append(paths, p.ID.PID.String()+" "+strings.Join(names, " "))
	}
	wantPaths := []string{
		"010101041001010113 blocks totals store",
		"010101041001010102 logs swaps store",
		"010101041001010102 logs swaps totals store",
		"020102041401020102 logs print",
	}
	if diff := cmp.Diff(wantPaths, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	for _, d := range g.Domains {
		domains = append(domains, fmt.Sprint(d.Name, " ", len(d.Processes)))
	}
	if diff := cmp.Diff([]string{"swaps/blocks 5", "other/logs 2"}, domains); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
}

func TestBuildSeparatesDomainsOfOnePipeline(t *testing.T) {
	g, text := build(t, network+`pipeline "p" {
  reader "eth.logs" "a" {}
  reader "eth.blocks" "b" {}
  loader "console" "x" { input = a }
  loader "console" "y" { input = b }
}`)
	if text != "" || len(g.Domains) != 2 || g.Domains[0].Name != "p/a" || g.Domains[1].Name != "p/b" {
		t.Errorf("domains: got %+v %s", g.Domains, text)
	}
}

func TestFingerprints(t *testing.T) {
	one := func(t *testing.T, changes ...string) (path, end graph.Fingerprint) {
		t.Helper()
		src := strings.NewReplacer(changes...).Replace(pairs)
		g, text := build(t, src)
		if text != "" {
			t.Fatalf("unexpected diagnostics:\n%s", text)
		}
		return g.Paths[0].Fingerprint, g.Paths[0].End().Fingerprint
	}
	path, end := one(t)
	if path == end {
		t.Error("a path and its end have the same fingerprint")
	}
	// Stored fingerprints are compared with these: they must not change by accident.
	const want = "62ddcddda090a2c01b1ccf83c9ee363ac21ed058a573550c3a919f1bccb54c53"
	if got := path.String(); got != want {
		t.Errorf("fingerprint: got %s, want %s", got, want)
	}
	for name, changes := range map[string][]string{
		"nothing":     {},
		"names":       {`"totals" {`, `"sums" {`, "[totals", "[sums"},
		"an endpoint": {"8545", "9545"},
		"a pipeline":  {`pipeline "swaps"`, `pipeline "renamed"`},
	} {
		if got, _ := one(t, changes...); got != path {
			t.Errorf("a change of %s changed the fingerprint", name)
		}
	}
	for name, changes := range map[string][]string{
		"the network":         {"chain_id = 1", "chain_id = 10"},
		"the range":           {"from = 100", "from = 101"},
		"a setting":           {"swaps.db", "other.db"},
		"a side branch":       {"{ input = logs }\n  reader \"eth.blocks\"", "{\n input = logs\n pair = \"0x1\"\n }\n  reader \"eth.blocks\""},
		"what the end reads":  {"[totals, swaps]", "[totals]"},
		"the order of inputs": {"[totals, swaps]", "[swaps, totals]"},
		"a policy":            {"blocks = blocks }", "blocks = blocks }\n policy \"block\" { bucket = \"latest\" }"},
		"final data":          {"path   =", "after = \"final\"\n path ="},
	} {
		if got, _ := one(t, changes...); got == path {
			t.Errorf("a change of %s did not change the fingerprint", name)
		}
	}
	var again graph.Fingerprint
	if err := again.UnmarshalText([]byte(path.String())); err != nil || again != path {
		t.Errorf("UnmarshalText: got %s, %v", again, err)
	}
	if err := again.UnmarshalText([]byte("00")); err == nil {
		t.Error("UnmarshalText accepted a short text")
	}
}

// A ladder of n rungs has 2^n paths; it must be refused, not counted.
func TestTooManyPaths(t *testing.T) {
	p := &config.Pipeline{Name: "p", Network: &config.Network{ChainID: 1, Layer: registry.Layer1}, PathType: registry.Live}
	last := []*config.Step{{Kind: registry.Reader, Register: "eth.logs", Name: "r"}}
	p.Steps = append(p.Steps, last...)
	for i := range 40 {
		var next []*config.Step
		for side := range 2 {
			s := &config.Step{Kind: registry.Subscriber, Register: "same.logs", Name: fmt.Sprintf("s%d_%d", i, side)}
			for _, from := range last {
				s.Inputs = append(s.Inputs, config.Input{From: from})
			}
			next = append(next, s)
		}
		p.Steps = append(p.Steps, next...)
		last = next
	}
	_, diags := graph.Build(&config.Model{Pipelines: []*config.Pipeline{p}}, registers(t), &registry.MemoryNumbers{})
	if !mentions(diags, "Too many paths") {
		t.Errorf("got %v", diags)
	}
}

func TestNumbersRunOut(t *testing.T) {
	f, _ := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(pairs)}}, config.Options{})
	r := registers(t)
	m, _ := f.Resolve(r)
	_, diags := graph.Build(m, r, noNumbers{})
	if !mentions(diags, "No number left") {
		t.Errorf("got %v", diags)
	}
}

type noNumbers struct{}

func (noNumbers) Number(register string) (uint8, error) {
	return 0, fmt.Errorf("number register %q: none left", register)
}
