package plan_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/plan"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

// sample is a configuration in which everything is set that a file can set.
type sample struct {
	model  config.Model
	reader *config.Step
	join   *config.Step
	plugin *config.Plugin
	// network: its plugins reach nodes themselves.
	network bool
}

func newSample() *sample {
	to, retries, cache := uint64(500), uint64(3), uint64(64<<20)
	s := &sample{
		reader: &config.Step{
			Kind: registry.Reader, Register: "test.read", Name: "logs", After: "final", Secrets: []string{"home"},
			Settings: json.RawMessage(`{"count": 3, "token": "s3cret", "home": "/root", "auth": {"user": "u", "key": "k"}, "rule": [{"of": "a"}, {"of": "b"}]}`),
		},
		plugin: &config.Plugin{
			Name: "test", Path: "./test", Env: map[string]string{"KEY": "s3cret"}, Limits: config.Limits{Memory: 512 << 20, OpenFiles: 64, CPU: 0.5},
		},
	}
	s.join = &config.Step{
		Kind: registry.Aggregator, Register: "test.join", Name: "join", Inputs: []config.Input{{Port: "left", From: s.reader}, {Port: "right", From: s.reader}},
		Policy: &config.Policy{Kind: "trigger", On: "left", Bucket: "all", Require: true, Max: 10, Timeout: time.Second}, Settings: json.RawMessage(`{}`),
	}
	network := &config.Network{
		Name: "main", ChainID: 1, Layer: registry.Layer1, Finality: "finalized",
		Endpoints: []config.Endpoint{
			{
				Name: "primary", URL: "https://node.example/v3/s3cret", Rate: "25/s", Role: config.Primary, Cost: 2,
				Weights: map[string]float64{"eth_getLogs": 75}, Headers: map[string]string{"Authorization": "s3cret"}, Batch: 50,
			},
			{Name: "backup", URL: "/run/geth.ipc", Role: config.Primary},
		},
		RPC: config.RPC{
			Timeout: 10 * time.Second, Retries: &retries, Hedge: "auto", Cache: &cache, Breaker: config.Breaker{Failures: 5, Rest: time.Minute},
		},
	}
	s.model = config.Model{
		Networks: []*config.Network{network},
		Pipelines: []*config.Pipeline{{
			Name: "p", Network: network, From: 10, To: &to, PathType: registry.Backtest, Epoch: &config.Epoch{Size: 10, Offset: 2},
			Recovery: config.Recovery{
				Checkpoint: config.Checkpoint{Every: time.Second, Timeout: time.Minute, MaxState: 64 << 20},
				Poison:     config.Poison{Attempts: 3, MaxShare: 0.1}, HangAfter: 90 * time.Second, WaitAtMost: time.Hour,
			},
			Steps: []*config.Step{s.reader, s.join},
		}},
		Plugins: map[string]*config.Plugin{"test": s.plugin},
		Host: config.Host{
			TrustedKeys: []ed25519.PublicKey{{1, 2}},
			DataDir:     "data", PluginDir: "plugins", HardTerminateAfter: time.Minute, StartTimeout: time.Second, Restart: config.Restart{Max: 3, Within: time.Minute},
		},
	}
	return s
}

var schema = registry.Settings{
	Attributes: []registry.Attribute{{Name: "count", Type: "number"}, {Name: "token", Type: "string", Sensitive: true}, {Name: "home", Type: "string"}},
	Blocks: []registry.Block{
		{Name: "auth", Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "user", Type: "string"}, {Name: "key", Type: "string", Sensitive: true}}}},
		{Name: "rule", Many: true, Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "of", Type: "string"}}}},
	},
}

// side builds a side without a registry, so that a test can break any field.
func (s *sample) side() plan.Side {
	g := &graph.Graph{}
	for _, p := range s.model.Pipelines {
		for _, step := range p.Steps {
			g.Processes = append(g.Processes, &graph.Process{Pipeline: p, Step: step, Register: registry.Register{
				Name: step.Register, Type: step.Kind, Plugin: "test", Settings: schema, Output: transit.Type{Name: "test.row"}, Network: s.network,
			}})
		}
	}
	return plan.Of(&s.model, g)
}

// wanted says what a change of each field of the model does. "" are the fields
// that change nothing by themselves.
var wanted = map[string]plan.Effect{
	"Host.DataDir": plan.Host, "Host.PluginDir": plan.Host, "Host.HardTerminateAfter": plan.Live, "Host.StartTimeout": plan.Live,
	"Host.Restart.Max": plan.Live, "Host.Restart.Within": plan.Live,

	"Network.Name": plan.Restart, "Network.ChainID": plan.Restart, "Network.Layer": plan.Restart, "Network.Finality": plan.Restart, "Network.Endpoints": plan.Live,
	"Network.RPC.Timeout": plan.Live, "Network.RPC.Retries": plan.Live, "Network.RPC.Hedge": plan.Live, "Network.RPC.Cache": plan.Live,
	"Network.RPC.Breaker.Failures": plan.Live, "Network.RPC.Breaker.Rest": plan.Live,
	"Endpoint.Name": plan.Live, "Endpoint.URL": plan.Live, "Endpoint.Rate": plan.Live, "Endpoint.Role": plan.Live, "Endpoint.Cost": plan.Live,
	"Endpoint.Weights": plan.Live, "Endpoint.Headers": plan.Live, "Endpoint.Batch": plan.Live,

	"Pipeline.Name": plan.New, "Pipeline.Network": plan.Restart, "Pipeline.From": plan.Restart, "Pipeline.FromLatest": plan.Restart, "Pipeline.To": plan.Restart, "Pipeline.Begin": plan.Restart, "Pipeline.End": plan.Restart,
	"Pipeline.Epoch.Size": plan.Restart, "Pipeline.Epoch.Offset": plan.Restart, "Pipeline.Steps": plan.Restart,
	"Pipeline.Recovery.HangAfter": plan.Live, "Pipeline.Recovery.WaitAtMost": plan.Live, "Pipeline.Recovery.Checkpoint.Every": plan.Live, "Pipeline.Recovery.Checkpoint.Timeout": plan.Live,
	"Pipeline.Recovery.Checkpoint.MaxState": plan.Live, "Pipeline.Recovery.Poison.Attempts": plan.Live, "Pipeline.Recovery.Poison.MaxShare": plan.Live,

	"Step.Kind": plan.Restart, "Step.Register": plan.Restart, "Step.Name": plan.Restart, "Step.Inputs": plan.Restart, "Step.Policy": plan.Restart,
	"Step.After": plan.Restart, "Step.Settings": plan.Swap,
	"Input.Port": plan.Restart, "Input.From": plan.Restart,
	"Policy.Kind": plan.Restart, "Policy.On": plan.Restart, "Policy.Bucket": plan.Restart, "Policy.Require": plan.Restart, "Policy.Max": plan.Restart, "Policy.Timeout": plan.Restart,

	"Plugin.Path": plan.Swap, "Plugin.Env": plan.Swap, "Plugin.Limits.Memory": plan.Swap, "Plugin.Limits.OpenFiles": plan.Swap, "Plugin.Limits.CPU": plan.Swap,
	"Plugin.Dev": plan.Live, "Plugin.MutualTLS": plan.Swap, "Plugin.Network": plan.Swap,
	"Plugin.Sandbox.Off": plan.Swap, "Plugin.Sandbox.Read": plan.Swap, "Plugin.Sandbox.Write": plan.Swap, "Plugin.Limits.Processes": plan.Swap,
	"Host.TrustedKeys": plan.Host,

	// Places in a file, and what others say already: the key of for_each is part of
	// the name, the type of a path comes of its end, secrets only hide values.
	"Network.Range": "", "Pipeline.Key": "", "Pipeline.PathType": "", "Pipeline.Range": "", "Step.Key": "", "Step.Secrets": "", "Step.Places": "", "Step.Range": "",
	"Step.Implied": "", "Step.Broken": "", "Input.Range": "", "Policy.Range": "", "Plugin.Name": "", "Plugin.Range": "",
}

// Whatever field the language gets, a change of it is seen, with its effect.
func TestEveryFieldOfTheModel(t *testing.T) {
	roots := map[string]func(*sample) reflect.Value{
		"Host":     func(s *sample) reflect.Value { return reflect.ValueOf(&s.model.Host).Elem() },
		"Network":  func(s *sample) reflect.Value { return reflect.ValueOf(s.model.Networks[0]).Elem() },
		"Endpoint": func(s *sample) reflect.Value { return reflect.ValueOf(&s.model.Networks[0].Endpoints[0]).Elem() },
		"Pipeline": func(s *sample) reflect.Value { return reflect.ValueOf(s.model.Pipelines[0]).Elem() },
		"Step":     func(s *sample) reflect.Value { return reflect.ValueOf(s.join).Elem() },
		"Input":    func(s *sample) reflect.Value { return reflect.ValueOf(&s.join.Inputs[0]).Elem() },
		"Policy":   func(s *sample) reflect.Value { return reflect.ValueOf(s.join.Policy).Elem() },
		"Plugin":   func(s *sample) reflect.Value { return reflect.ValueOf(s.plugin).Elem() },
	}
	for field := range reflect.TypeFor[config.Model]().Fields() {
		if field.Name == "Secrets" {
			continue // they only hide values
		}
		if name := strings.TrimSuffix(field.Name, "s"); roots[name] == nil {
			t.Errorf("config.Model has a field %s that this test does not know: say in package plan what it means", field.Name)
		}
	}
	seen := make(map[string]bool)
	for name, root := range roots {
		for _, path := range leaves(root(newSample()).Type(), name, nil) {
			seen[path.name] = true
			want, known := wanted[path.name]
			if !known {
				t.Errorf("config has a field %s that package plan does not know: say there, and here, what a change of it does", path.name)
				continue
			}
			s := newSample()
			change(path.name, follow(root(s), path.index))
			got := plan.Diff(newSample().side(), s.side())
			if effect := effectOf(got); effect != want {
				t.Errorf("%s: a change has the effect %q, want %q: %+v", path.name, effect, want, got)
			}
			if want != "" && want != plan.New && !plan.Diff(s.side(), s.side()).Empty() {
				t.Errorf("%s: a configuration differs from itself", path.name)
			}
		}
	}
	for name := range wanted {
		if !seen[name] {
			t.Errorf("the language has no %s any more", name)
		}
	}
}

type leaf struct {
	name  string
	index []int
}

// leaves are the fields of a struct and of those within it, but for lists and
// what has a place of its own.
func leaves(typ reflect.Type, name string, index []int) []leaf {
	var out []leaf
	for field := range typ.Fields() {
		at := append(append([]int(nil), index...), field.Index...)
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		path := name + "." + field.Name
		apart := inner == reflect.TypeFor[config.Range]() || inner == reflect.TypeFor[config.Network]() || inner == reflect.TypeFor[config.Step]() || inner == reflect.TypeFor[config.Policy]()
		if inner.Kind() == reflect.Struct && !apart {
			out = append(out, leaves(inner, path, at)...)
			continue
		}
		out = append(out, leaf{path, at})
	}
	return out
}

// follow goes to a field, through pointers.
func follow(v reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

// change makes a field another one.
func change(name string, v reflect.Value) {
	switch {
	case name == "Step.Settings":
		v.Set(reflect.ValueOf(json.RawMessage(`{"count": 4}`)))
	case name == "Network.Endpoints", name == "Pipeline.Steps", name == "Step.Inputs":
		v.Set(v.Slice(0, 1))
	case v.Type() == reflect.TypeFor[*config.Network]():
		other := *v.Interface().(*config.Network)
		other.Name = "other"
		v.Set(reflect.ValueOf(&other))
	case v.Type() == reflect.TypeFor[*config.Step]():
		v.Set(reflect.ValueOf(&config.Step{Name: "another"}))
	case v.Kind() == reflect.Pointer && v.Elem().Kind() != reflect.Struct:
		change(name, v.Elem())
	case v.Type() == reflect.TypeFor[[]string]():
		v.Set(reflect.ValueOf([]string{"another"}))
	case v.Kind() == reflect.Pointer, v.Kind() == reflect.Slice, v.Kind() == reflect.Map:
		v.SetZero()
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanFloat():
		v.SetFloat(v.Float() + 1)
	case v.Kind() == reflect.Struct: // a place
	default:
		panic(fmt.Sprintf("%s: there is a kind of field that the test does not know: %s", name, v.Kind()))
	}
}

func effectOf(p plan.Plan) plan.Effect {
	switch {
	case len(p.Host) > 0:
		return p.Host[0].Effect
	case len(p.Pipelines) > 0:
		return p.Pipelines[0].Effect
	}
	return plan.None
}

// What a person reads: the name as it stands in the file, both values, and
// nothing of a secret.
func TestChanges(t *testing.T) {
	const note = "rows before the checkpoint stay as they are"
	for name, test := range map[string]struct {
		change func(*sample)
		want   plan.Change
	}{
		"a time":            {func(s *sample) { s.model.Pipelines[0].Recovery.HangAfter = 2 * time.Hour }, plan.Change{Attribute: "hang_after", Old: `"1m30s"`, New: `"2h"`, Effect: plan.Live}},
		"a size":            {func(s *sample) { s.model.Pipelines[0].Recovery.Checkpoint.MaxState = 1 << 30 }, plan.Change{Attribute: "checkpoint.max_state", Old: `"64MiB"`, New: `"1GiB"`, Effect: plan.Live}},
		"an odd size":       {func(s *sample) { s.plugin.Limits.Memory = 1000 }, plan.Change{Attribute: "plugin.limits.memory", Old: `"512MiB"`, New: `"1000B"`, Effect: plan.Swap}},
		"a share":           {func(s *sample) { s.model.Pipelines[0].Recovery.Poison.MaxShare = 0.25 }, plan.Change{Attribute: "poison.max_share", Old: `0.1`, New: `0.25`, Effect: plan.Live}},
		"not set any more":  {func(s *sample) { s.model.Pipelines[0].To = nil }, plan.Change{Attribute: "to", Old: `500`, Effect: plan.Restart}},
		"at the head":       {func(s *sample) { s.model.Pipelines[0].From, s.model.Pipelines[0].FromLatest = 0, true }, plan.Change{Attribute: "from", Old: `10`, New: `"latest"`, Effect: plan.Restart}},
		"the budget":        {func(s *sample) { s.model.Host.Restart.Max = 9 }, plan.Change{Attribute: "restart.max", Old: `3`, New: `9`, Effect: plan.Live}},
		"chain":             {func(s *sample) { s.model.Networks[0].ChainID = 5 }, plan.Change{Attribute: "network.chain_id", Old: `1`, New: `5`, Effect: plan.Restart}},
		"a node":            {func(s *sample) { s.model.Networks[0].Endpoints[0].URL = "https://other.example/s3cret" }, plan.Change{Attribute: "network.endpoint.primary.url", Old: `"https://node.example/…"`, New: `"https://other.example/…"`, Effect: plan.Live}},
		"a key in a node":   {func(s *sample) { s.model.Networks[0].Endpoints[0].URL += "2" }, plan.Change{Attribute: "network.endpoint.primary.url", Old: `"https://node.example/…"`, New: `"https://node.example/…"`, Effect: plan.Live}},
		"a header":          {func(s *sample) { s.model.Networks[0].Endpoints[0].Headers["Authorization"] = "other" }, plan.Change{Attribute: "network.endpoint.primary.headers.Authorization", Old: "(sensitive)", New: "(sensitive)", Effect: plan.Live}},
		"a weight":          {func(s *sample) { s.model.Networks[0].Endpoints[0].Weights["eth_getLogs"] = 5 }, plan.Change{Attribute: "network.endpoint.primary.weights", Old: `{"eth_getLogs":75}`, New: `{"eth_getLogs":5}`, Effect: plan.Live}},
		"a cache":           {func(s *sample) { *s.model.Networks[0].RPC.Cache = 1 << 20 }, plan.Change{Attribute: "network.rpc.cache", Old: `"64MiB"`, New: `"1MiB"`, Effect: plan.Live}},
		"a setting":         {func(s *sample) { s.edit(`"count": 3`, `"count": 4`) }, plan.Change{Attribute: "count", Old: `3`, New: `4`, Effect: plan.Swap, Note: note}},
		"a new setting":     {func(s *sample) { s.edit(`"count"`, `"a": [1, {"b": 2}], "count"`) }, plan.Change{Attribute: "a", New: `[1,{"b":2}]`, Effect: plan.Swap, Note: note}},
		"a secret":          {func(s *sample) { s.edit("s3cret", "other") }, plan.Change{Attribute: "token", Old: "(sensitive)", New: "(sensitive)", Effect: plan.Swap, Note: note}},
		"a secret value":    {func(s *sample) { s.edit("/root", "/home") }, plan.Change{Attribute: "home", Old: "(sensitive)", New: "(sensitive)", Effect: plan.Swap, Note: note}},
		"within a block":    {func(s *sample) { s.edit(`"u"`, `"v"`) }, plan.Change{Attribute: "auth.user", Old: `"u"`, New: `"v"`, Effect: plan.Swap, Note: note}},
		"secret in a block": {func(s *sample) { s.edit(`"k"`, `"l"`) }, plan.Change{Attribute: "auth.key", Old: "(sensitive)", New: "(sensitive)", Effect: plan.Swap, Note: note}},
		"one of many":       {func(s *sample) { s.edit(`{"of": "b"}`, `{"of": "c"}`) }, plan.Change{Attribute: "rule[1].of", Old: `"b"`, New: `"c"`, Effect: plan.Swap, Note: note}},
		"the environment":   {func(s *sample) { s.plugin.Env["KEY"] = "other" }, plan.Change{Attribute: "plugin.env.KEY", Old: "(sensitive)", New: "(sensitive)", Effect: plan.Swap}},
		"a new variable":    {func(s *sample) { s.plugin.Env["NEW"] = "other" }, plan.Change{Attribute: "plugin.env.NEW", New: "(sensitive)", Effect: plan.Swap}},
		"mutual TLS":        {func(s *sample) { s.plugin.MutualTLS = true }, plan.Change{Attribute: "plugin.mtls", New: "true", Effect: plan.Swap}},
		"no sandbox":        {func(s *sample) { s.plugin.Sandbox.Off = true }, plan.Change{Attribute: "plugin.sandbox.enabled", New: "false", Effect: plan.Swap}},
		"a file":            {func(s *sample) { s.plugin.Sandbox.Read = []string{"/etc"} }, plan.Change{Attribute: "plugin.sandbox.read", New: `["/etc"]`, Effect: plan.Swap}},
		"an input":          {func(s *sample) { s.join.Inputs[1].From = s.join }, plan.Change{Attribute: "inputs.right", Old: "logs", New: "join", Effect: plan.Restart}},
		"another policy":    {func(s *sample) { s.join.Policy.Kind = "block" }, plan.Change{Attribute: "policy", Old: "trigger", New: "block", Effect: plan.Restart}},
		"final rows only":   {func(s *sample) { s.reader.After = "" }, plan.Change{Attribute: "after", Old: `"final"`, Effect: plan.Restart}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample()
			test.change(s)
			p := plan.Diff(newSample().side(), s.side())
			var got []plan.Change
			got = append(got, p.Host...)
			for _, pipeline := range p.Pipelines {
				got = append(got, pipeline.Changes...)
				for _, step := range pipeline.Steps {
					got = append(got, step.Changes...)
				}
			}
			if len(got) == 0 {
				t.Fatal("nothing differs")
			}
			if diff := cmp.Diff(test.want, got[0]); diff != "" {
				t.Errorf("the change (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprintf("%+v", p), "s3cret") {
				t.Errorf("a secret is told: %+v", p)
			}
		})
	}
}

// A plugin that reaches nodes itself was told of them when it began.
func TestEndpointsOfPluginsWithANetwork(t *testing.T) {
	was, s := newSample(), newSample()
	was.network, s.network = true, true
	s.model.Networks[0].Endpoints[0].URL = "https://other.example"
	if got := effectOf(plan.Diff(was.side(), s.side())); got != plan.Restart {
		t.Errorf("another URL has the effect %q, want %q", got, plan.Restart)
	}
	s = newSample()
	s.network = true
	s.model.Networks[0].RPC.Timeout = time.Hour
	if got := effectOf(plan.Diff(was.side(), s.side())); got != plan.Live {
		t.Errorf("another timeout has the effect %q, want %q", got, plan.Live)
	}
}

func (s *sample) edit(from, to string) {
	s.reader.Settings = json.RawMessage(strings.Replace(string(s.reader.Settings), from, to, 1))
}

// Pipelines and steps that come and go, in the order of what is wanted.
func TestPipelinesAndSteps(t *testing.T) {
	s := newSample()
	second := *s.model.Pipelines[0]
	second.Name = "q"
	s.model.Pipelines = append(s.model.Pipelines, &second)
	if got := plan.Diff(s.side(), s.side()); !got.Empty() {
		t.Errorf("nothing has changed, but there is %+v", got)
	}
	p := plan.Diff(newSample().side(), s.side())
	if len(p.Pipelines) != 1 || p.Pipelines[0].Name != "q" || p.Pipelines[0].Effect != plan.New || len(p.Pipelines[0].Steps) != 2 {
		t.Errorf("a new pipeline: %+v", p)
	}
	if changes := p.Pipelines[0].Steps[0].Changes; len(changes) == 0 || changes[0].Effect != plan.New || changes[0].Old != "" {
		t.Errorf("a new pipeline shows what its steps are: %+v", changes)
	}
	p = plan.Diff(s.side(), newSample().side())
	if len(p.Pipelines) != 1 || p.Pipelines[0].Name != "q" || p.Pipelines[0].Effect != plan.Gone {
		t.Errorf("a pipeline that is gone: %+v", p)
	}
	shorter := newSample()
	shorter.model.Pipelines[0].Steps = shorter.model.Pipelines[0].Steps[:1]
	p = plan.Diff(newSample().side(), shorter.side())
	if step := p.Pipelines[0].Steps[0]; p.Pipelines[0].Effect != plan.Restart || step.Name != "join" || step.Effect != plan.Gone {
		t.Errorf("a step that is gone: %+v", p)
	}
	p = plan.Diff(shorter.side(), newSample().side())
	if step := p.Pipelines[0].Steps[0]; p.Pipelines[0].Effect != plan.Restart || step.Name != "join" || step.Effect != plan.New {
		t.Errorf("a step that is new: %+v", p)
	}
}

// A process cannot take the place of another if its plugin gives other rows now.
func TestAnotherOfferRestarts(t *testing.T) {
	s := newSample()
	s.edit(`"count": 3`, `"count": 4`)
	now := s.side()
	now.Pipelines[0].Processes[0].Register.Output.Name = "test.other"
	p := plan.Diff(newSample().side(), now)
	if c := p.Pipelines[0].Steps[0].Changes[0]; p.Pipelines[0].Effect != plan.Restart || c.Effect != plan.Restart || !strings.Contains(c.Note, "offers something else") {
		t.Errorf("got %+v", p)
	}
}
