package engine

import (
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// OnlyInput names the input of a step that has one.
const OnlyInput = "*"

// TapError tells that a step, or one of its inputs, cannot be looked at.
type TapError struct {
	Unknown bool // there is none of the name
	Message string
}

func (e *TapError) Error() string { return e.Message }

// stepNamed finds a process by "pipeline/step", or by a name that only one step
// has.
func (e *Engine) stepNamed(name string) (*process, error) {
	var found []*process
	var known []string
	e.mu.Lock()
	domains := e.domains
	e.mu.Unlock()
	for _, d := range domains {
		for _, p := range d.processes {
			if p.spec().Name() == name {
				return p, nil
			}
			if p.spec().Step.Name == name {
				found = append(found, p)
			}
			known = append(known, p.spec().Name())
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, noStep(name, known)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.spec().Name())
	}
	return nil, &TapError{Message: fmt.Sprintf("step %q is in several pipelines: write %s", name, strings.Join(names, " or "))}
}

// mostNamed bounds how many names an error tells.
const mostNamed = 12

func noStep(name string, known []string) error {
	near := registry.Nearest(name, known)
	if near == "" && !strings.Contains(name, "/") {
		var steps []string
		for _, full := range known {
			_, step, _ := strings.Cut(full, "/")
			steps = append(steps, step)
		}
		near = registry.Nearest(name, steps)
	}
	if near != "" {
		return &TapError{Unknown: true, Message: fmt.Sprintf("there is no step %q: did you mean %q?", name, near)}
	}
	more := ""
	if len(known) > mostNamed {
		known, more = known[:mostNamed], " and others"
	}
	return &TapError{Unknown: true, Message: fmt.Sprintf("there is no step %q: this host runs %s%s", name, strings.Join(known, ", "), more)}
}

// inputNamed finds an input of a process by the step that it comes from, by its
// port, or as the only one there is.
func inputNamed(p *graph.Process, name string) (*graph.Edge, error) {
	var names []string
	for _, in := range p.Inputs {
		if name == in.From.Step.Name || name == in.Port && len(p.Register.Inputs) > 1 || name == OnlyInput && len(p.Inputs) == 1 {
			return in, nil
		}
		names = append(names, in.From.Step.Name)
	}
	switch {
	case len(names) == 0:
		return nil, &TapError{Message: fmt.Sprintf("step %q is a reader: what goes into it comes from outside", p.Step.Name)}
	case name == OnlyInput:
		return nil, &TapError{Message: fmt.Sprintf("step %q has several inputs: name one of %s", p.Step.Name, strings.Join(names, ", "))}
	}
	hint := ""
	if near := registry.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, &TapError{Unknown: true, Message: fmt.Sprintf("step %q has no input %q: it reads %s%s", p.Step.Name, name, strings.Join(names, ", "), hint)}
}
