// Package graph turns a model into what runs: processes joined by edges, the
// paths they form and the domains they fall into.
//
// It is pure: it starts nothing, reads nothing and keeps nothing. A graph that
// comes without errors can run; whatever would not fit when it does is found
// here, with its place in the file.
package graph

import (
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// Graph is everything that runs. It does not change once built.
type Graph struct {
	Processes []*Process // producers before consumers, otherwise in the order of the file
	Paths     []*Path    // in the order of their readers, then of their ends
	Domains   []*Domain  // in the order of their first process
}

// Process is a node of the graph: a step that runs.
type Process struct {
	ID       registry.ProcessID
	Pipeline *config.Pipeline
	Step     *config.Step
	Register registry.Register // with its number
	Inputs   []*Edge           // in the order of the register's ports, then of the file
	Outputs  []*Edge           // in the order of the file
	// Fingerprint covers the process and everything it reads from.
	Fingerprint Fingerprint

	index int // in the order of the file
}

// Name is the pipeline's and the step's name, joined by a slash. It is unique
// in a graph and the same on every run.
func (p *Process) Name() string { return p.Pipeline.Name + "/" + p.Step.Name }

// Edge leads from the output of one process to an input of another.
type Edge struct {
	From, To *Process
	Port     string       // the port of To's register
	Input    int          // the index of the edge in To.Inputs
	Range    config.Range // the reference in the file
}

// Domain is a connected piece of the graph: what must be checkpointed and
// rewound together.
type Domain struct {
	Name      string     // that of its first process
	Processes []*Process // producers before consumers
}

// Build makes the graph of a model. Mistakes and warnings are returned all at
// once. With errors the graph is good to look at, but must not run; it is nil
// if there is a cycle.
func Build(m *config.Model, r *registry.Registry, numbers registry.Numbers) (*Graph, config.Diagnostics) {
	b := &builder{registry: r, numbers: numbers, processes: make(map[*config.Step]*Process)}
	for _, pipeline := range m.Pipelines {
		b.addPipeline(pipeline)
	}
	for _, p := range b.ordered {
		b.connect(p)
	}
	for _, p := range b.ordered {
		b.check(p)
	}
	processes, ok := b.sort()
	if !ok {
		return nil, config.Bound(b.diags)
	}
	for _, p := range processes {
		p.Fingerprint = fingerprint(p)
	}
	g := &Graph{Processes: processes, Domains: domains(processes)}
	b.paths(g)
	return g, config.Bound(b.diags)
}

// builder holds a graph in the making.
type builder struct {
	registry  *registry.Registry
	numbers   registry.Numbers
	processes map[*config.Step]*Process
	ordered   []*Process // in the order of the file
	doubtful  map[*config.Pipeline]bool
	diags     config.Diagnostics
}

func (b *builder) report(severity config.Severity, at config.Range, summary, detail string) {
	b.diags = append(b.diags, &config.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &at})
}

// addPipeline makes a process of each step. Steps that nothing is known about
// are left out: why was said when the model was made.
func (b *builder) addPipeline(pipeline *config.Pipeline) {
	for _, step := range pipeline.Steps {
		reg, ok := b.registry.Lookup(step.Register)
		if !ok || reg.Type != step.Kind || pipeline.Network == nil || step.Broken {
			b.doubt(pipeline)
		}
		switch {
		case !ok && !step.Broken:
			b.report(config.Error, step.Range, "Unknown register", "No plugin has a register "+quote(step.Register)+".")
			continue
		case !ok || reg.Type != step.Kind || pipeline.Network == nil:
			continue
		}
		number, err := b.numbers.Number(reg.Name)
		if err != nil {
			b.report(config.Error, step.Range, "No number left", capital(err.Error())+".")
		}
		reg.Number = number
		p := &Process{
			ID:       registry.NewProcessID(registry.NewPID(pipeline.Network.Layer, pipeline.PathType, reg.Type, number)),
			Pipeline: pipeline,
			Step:     step,
			Register: reg,
			index:    len(b.ordered),
		}
		b.processes[step] = p
		b.ordered = append(b.ordered, p)
	}
}

// doubt remembers that a pipeline has mistakes, so that what seems to be
// missing in it may only not have been understood.
func (b *builder) doubt(pipeline *config.Pipeline) {
	if b.doubtful == nil {
		b.doubtful = make(map[*config.Pipeline]bool)
	}
	b.doubtful[pipeline] = true
}

// connect makes the edges into a process.
func (b *builder) connect(p *Process) {
	for _, port := range p.Register.Inputs {
		for _, input := range p.Step.Inputs {
			from := b.processes[input.From]
			if input.Port != port.Name || from == nil {
				continue
			}
			edge := &Edge{From: from, To: p, Port: port.Name, Input: len(p.Inputs), Range: input.Range}
			p.Inputs = append(p.Inputs, edge)
			from.Outputs = append(from.Outputs, edge)
		}
	}
}
