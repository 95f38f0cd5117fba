package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// attribute is one leaf of a configuration.
type attribute struct {
	name   string
	raw    string // decides whether it differs; never shown
	shown  string
	effect Effect
	note   string // what a change of it means
	quiet  bool   // of what is new it is not told: it goes without saying, or stands elsewhere
}

// compare tells which attributes differ, in the order of what is wanted, then
// those that are not set any more.
func compare(was, now []attribute) []Change {
	var changes []Change
	before := make(map[string]attribute, len(was))
	for _, a := range was {
		before[a.name] = a
	}
	for _, a := range now {
		old, known := before[a.name]
		delete(before, a.name)
		if known && old.raw == a.raw {
			continue
		}
		changes = append(changes, Change{Attribute: a.name, Old: old.shown, New: a.shown, Effect: a.effect, Note: a.note})
	}
	for _, old := range was {
		if _, left := before[old.name]; left {
			changes = append(changes, Change{Attribute: old.name, Old: old.shown, Effect: old.effect, Note: old.note})
		}
	}
	return changes
}

// hostAttributes are those of the host block.
func hostAttributes(h config.Host) []attribute {
	return fields("", "Host", h)
}

// pipelineAttributes are those of a pipeline and of the network that it works
// on, without its steps.
func pipelineAttributes(in Source) []attribute {
	p := in.Pipeline
	out := fields("", "Pipeline", *p)
	if p.FromLatest {
		out = set(out, attribute{name: "from", raw: "latest", shown: `"latest"`, effect: Restart})
	}
	for name, mark := range map[string]config.Mark{"from": p.Begin, "to": p.End} {
		if mark != "" { // beside it stands the number that it was found to mean
			out = set(out, attribute{name: name, raw: string(mark), shown: strconv.Quote(string(mark)), effect: Restart})
		}
	}
	// Plugins ask the nodes through the host, which takes over another endpoint
	// while they run; those that reach nodes themselves were told of them at their
	// beginning.
	endpoints := Live
	if slices.ContainsFunc(in.Processes, func(p *graph.Process) bool { return p.Register.Network }) {
		endpoints = Restart
	}
	return append(out, networkAttributes(p.Network, endpoints)...)
}

// set puts an attribute in the place of the one with its name.
func set(list []attribute, a attribute) []attribute {
	list = slices.DeleteFunc(list, func(b attribute) bool { return b.name == a.name })
	return append(list, a)
}

// networkAttributes are those of a network. A change of its endpoints has the
// effect that is given.
func networkAttributes(n *config.Network, endpoints Effect) []attribute {
	if n == nil {
		return nil
	}
	out := fields("network.", "Network", *n)
	var names []string
	for _, e := range n.Endpoints {
		names = append(names, e.Name)
		for _, a := range fields("network.endpoint."+e.Name+".", "Endpoint", e) {
			if strings.HasSuffix(a.name, ".url") {
				a.shown = masked(e.URL)
			}
			a.effect = endpoints
			out = append(out, a)
		}
	}
	if len(names) > 1 { // their order counts
		list := text("network.endpoints", strings.Join(names, ", "))
		list.effect = endpoints
		out = append(out, list)
	}
	return append([]attribute{text("network", n.Name)}, quiet(out)...)
}

func quiet(list []attribute) []attribute {
	for i := range list {
		list[i].quiet = true
	}
	return list
}

// stepAttributes are those of a step, of its inputs and of its plugin's block.
func stepAttributes(p *graph.Process, in Source) []attribute {
	out := append(fields("", "Step", *p.Step), text("plugin", p.Register.Plugin))
	for i, a := range out {
		out[i].quiet = slices.Contains([]string{"kind", "register", "plugin"}, a.name)
	}
	out = append(out, inputAttributes(p.Step)...)
	if policy := p.Step.Policy; policy != nil {
		out = append(out, text("policy", policy.Kind))
		out = append(out, fields("policy.", "Policy", *policy)...)
	}
	s := settings{secret: p.Step.Secrets, effect: Swap}
	if p.Register.Type != registry.Loader {
		s.note = "rows before the checkpoint stay as they are"
	}
	s.add("", p.Step.Settings, p.Register.Settings)
	out = append(out, s.out...)
	if block := in.Plugins[p.Register.Plugin]; block != nil {
		out = append(out, fields("plugin.", "Plugin", *block)...)
	}
	return out
}

// inputAttributes are the steps that each port reads, in their order.
func inputAttributes(s *config.Step) []attribute {
	var ports []string
	steps := make(map[string][]string)
	for _, in := range s.Inputs {
		if steps[in.Port] == nil {
			ports = append(ports, in.Port)
		}
		steps[in.Port] = append(steps[in.Port], in.From.Name)
	}
	var out []attribute
	for _, port := range ports {
		name := "inputs." + port
		if len(ports) == 1 {
			name = "input"
		}
		shown := strings.Join(steps[port], ", ")
		if len(steps[port]) > 1 {
			shown = "[" + shown + "]"
		}
		out = append(out, attribute{name: name, raw: port + "=" + shown, shown: shown, effect: Restart})
	}
	return out
}

// settings takes the JSON of a plugin's own settings apart.
type settings struct {
	secret []string // names at the top whose values nobody may be shown
	effect Effect
	note   string
	out    []attribute
}

// add takes an object apart. Attributes of a schema that are sensitive, and all
// below a name that is secret, are not shown.
func (s *settings) add(prefix string, object json.RawMessage, schema registry.Settings) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(object, &values); err != nil {
		return // there are no settings
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		secret := prefix == "" && slices.Contains(s.secret, name)
		if at := slices.IndexFunc(schema.Blocks, func(b registry.Block) bool { return b.Name == name }); at >= 0 && !secret {
			s.addBlock(prefix+name, values[name], schema.Blocks[at])
			continue
		}
		for _, a := range schema.Attributes {
			secret = secret || a.Name == name && a.Sensitive
		}
		a := attribute{name: prefix + name, raw: compact(values[name]), effect: s.effect, note: s.note}
		a.shown = a.raw
		if secret {
			a.shown = hidden
		}
		s.out = append(s.out, a)
	}
}

func (s *settings) addBlock(name string, value json.RawMessage, block registry.Block) {
	if !block.Many {
		s.add(name+".", value, block.Settings)
		return
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return // unreachable: the configuration writes a list
	}
	for i, one := range list {
		s.add(fmt.Sprintf("%s[%d].", name, i), one, block.Settings)
	}
}

// hidden stands for a value that nobody may be shown.
const hidden = "(sensitive)"

// text is an attribute that is a word, and shapes the pipeline.
func text(name, value string) attribute {
	return attribute{name: name, raw: value, shown: cmp.Or(value, `""`), effect: Restart}
}
