package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// bindDependencies gives a step that names no inputs the registers that it
// depends on: the one step of such a register, or a new one where there is
// none.
func (r *resolver) bindDependencies(to *Step, reg registry.Register) {
	if len(reg.Dependencies) == 0 {
		return
	}
	if _, err := r.registry.Dependencies(reg.Name); err != nil {
		to.Broken = true
		r.errorf(&to.Range, "Unresolved dependencies", "Step %q has no input, so it takes what its register depends on, but: %v.", to.Name, err)
		return
	}
	taken := make(map[string]bool)
	for i, name := range reg.Dependencies {
		dependency, _ := r.registry.Lookup(name)
		from, ok := r.provider(to, dependency)
		if !ok {
			to.Broken = true
			continue
		}
		port, ok := feeds(dependency, i, reg, taken)
		if !ok {
			to.Broken = true
			r.errorf(&to.Range, "Unresolved dependencies", "Register %q depends on %q, which gives %s, but no input takes that. %s Name its inputs yourself.",
				reg.Name, name, dependency.Output.Name, describePorts(reg))
			continue
		}
		taken[port] = true
		to.Inputs = append(to.Inputs, Input{Port: port, From: from, Range: to.Range})
	}
}

// feeds finds the port that a dependency goes to: the first free one that
// takes its type.
func feeds(dependency registry.Register, position int, reg registry.Register, taken map[string]bool) (string, bool) {
	for _, port := range reg.Inputs {
		free := reg.ManyInputs || !taken[port.Name]
		if free && (port.Any || port.Type.Name == dependency.Output.Name) {
			return port.Name, true
		}
	}
	// A port in the same position is what the author meant; that its type does
	// not fit is found where all types are compared.
	if position < len(reg.Inputs) && !taken[reg.Inputs[position].Name] {
		return reg.Inputs[position].Name, true
	}
	return "", false
}

// provider is the step that gives what a register gives.
func (r *resolver) provider(to *Step, reg registry.Register) (*Step, bool) {
	steps := r.byRegister[reg.Name]
	switch len(steps) {
	case 0:
		return r.imply(to, reg)
	case 1:
		return steps[0], true
	}
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
	}
	r.errorf(&to.Range, "Several steps to choose from", "Step %q has no input, so it takes the step of register %q, but there are %d: %s. Write input = %s.",
		to.Name, reg.Name, len(names), strings.Join(names, ", "), names[0])
	return nil, false
}

// imply adds a step with default settings, and what it depends on in turn.
func (r *resolver) imply(needer *Step, reg registry.Register) (*Step, bool) {
	if missing := required(reg.Settings); missing != "" {
		r.errorf(&needer.Range, "Missing step", "Step %q needs a step of register %q, which cannot be added by itself, because it must have %s: write %s %q %q { ... }",
			needer.Name, reg.Name, missing, reg.Type, reg.Name, r.freeName(reg.Name))
		return nil, false
	}
	s := &Step{
		Kind:     reg.Type,
		Register: reg.Name,
		Name:     r.freeName(reg.Name),
		Settings: json.RawMessage("{}"),
		Places:   map[string]Range{},
		Range:    needer.Range,
		Implied:  true,
	}
	if reg.Type == registry.Aggregator {
		s.Policy = &Policy{Kind: "block", Bucket: "all", Range: needer.Range}
	}
	r.pipeline.Steps = append(r.pipeline.Steps, s)
	r.byRegister[reg.Name] = []*Step{s}
	r.bindDependencies(s, reg)
	return s, true
}

// required names what must be written in a block of a register, or "".
func required(s registry.Settings) string {
	for _, attribute := range s.Attributes {
		if attribute.Required {
			return fmt.Sprintf("an attribute %q", attribute.Name)
		}
	}
	for _, block := range s.Blocks {
		if block.Required {
			return fmt.Sprintf("a block %q", block.Name)
		}
	}
	return ""
}

// freeName makes a step's name from a register's: logs of eth.logs, or
// eth_logs if that is taken, or eth_logs_2.
func (r *resolver) freeName(register string) string {
	taken := func(name string) bool {
		_, declared := r.from.named[name]
		return declared || slices.Contains([]string{"each", "local", "var"}, name) ||
			slices.ContainsFunc(r.pipeline.Steps[r.implied:], func(s *Step) bool { return s.Name == name })
	}
	short := register[strings.LastIndexByte(register, '.')+1:]
	long := strings.ReplaceAll(register, ".", "_")
	name := short
	for n := 2; taken(name); n++ {
		if name == short && short != long {
			name, n = long, 1
			continue
		}
		name = fmt.Sprintf("%s_%d", long, n)
	}
	return name
}
