package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

func reader(name string) registry.Register {
	return registry.Register{Name: name, Type: registry.Reader, Plugin: "ethereum", Output: transit.Type{Name: name}}
}

func subscriber(name string, dependencies ...string) registry.Register {
	return registry.Register{
		Name: name, Type: registry.Subscriber, Plugin: "uniswap", Dependencies: dependencies,
		Inputs: []registry.Port{{Type: transit.Type{Name: "eth.log"}}}, Output: transit.Type{Name: name},
	}
}

func fill(t *testing.T, registers ...registry.Register) *registry.Registry {
	t.Helper()
	r := registry.New()
	for _, reg := range registers {
		if err := r.Add(reg); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func names(registers []registry.Register) []string {
	var names []string
	for _, reg := range registers {
		names = append(names, reg.Name)
	}
	return names
}

func TestLookupAndAll(t *testing.T) {
	r := fill(t, reader("eth.logs"), reader("eth.blocks"), subscriber("uniswap.swaps"))
	if diff := cmp.Diff([]string{"eth.blocks", "eth.logs", "uniswap.swaps"}, names(r.All())); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	if reg, ok := r.Lookup("eth.logs"); !ok || reg.Plugin != "ethereum" {
		t.Errorf("Lookup: got %+v, %v", reg, ok)
	}
	if _, ok := r.Lookup("eth.log"); ok {
		t.Error("Lookup found a register that was never added")
	}
}

func TestAddRefuses(t *testing.T) {
	change := func(reg registry.Register, f func(*registry.Register)) registry.Register { f(&reg); return reg }
	setting := func(name string) registry.Settings {
		return registry.Settings{Attributes: []registry.Attribute{{Name: name, Type: "string"}}}
	}
	swaps := transit.Type{Name: "uniswap.swap"}
	tests := []struct {
		name string
		reg  registry.Register
		want string
	}{
		{"a name of another plugin", change(reader("eth.logs"), func(r *registry.Register) { r.Plugin = "mine" }), `plugin "mine": plugin "ethereum" already has`},
		{"a name of its own plugin", reader("eth.logs"), `plugin "ethereum" announces it twice`},
		{"upper case", reader("Eth.Logs"), "lower-case words joined by dots"},
		{"an empty part", reader("eth..logs"), "lower-case words joined by dots"},
		{"no name", reader(""), "lower-case words joined by dots"},
		{"no process type", change(reader("a"), func(r *registry.Register) { r.Type = 0 }), "process type 0 is unknown"},
		{"a reader with an input", change(reader("a"), func(r *registry.Register) { r.Inputs = []registry.Port{{Type: swaps}} }), "a reader has no inputs"},
		{"a reader with a dependency", change(reader("a"), func(r *registry.Register) { r.Dependencies = []string{"b"} }), "no dependencies"},
		{"a reader without an output", change(reader("a"), func(r *registry.Register) { r.Output = transit.Type{} }), "a reader needs an output"},
		{"a subscriber without an input", change(subscriber("a"), func(r *registry.Register) { r.Inputs = nil }), "a subscriber needs an input"},
		{"an aggregator without an output", change(subscriber("a"), func(r *registry.Register) { r.Type, r.Output = registry.Aggregator, transit.Type{} }), "an aggregator needs an output"},
		{"a subscriber with two inputs", change(subscriber("a"), func(r *registry.Register) {
			r.Inputs = []registry.Port{{Name: "x", Type: swaps}, {Name: "y", Type: swaps}}
		}), "joined by an aggregator"},
		{"a loader with an output", change(subscriber("a"), func(r *registry.Register) { r.Type = registry.Loader }), "a loader has no output, this one gives a"},
		{"an input without a type", change(subscriber("a"), func(r *registry.Register) { r.Inputs = []registry.Port{{Name: "x"}} }), `input "x" has no type`},
		{"an input without a name beside another", change(subscriber("a"), func(r *registry.Register) {
			r.Type, r.Inputs = registry.Aggregator, []registry.Port{{Name: "x", Type: swaps}, {Type: swaps}}
		}), "input 2 of 2 has no name"},
		{"two inputs of one name", change(subscriber("a"), func(r *registry.Register) {
			r.Type, r.Inputs = registry.Aggregator, []registry.Port{{Name: "x", Type: swaps}, {Name: "x", Type: swaps}}
		}), `input "x" stands there twice`},
		{"a dependency that is no name", subscriber("a", "Eth Logs"), `dependency "Eth Logs"`},
		{"a dependency twice", subscriber("a", "eth.logs", "eth.logs"), "stands there twice"},
		{"a setting of the host's", change(reader("a"), func(r *registry.Register) { r.Settings = setting("input") }), "the host uses that name itself"},
		{"a setting that cannot be written", change(reader("a"), func(r *registry.Register) { r.Settings = setting("two words") }), `setting "two words"`},
		{"a setting twice", change(reader("a"), func(r *registry.Register) {
			r.Settings = setting("url")
			r.Settings.Blocks = []registry.Block{{Name: "url"}}
		}), `setting "url" stands there twice`},
		{"a bad setting within a block", change(reader("a"), func(r *registry.Register) {
			r.Settings.Blocks = []registry.Block{{Name: "auth", Settings: setting("")}}
		}), `block auth: setting ""`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := fill(t, reader("eth.logs"))
			err := r.Add(test.reg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Add: got %v, want an error with %q", err, test.want)
			}
			if len(r.All()) != 1 {
				t.Errorf("Add kept what it refused: %v", names(r.All()))
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"eth.blocks", "eth.headers", "eth.logs", "uniswap.pair_totals", "uniswap.swaps", "sqlite"}
	tests := map[string]string{
		"eth.log":            "eth.logs",
		"eth.lgos":           "eth.logs",
		"ETH.LOGS":           "eth.logs",
		"uniswap.swap":       "uniswap.swaps",
		"uniswap.pairtotal":  "uniswap.pair_totals",
		"sqlit":              "sqlite",
		"logs":               "eth.logs", // the part after the dot
		"eth":                "",         // a part of several
		"postgres":           "",
		"x":                  "",
		"":                   "",
		"something.entirely": "",
	}
	for name, want := range tests {
		if got := registry.Nearest(name, known); got != want {
			t.Errorf("Nearest(%q): got %q, want %q", name, got, want)
		}
	}
	if got := fill(t, reader("eth.logs")).Closest("eth.lgos"); got != "eth.logs" {
		t.Errorf("Closest: got %q", got)
	}
}

func TestDependencies(t *testing.T) {
	r := fill(t,
		reader("eth.logs"), reader("eth.blocks"),
		subscriber("swaps", "eth.logs"),
		subscriber("totals", "eth.blocks", "swaps"),
		subscriber("report", "totals", "swaps"),
	)
	tests := map[string][]string{
		"eth.logs": nil,
		"swaps":    {"eth.logs"},
		"totals":   {"eth.blocks", "eth.logs", "swaps"},
		"report":   {"eth.blocks", "eth.logs", "swaps", "totals"},
	}
	for name, want := range tests {
		got, err := r.Dependencies(name)
		if err != nil {
			t.Errorf("Dependencies(%q): %v", name, err)
		}
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("Dependencies(%q) (-want +got):\n%s", name, diff)
		}
	}
}

func TestDependenciesRefuses(t *testing.T) {
	r := fill(t,
		subscriber("a", "b"), subscriber("b", "c"), subscriber("c", "b"),
		reader("eth.logs"), subscriber("swaps", "eth.lgos"), subscriber("report", "swaps"),
		subscriber("self", "self"),
	)
	tests := map[string]string{
		"a":      `of "a": they form a cycle: b -> c -> b`,
		"self":   "self -> self",
		"report": `"swaps" depends on "eth.lgos", which no plugin has; did you mean "eth.logs"?`,
		"swap":   `unknown register "swap"; did you mean "swaps"?`,
	}
	for name, want := range tests {
		_, err := r.Dependencies(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dependencies(%q): got %v, want an error with %q", name, err, want)
		}
	}
}

func TestMemoryNumbers(t *testing.T) {
	var numbers registry.MemoryNumbers
	for i, test := range []struct {
		register string
		want     uint8
	}{
		{"eth.headers", 1}, {"uniswap.swaps", 16}, {"eth.logs", 2}, {"sqlite", 17}, {"uniswap.swaps", 16}, {"eth.headers", 1},
	} {
		if got, err := numbers.Number(test.register); err != nil || got != test.want {
			t.Errorf("%d: Number(%q): got %d, %v, want %d", i, test.register, got, err, test.want)
		}
	}
	if diff := cmp.Diff(map[string]uint8{"uniswap.swaps": 16, "sqlite": 17}, numbers.All()); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
}

func TestNumbersRunOut(t *testing.T) {
	var numbers registry.MemoryNumbers
	for i := range 240 {
		if got, err := numbers.Number(fmt.Sprint("r", i)); err != nil || int(got) != 16+i {
			t.Fatalf("Number %d: got %d, %v", i, got, err)
		}
	}
	if got, err := numbers.Number("one.too.many"); err == nil || !strings.Contains(err.Error(), `"one.too.many"`) {
		t.Errorf("Number: got %d, %v, want an error that names the register", got, err)
	}
	if got, err := numbers.Number("r7"); err != nil || got != 23 {
		t.Errorf("Number of a known register when full: got %d, %v", got, err)
	}
}
