package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Resolve checks every step against its register and returns what the files
// say, with the diagnostics of both phases. With errors among them the model
// holds what was understood. Each call returns a model of its own.
func (f *File) Resolve(r *registry.Registry) (*Model, Diagnostics) {
	found := f.eval.clone()
	told := make(map[string]bool)
	model := &Model{Networks: f.Networks, Plugins: f.Plugins, Host: f.Host}
	for _, p := range f.pipelines {
		resolver := &resolver{
			mistakes:   found,
			registry:   r,
			from:       p,
			pipeline:   &Pipeline{},
			steps:      make(map[*step]*Step),
			byRegister: make(map[string][]*Step),
		}
		*resolver.pipeline = p.Pipeline
		resolver.resolve()
		resolver.checkNetwork(f.Plugins, told)
		model.Pipelines = append(model.Pipelines, resolver.pipeline)
	}
	model.Secrets = f.Secrets()
	return model, f.withoutSecrets(found.list())
}

// resolver resolves one pipeline.
type resolver struct {
	*mistakes
	registry   *registry.Registry
	from       *pipeline
	pipeline   *Pipeline
	steps      map[*step]*Step
	byRegister map[string][]*Step
	implied    int // steps from here on are implied
}

func (r *resolver) resolve() {
	registers := make([]registry.Register, len(r.from.steps))
	for i, s := range r.from.steps {
		copied := *s.Step
		r.steps[s] = &copied
		r.pipeline.Steps = append(r.pipeline.Steps, &copied)
		reg, ok := r.lookup(s)
		if !ok {
			copied.Broken = true
			r.names(s)
			continue
		}
		registers[i] = reg
		r.byRegister[reg.Name] = append(r.byRegister[reg.Name], &copied)
		r.settings(s, reg)
	}
	r.implied = len(r.pipeline.Steps)
	for i, s := range r.from.steps {
		if reg := registers[i]; reg.Name != "" {
			r.bind(s, reg)
		}
	}
}

// checkNetwork reports plugins that may not reach a network, and have a register
// here that is of no use without one; those in told already are left out.
func (r *resolver) checkNetwork(plugins map[string]*Plugin, told map[string]bool) {
	for _, s := range r.pipeline.Steps {
		reg, ok := r.registry.Lookup(s.Register)
		block := plugins[reg.Plugin]
		if !ok || !reg.Network || told[reg.Plugin] || block != nil && (block.Network || block.Sandbox.Off) {
			continue
		}
		told[reg.Plugin] = true
		what := fmt.Sprintf("Allow it: plugin %q { network = true }", reg.Plugin)
		if block != nil {
			what = fmt.Sprintf("Allow it: write network = true into the block of plugin %q at %s.", reg.Plugin, place(block.Range))
		}
		at := s.Range
		r.errorf(&at, "No network", "Register %q needs a network, and plugins reach none unless their block says so. %s", reg.Name, what)
	}
}

// lookup finds the register that a step names and checks that it is of the
// step's kind.
func (r *resolver) lookup(s *step) (registry.Register, bool) {
	at := s.block.LabelRanges[0]
	reg, ok := r.registry.Lookup(s.Register)
	if !ok {
		hint := ""
		if !r.full() {
			if nearest := r.registry.Closest(s.Register); nearest != "" {
				hint = fmt.Sprintf(" Did you mean %q?", nearest)
			}
		}
		r.errorf(&at, "Unknown register", "No plugin has a register %q.%s", s.Register, hint)
		return reg, false
	}
	if reg.Type != s.Kind {
		r.errorf(&s.block.TypeRange, "Wrong kind of step", "Register %q is of kind %s, not %s: write %s %q %q { ... }",
			reg.Name, reg.Type, s.Kind, reg.Type, reg.Name, s.block.Labels[1])
		return reg, false
	}
	return reg, true
}

// names looks at the settings of a step whose register is unknown: the names in
// them may be wrong all the same.
func (r *resolver) names(s *step) {
	e := *s.eval
	e.mistakes = r.mistakes
	for _, attr := range inOrder(s.block.Body.Attributes) {
		if !slices.Contains(hostAttributes, attr.Name) {
			e.names(attr.Expr)
		}
	}
}

// settings evaluates what in a step's block is the plugin's own.
func (r *resolver) settings(s *step, reg registry.Register) {
	e := *s.eval
	e.mistakes = r.mistakes
	to := r.steps[s]
	values, ok := e.settings(s.block, reg.Settings, fmt.Sprintf("register %q", reg.Name), slices.Concat(hostAttributes, hostBlocks))
	to.Settings, to.Secrets = encode(values), e.secrets(s.block.Body)
	to.Broken = to.Broken || !ok
	to.Places = make(map[string]Range)
	for name, attr := range s.block.Body.Attributes {
		if !slices.Contains(hostAttributes, name) {
			to.Places[name] = attr.Expr.Range()
		}
	}
	for _, block := range s.block.Body.Blocks {
		if _, twice := to.Places[block.Type]; !twice && !slices.Contains(hostBlocks, block.Type) {
			to.Places[block.Type] = block.DefRange()
		}
	}
}

// bind gives each input of a step its port.
func (r *resolver) bind(s *step, reg registry.Register) {
	to := r.steps[s]
	r.checkPolicy(to, reg)
	attributes := s.block.Body.Attributes
	if attributes["input"] == nil && attributes["inputs"] == nil {
		r.bindDependencies(to, reg)
		return
	}
	for _, ref := range s.inputs {
		port, ok := r.port(ref, reg)
		if !ok {
			to.Broken = true
			continue
		}
		for _, from := range ref.steps {
			to.Inputs = append(to.Inputs, Input{Port: port, From: r.steps[from], Range: ref.at})
		}
	}
	if !reg.ManyInputs {
		r.checkSingle(to, reg)
	}
}

// port is the name of the port that a reference goes to.
func (r *resolver) port(ref reference, reg registry.Register) (string, bool) {
	names := portNames(reg)
	switch {
	case ref.port != "":
		if slices.Contains(names, ref.port) {
			return ref.port, true
		}
		hint := r.meant(ref.port, names)
		if hint == "" {
			hint = " " + describePorts(reg)
		}
		r.errorf(&ref.portAt, "Unknown input", "Register %q has no input %q.%s", reg.Name, ref.port, hint)
		return "", false
	case len(names) == 1:
		return names[0], true
	case ref.position < len(names):
		return names[ref.position], true
	}
	r.errorf(&ref.at, "Too many inputs", "Register %q takes only %d. %s", reg.Name, len(names), describePorts(reg))
	return "", false
}

// checkSingle reports ports that have several steps where one is taken.
func (r *resolver) checkSingle(to *Step, reg registry.Register) {
	for _, port := range reg.Inputs {
		var names []string
		var last Input
		for _, input := range to.Inputs {
			if input.Port == port.Name {
				names = append(names, input.From.Name)
				last = input
			}
		}
		if len(names) > 1 {
			to.Broken = true
			r.errorf(&last.Range, "Too many inputs", "%s of register %q takes one step, but has %d: %s. Join them before, or use for_each.",
				capital(describePort(port)), reg.Name, len(names), strings.Join(names, ", "))
		}
	}
}

func (r *resolver) checkPolicy(to *Step, reg registry.Register) {
	if to.Policy == nil || to.Policy.On == "" || slices.Contains(portNames(reg), to.Policy.On) {
		return
	}
	at := to.Policy.Range
	hint := r.meant(to.Policy.On, portNames(reg))
	if hint == "" {
		hint = " " + describePorts(reg)
	}
	r.errorf(&at, "Unknown input", "The policy triggers on %q, but register %q has no such input.%s", to.Policy.On, reg.Name, hint)
}

func portNames(reg registry.Register) []string {
	names := make([]string, len(reg.Inputs))
	for i, port := range reg.Inputs {
		names[i] = port.Name
	}
	return names
}

func describePort(port registry.Port) string {
	if port.Name == "" {
		return "the input"
	}
	return fmt.Sprintf("input %q", port.Name)
}

// describePorts lists the inputs of a register in a sentence.
func describePorts(reg registry.Register) string {
	if len(reg.Inputs) == 1 && reg.Inputs[0].Name == "" {
		return "It has one input without a name: write input = STEP."
	}
	list := make([]string, len(reg.Inputs))
	for i, port := range reg.Inputs {
		list[i] = port.Name
		if !port.Any {
			list[i] += " (" + port.Type.Name + ")"
		}
	}
	return "It has " + strings.Join(list, ", ") + "."
}
