package remote

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// What a plugin says about itself is not believed. The test is inside of the
// package because such answers are easier made than served.
func TestDescriptionIsChecked(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	settings := func(s *pluginv1.Settings) func(*pluginv1.DescribeResponse) {
		return func(d *pluginv1.DescribeResponse) { d.Registers[0].Settings = s }
	}
	attribute := func(a *pluginv1.Attribute) func(*pluginv1.DescribeResponse) {
		return settings(&pluginv1.Settings{Attributes: []*pluginv1.Attribute{a}})
	}
	deep := &pluginv1.Settings{}
	for range maxDepth + 1 {
		deep = &pluginv1.Settings{Blocks: []*pluginv1.Block{{Name: "b", Settings: deep}}}
	}
	tests := []struct {
		name   string
		change func(*pluginv1.DescribeResponse)
		says   string
	}{
		{"other protocol", func(d *pluginv1.DescribeResponse) { d.Protocol = 9 }, "claims protocol 9"},
		{"no registers", func(d *pluginv1.DescribeResponse) { d.Registers = nil }, "it has 0 registers"},
		{"too many registers", func(d *pluginv1.DescribeResponse) { d.Registers = make([]*pluginv1.Register, 300) }, "it has 300 registers"},
		{"empty name", func(d *pluginv1.DescribeResponse) { d.Registers[0].Name = "" }, "register 1 of 1: it has no name"},
		{"nothing for a register", func(d *pluginv1.DescribeResponse) { d.Registers[0] = nil }, "register 1 of 1: it has no name"},
		{"long name", func(d *pluginv1.DescribeResponse) { d.Registers[0].Name = long }, "128 are the most"},
		{"name with an escape", func(d *pluginv1.DescribeResponse) { d.Registers[0].Name = "a\x1b[31m" }, `"a\x1b[31m" is no name`},
		{"twice", func(d *pluginv1.DescribeResponse) { d.Registers = append(d.Registers, d.Registers[0]) }, "register bad.one stands there twice"},
		{"unknown type", func(d *pluginv1.DescribeResponse) { d.Registers[0].Type = 300 }, "register bad.one: process type 300"},
		{"negative type", func(d *pluginv1.DescribeResponse) { d.Registers[0].Type = -1 }, "process type -1"},
		{"long doc", func(d *pluginv1.DescribeResponse) { d.Registers[0].Doc = long }, "doc has"},
		{"many features", func(d *pluginv1.DescribeResponse) { d.Features = make([]string, 300) }, "there are 300 of feature"},
		{"many inputs", func(d *pluginv1.DescribeResponse) { d.Registers[0].Inputs = make([]*pluginv1.Port, 100) }, "it has 100 inputs"},
		{"nothing for an input", func(d *pluginv1.DescribeResponse) { d.Registers[0].Inputs = []*pluginv1.Port{nil} }, "input 1 of 1: port"},
		{"any and a type", func(d *pluginv1.DescribeResponse) { d.Registers[0].Inputs[0].Type = &pluginv1.DataType{Name: "a.b"} }, "input 1 of 1: parse schema"},
		{"broken schema", func(d *pluginv1.DescribeResponse) {
			d.Registers[0].Output = &pluginv1.DataType{Name: "a.b", Schema: []byte("broken")}
		}, "register bad.one: output: parse schema of a.b"},
		{"huge schema", func(d *pluginv1.DescribeResponse) {
			d.Registers[0].Output = &pluginv1.DataType{Name: "a.b", Schema: make([]byte, maxSchema+1)}
		}, "its schema has"},
		{"schema without a name", func(d *pluginv1.DescribeResponse) {
			d.Registers[0].Output = &pluginv1.DataType{Schema: []byte("x")}
		}, "output: it has no name"},
		{"no output", func(d *pluginv1.DescribeResponse) { d.Registers[0].Type = pluginv1.ProcessType_PROCESS_TYPE_READER }, "every process but a loader has one"},
		{"deep settings", settings(deep), "more than 8 deep"},
		{"many settings", settings(&pluginv1.Settings{Attributes: make([]*pluginv1.Attribute, 2000)}), "more than 1000"},
		{"nothing for a setting", settings(&pluginv1.Settings{Attributes: make([]*pluginv1.Attribute, 1)}), "it has no name"},
		{"nothing for a block", settings(&pluginv1.Settings{Blocks: make([]*pluginv1.Block, 1)}), "it has no name"},
		{"attribute without a type", attribute(&pluginv1.Attribute{Name: "a"}), `attribute "a" has no type`},
		{"broken default", attribute(&pluginv1.Attribute{Name: "a", Type: "any", DefaultJson: "{"}), "its default is no JSON"},
	}
	for _, test := range tests {
		d := &pluginv1.DescribeResponse{Protocol: wire.Protocol, Registers: []*pluginv1.Register{{
			Name: "bad.one", Type: pluginv1.ProcessType_PROCESS_TYPE_LOADER, Inputs: []*pluginv1.Port{{Any: true}},
		}}}
		if _, err := newDescription(d); err != nil {
			t.Fatalf("before any change: %v", err)
		}
		test.change(d)
		if _, err := newDescription(d); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.says)
		}
	}
}

// No line of a plugin's log can do more than be logged.
func FuzzRecord(f *testing.F) {
	for _, line := range []string{
		`{"@level":"info","@message":"m","@module":"a.b","@timestamp":"2026-01-01T00:00:00.000000Z","n":3}`,
		`{"@level":"info","@message":7}`, `{"@level":3,"@message":"m"}`, `{"@timestamp":4}`, `{`, `{}`, `[1]`, "panic: x", "[WARN] x",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parseRecord(line)
		if ok && len(r.fields)%2 != 0 {
			t.Errorf("%q has a key without a value: %v", line, r.fields)
		}
		var last tail
		last.add([]byte(line))
		last.words()
		guessLevel(line)
		levelOfCut(line)
	})
}
