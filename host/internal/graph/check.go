package graph

import (
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// check reports what is wrong with one process and the edges into it.
func (b *builder) check(p *Process) {
	fed := make(map[string]bool)
	for _, input := range p.Step.Inputs {
		fed[input.Port] = true // also by a step that was not understood, and is no process
	}
	twice := make(map[edgeKey]bool)
	for _, edge := range p.Inputs {
		key := edgeKey{edge.From, edge.Port}
		if twice[key] {
			b.report(config.Error, edge.Range, "Step read twice",
				fmt.Sprintf("Step %q is already an input of %q: each row would arrive twice.", edge.From.Step.Name, p.Step.Name))
		}
		twice[key] = true
		b.checkType(edge)
	}
	if p.Step.Broken {
		return
	}
	for _, port := range p.Register.Inputs {
		if !fed[port.Name] {
			b.missing(p, port)
		}
	}
	if len(p.Outputs) == 0 && p.Register.Type != registry.Loader && !b.doubtful[p.Pipeline] {
		b.unread(p)
	}
}

type edgeKey struct {
	from *Process
	port string
}

// checkType compares what flows on an edge with what its end takes.
func (b *builder) checkType(edge *Edge) {
	for _, port := range edge.To.Register.Inputs {
		if port.Name != edge.Port {
			continue
		}
		from := edge.From
		if from.Register.Type == registry.Loader {
			b.report(config.Error, edge.Range, "Nothing to read",
				fmt.Sprintf("Step %q is a loader: it ends a path and gives nothing to %q.", from.Step.Name, edge.To.Step.Name))
			return
		}
		if port.Any {
			return
		}
		if err := from.Register.Output.Fits(port.Type); err != nil {
			b.report(config.Error, edge.Range, "Type does not fit",
				fmt.Sprintf("Step %q (%s) cannot be read by %q (%s): %v",
					from.Step.Name, from.Register.Name, edge.To.Step.Name, edge.To.Register.Name, err))
		}
		return
	}
}

// missing reports a port that nothing feeds, and which steps could.
func (b *builder) missing(p *Process, port registry.Port) {
	what, write := "the input", "input = "
	if len(p.Register.Inputs) > 1 {
		what, write = "input "+quote(port.Name), "inputs = { "+port.Name+" = "
	}
	detail := fmt.Sprintf("Step %q needs %s", p.Step.Name, what)
	if !port.Any {
		detail += " of type " + port.Type.Name
	}
	if fitting := b.fitting(p, port); len(fitting) > 0 {
		detail += fmt.Sprintf(": write %s%s", write, fitting[0])
		if len(p.Register.Inputs) > 1 {
			detail += ", ... }"
		}
		if len(fitting) > 1 {
			detail += " (or " + strings.Join(fitting[1:], ", ") + ")"
		}
	} else {
		detail += ", but no step of the pipeline gives that"
	}
	b.report(config.Error, p.Step.Range, "Missing input", detail+".")
}

// fitting names a few steps that could feed a port.
func (b *builder) fitting(p *Process, port registry.Port) []string {
	var names []string
	for _, other := range b.ordered {
		gives := other.Pipeline == p.Pipeline && other != p && other.Register.Type != registry.Loader
		if gives && (port.Any || other.Register.Output.Fits(port.Type) == nil) {
			names = append(names, reference(other.Step))
		}
		if len(names) == 5 {
			break
		}
	}
	return names
}

// reference is how a step is named in a file.
func reference(s *config.Step) string {
	if s.Key == "" {
		return s.Name
	}
	return fmt.Sprintf("%s[%q]", strings.TrimSuffix(s.Name, "."+s.Key), s.Key)
}

// unread warns of a process whose output goes nowhere.
func (b *builder) unread(p *Process) {
	summary := "Path without a loader"
	if p.Register.Type == registry.Reader {
		summary = "Reader that nobody reads"
	}
	b.report(config.Warning, p.Step.Range, summary,
		fmt.Sprintf("What step %q gives goes nowhere: add a loader with input = %s, or remove the step.", p.Step.Name, reference(p.Step)))
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
