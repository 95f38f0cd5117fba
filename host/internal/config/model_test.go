package config_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// step and pipeline are what of a model is worth comparing.
type step struct {
	Kind, Name, Register, Key, After string
	Settings                         string
	Inputs                           []string
	Policy                           *config.Policy
	Implied, Broken                  bool
}

func summary(p *config.Pipeline) []step {
	var steps []step
	for _, s := range p.Steps {
		shown := step{
			Kind: s.Kind.String(), Name: s.Name, Register: s.Register, Key: s.Key, After: s.After,
			Settings: string(s.Settings), Implied: s.Implied, Broken: s.Broken,
		}
		if s.Policy != nil {
			policy := *s.Policy
			policy.Range = config.Range{}
			shown.Policy = &policy
		}
		for _, input := range s.Inputs {
			shown.Inputs = append(shown.Inputs, fmt.Sprintf("%s=%s", input.Port, input.From.Name))
		}
		steps = append(steps, shown)
	}
	return steps
}

func noDiagnostics(t *testing.T, f *config.File, diags config.Diagnostics) {
	t.Helper()
	if len(diags) == 0 {
		return
	}
	var text bytes.Buffer
	if err := f.Write(&text, diags, false, 0); err != nil {
		t.Fatal(err)
	}
	t.Fatalf("unexpected diagnostics:\n%s", text.String())
}

func TestModel(t *testing.T) {
	f, m, diags := load(t, "testdata/good.hcl")
	noDiagnostics(t, f, diags)

	to, cache := uint64(19000100), uint64(1<<20)
	wantNetworks := []*config.Network{
		{
			Name: "mainnet", ChainID: 1, Layer: registry.Layer1, Finality: "12",
			Endpoints: []config.Endpoint{
				{Name: "primary", URL: "https://node.example/hunter2", Rate: "25/s", Role: config.Primary},
				{Name: "local", URL: "/run/geth.ipc", Role: config.Primary},
				{
					Name: "archive", URL: "https://archive.example", Rate: "100000000/day; 20000/minute;2500/second", Role: config.Archive, Cost: 2.5,
					Weights: map[string]float64{"eth_getLogs": 75, "eth_call": 26}, Headers: map[string]string{"Authorization": "Bearer hunter3"}, Batch: 50,
				},
				{Name: "files", URL: "era1:testdata/history", Role: config.Fallback},
			},
			RPC: config.RPC{
				Timeout: 15 * time.Second, Retries: new(uint64), Hedge: "1.5s", Cache: &cache,
				Breaker: config.Breaker{Failures: 3, Rest: 30 * time.Second},
			},
		},
		{Name: "base", ChainID: 8453, Layer: registry.Layer2, Finality: "finalized", Endpoints: []config.Endpoint{{Name: "primary", URL: "wss://base.example", Role: config.Primary}}},
	}
	ignoreRanges := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Range" }, cmp.Ignore())
	if diff := cmp.Diff(wantNetworks, m.Networks, ignoreRanges); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	wantRecovery := config.Recovery{
		HangAfter: 90 * time.Second, WaitAtMost: time.Hour,
		Checkpoint: config.Checkpoint{Every: 250 * time.Millisecond, Timeout: 2 * time.Minute, MaxState: 64 << 20},
		Poison:     config.Poison{Attempts: 5, MaxShare: 0.002},
	}
	if diff := cmp.Diff(wantRecovery, m.Pipelines[0].Recovery); diff != "" {
		t.Errorf("recovery (-want +got):\n%s", diff)
	}
	wantPlugins := map[string]*config.Plugin{
		"uniswap": {
			Name: "uniswap", Path: "testdata/bin/uniswap", Dev: true, MutualTLS: true, Env: map[string]string{"LEVEL": "debug", "N": "3"},
			Limits: config.Limits{Memory: 512 << 20, OpenFiles: 64, Processes: 8, CPU: 0.5}, Network: true,
			Sandbox: config.Sandbox{Read: []string{"testdata/tables"}, Write: []string{"/var/lib/pairs"}},
		},
		"ethereum": {Name: "ethereum", Env: map[string]string{"HOME": "/root"}},
	}
	if diff := cmp.Diff(wantPlugins, m.Plugins, ignoreRanges); diff != "" {
		t.Errorf("plugins (-want +got):\n%s", diff)
	}
	wantHost := config.Host{
		DataDir: "testdata/data", PluginDir: "/opt/plugins", HardTerminateAfter: 10 * time.Second, StartTimeout: 1500 * time.Millisecond,
		Restart: config.Restart{Max: 5, Within: time.Minute},
	}
	if diff := cmp.Diff(wantHost, m.Host); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}

	var names []string
	for _, p := range m.Pipelines {
		names = append(names, fmt.Sprint(p.Name, " ", p.Network.Name, " ", p.PathType, " ", p.From, " ", p.FromLatest))
	}
	wantNames := []string{
		"swaps mainnet backtest 19000000 false", "small base live 0 true",
		"each.base base live 7 false", "each.mainnet mainnet live 3 false",
	}
	if diff := cmp.Diff(wantNames, names); diff != "" {
		t.Fatalf("pipelines (-want +got):\n%s", diff)
	}
	if p := m.Pipelines[0]; *p.To != to || *p.Epoch != (config.Epoch{Size: 10, Offset: 2}) {
		t.Errorf("swaps: got to %d, epoch %v", *p.To, *p.Epoch)
	}
	if p := m.Pipelines[3]; p.Key != "mainnet" || p.Steps[0].Name != "logs" {
		t.Errorf("each: got key %q, step %q", p.Key, p.Steps[0].Name)
	}
	want := []step{
		{Kind: "reader", Name: "blocks", Register: "eth.blocks", Settings: "{}"},
		{
			Kind: "reader", Name: "logs", Register: "eth.logs",
			Settings: `{"addresses":["0xA","0xB"],"batch":500,"extra":{"depth":[1,null]},"filter":[{"topics":["a","b"]},{}],"retry_policy":{"attempts":3}}`,
		},
		{Kind: "subscriber", Name: "pair.a", Register: "uniswap.swaps", Key: "a", Settings: "{}", Inputs: []string{"=logs"}},
		{Kind: "subscriber", Name: "pair.b", Register: "uniswap.swaps", Key: "b", Settings: "{}", Inputs: []string{"=logs"}},
		{
			Kind: "aggregator", Name: "total.a", Register: "uniswap.pair_totals", Key: "a", Settings: "{}",
			Inputs: []string{"swaps=pair.a", "blocks=blocks"}, Policy: &config.Policy{Kind: "block", Bucket: "all"},
		},
		{
			Kind: "aggregator", Name: "total.b", Register: "uniswap.pair_totals", Key: "b", Settings: "{}",
			Inputs: []string{"swaps=pair.b", "blocks=blocks"}, Policy: &config.Policy{Kind: "block", Bucket: "all"},
		},
		{
			Kind: "aggregator", Name: "latest", Register: "uniswap.pair_totals", Settings: "{}", Inputs: []string{"blocks=blocks", "swaps=pair.b"},
			Policy: &config.Policy{Kind: "trigger", On: "blocks", Bucket: "latest", Require: true, Max: 1000, Timeout: 30 * time.Second},
		},
		{
			Kind: "loader", Name: "store", Register: "sqlite", After: "final", Settings: `{"path":"mainnet-12.db"}`,
			Inputs: []string{"=pair.a", "=pair.b", "=total.a"},
		},
	}
	if diff := cmp.Diff(want, summary(m.Pipelines[0])); diff != "" {
		t.Errorf("swaps (-want +got):\n%s", diff)
	}
	logs := m.Pipelines[0].Steps[1]
	var places []string
	for _, name := range []string{"addresses", "batch", "confirm", "extra", "retry_policy", "filter"} {
		at := logs.Places[name]
		places = append(places, fmt.Sprintf("%s:%d:%d", at.Filename, at.Start.Line, at.Start.Column))
	}
	if diff := cmp.Diff([]string{"good.hcl:93:17", "good.hcl:94:17", "good.hcl:95:17", "good.hcl:96:17", "good.hcl:98:5", "good.hcl:101:5"}, places); diff != "" || len(logs.Places) != 6 {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestImpliedSteps(t *testing.T) {
	f, m, diags := load(t, "testdata/implied.hcl")
	noDiagnostics(t, f, diags)
	block := &config.Policy{Kind: "block", Bucket: "all"}
	want := map[string][]step{
		"everything": {
			{Kind: "loader", Name: "report", Register: "totals.report", Settings: "{}", Inputs: []string{"=pair_totals"}},
			{
				Kind: "aggregator", Name: "pair_totals", Register: "uniswap.pair_totals", Settings: "{}", Implied: true,
				Inputs: []string{"swaps=swaps", "blocks=blocks"}, Policy: block,
			},
			{Kind: "subscriber", Name: "swaps", Register: "uniswap.swaps", Settings: "{}", Implied: true, Inputs: []string{"=logs"}},
			{Kind: "reader", Name: "logs", Register: "eth.logs", Settings: "{}", Implied: true},
			{Kind: "reader", Name: "blocks", Register: "eth.blocks", Settings: "{}", Implied: true},
		},
		"some": { // what is there is used, and names that are taken are avoided
			{Kind: "reader", Name: "mine", Register: "eth.logs", Settings: `{"batch":7}`},
			{
				Kind: "aggregator", Name: "swaps", Register: "uniswap.pair_totals", Settings: "{}",
				Inputs: []string{"swaps=uniswap_swaps", "blocks=eth_blocks"}, Policy: block,
			},
			{Kind: "loader", Name: "blocks", Register: "console", Settings: "{}", Inputs: []string{"=swaps"}},
			{Kind: "subscriber", Name: "uniswap_swaps", Register: "uniswap.swaps", Settings: "{}", Implied: true, Inputs: []string{"=mine"}},
			{Kind: "reader", Name: "eth_blocks", Register: "eth.blocks", Settings: "{}", Implied: true},
		},
	}
	for _, p := range m.Pipelines {
		if diff := cmp.Diff(want[p.Name], summary(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.Name, diff)
		}
	}
}

// A host that learns of new plugins resolves again; the first model is still
// in use then.
func TestResolveTwice(t *testing.T) {
	f, first, diags := load(t, "testdata/implied.hcl")
	noDiagnostics(t, f, diags)
	before := summary(first.Pipelines[0])
	second, diags := f.Resolve(registers(t))
	noDiagnostics(t, f, diags)
	if first.Pipelines[0] == second.Pipelines[0] || first.Pipelines[0].Steps[0] == second.Pipelines[0].Steps[0] {
		t.Error("both models share a pipeline or a step")
	}
	if diff := cmp.Diff(before, summary(second.Pipelines[0])); diff != "" {
		t.Errorf("second model (-first +second):\n%s", diff)
	}
	if _, diags = f.Resolve(registry.New()); !diags.HasErrors() {
		t.Error("an empty registry resolved")
	}
	if _, diags = f.Resolve(registers(t)); diags.HasErrors() {
		t.Errorf("mistakes of an earlier call came back: %v", diags)
	}
}
