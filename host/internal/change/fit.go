package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// MisfitError tells that what new bytes offer does not go with the files.
type MisfitError struct {
	Diags config.Diagnostics
	file  *config.File
}

func (e *MisfitError) Error() string {
	var text strings.Builder
	text.WriteString("it does not go with the pipelines:\n\n")
	_ = e.file.Write(&text, e.Diags, false, 0) // a builder takes everything
	return strings.TrimRight(text.String(), "\n")
}

// fit finds what the host runs when the registers of a plugin are others, if
// that can run: the files are resolved and the graph is built anew. IDs stay those
// of what runs.
func fit(now running, numbers registry.Numbers, registers []registry.Register) (running, error) {
	next := now
	if err := now.whole(); err != nil {
		return next, err
	}
	known := registry.New()
	plugin := registers[0].Plugin
	for _, r := range slices.Concat(without(now.project.Registry.All(), plugin), registers) {
		if err := known.Add(r); err != nil {
			return next, err
		}
	}
	model, found := now.project.File.Resolve(known)
	model.TakePlaces(now.project.Model)
	g, more := graph.Build(model, known, numbers)
	if err := mistakes(now.project.File, found, more); err != nil {
		return next, err
	}
	if err := sameShape(now.graph, g); err != nil {
		return next, err
	}
	next.project = with(now.project, model, known, g)
	next.graph = g
	return next, nil
}

// with is a project that differs in what its plugins offer.
func with(p *project.Project, model *config.Model, known *registry.Registry, g *graph.Graph) *project.Project {
	out := *p
	out.Model, out.Registry, out.Graph = model, known, g
	return &out
}

// without are the registers of all other plugins.
func without(all []registry.Register, plugin string) []registry.Register {
	return slices.DeleteFunc(all, func(r registry.Register) bool { return r.Plugin == plugin })
}

// mistakes is an error if there are some. Warnings were given when the host began.
func mistakes(file *config.File, found ...config.Diagnostics) error {
	var wrong config.Diagnostics
	for _, diag := range file.Join(found...) {
		if diag.Severity == config.Error {
			wrong = append(wrong, diag)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &MisfitError{Diags: wrong, file: file}
}

// sameShape checks that a graph has the processes and the edges of another, and
// gives its processes the IDs of those.
func sameShape(old, fresh *graph.Graph) error {
	before := byName(old)
	after := byName(fresh)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		p, was := after[name], before[name]
		if was == nil {
			return fmt.Errorf("it needs a step that does not run, %s (register %s): a swap only replaces steps; put the new binary into the plugin directory and start the host again",
				name, p.Register.Name)
		}
		if got, want := inputs(p), inputs(was); !slices.Equal(got, want) {
			return fmt.Errorf("step %s would read %s instead of %s: a swap changes no edges; name the inputs in the file, or put the new binary into the plugin directory and start the host again",
				name, listed(got), listed(want))
		}
		p.ID = was.ID
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			return fmt.Errorf("step %s would not be needed any more: a swap only replaces steps; put the new binary into the plugin directory and start the host again", name)
		}
	}
	return nil
}

func byName(g *graph.Graph) map[string]*graph.Process {
	out := make(map[string]*graph.Process, len(g.Processes))
	for _, p := range g.Processes {
		out[p.Name()] = p
	}
	return out
}

// inputs are the edges into a process, in their order.
func inputs(p *graph.Process) []string {
	out := make([]string, 0, len(p.Inputs))
	for _, e := range p.Inputs {
		name := e.From.Step.Name
		if e.Port != "" {
			name = e.Port + " = " + name
		}
		out = append(out, name)
	}
	return out
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// offers checks that what a binary offers is what the steps of a plugin need.
func offers(d catalog.Description, plugin string, steps []*graph.Process, known *registry.Registry) error {
	has := make(map[string]registry.Register)
	for _, r := range catalog.Registers(d) {
		has[r.Name] = r
	}
	var missing []string
	for _, p := range steps {
		if _, ok := has[p.Register.Name]; !ok {
			missing = append(missing, fmt.Sprintf("%s (step %s)", p.Register.Name, p.Name()))
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case len(missing) < len(steps):
		return fmt.Errorf("the new binary has fewer registers than are in use: it lacks %s; it has %s",
			strings.Join(missing, ", "), listed(slices.Sorted(maps.Keys(has))))
	}
	if owner := ownerOf(has, plugin, known); owner != "" {
		return fmt.Errorf("the binary is not one of plugin %s: its registers (%s) are those of plugin %s; did you mean penstock plugin swap %s PATH?",
			plugin, listed(slices.Sorted(maps.Keys(has))), owner, owner)
	}
	return fmt.Errorf("the binary is not one of plugin %s: of the registers in use it lacks %s; it has %s",
		plugin, strings.Join(missing, ", "), listed(slices.Sorted(maps.Keys(has))))
}

// ownerOf is the other plugin that registers are known to belong to, "" if there
// is none.
func ownerOf(has map[string]registry.Register, plugin string, known *registry.Registry) string {
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if r, ok := known.Lookup(name); ok && r.Plugin != plugin {
			return r.Plugin
		}
	}
	return ""
}

// mix makes the processes of a graph what they are in others, by name, and checks
// the types on the edges of those that are swapped.
func mix(g *graph.Graph, as map[string]*graph.Process, swapped map[string]bool, file *config.File) error {
	for _, p := range g.Processes {
		is := as[p.Name()]
		p.Register, p.Step.Settings = is.Register, is.Step.Settings
	}
	var wrong config.Diagnostics
	for _, p := range g.Processes {
		for _, e := range p.Inputs {
			if swapped[e.From.Name()] || swapped[p.Name()] {
				wrong = append(wrong, misfit(e)...)
			}
		}
	}
	return mistakes(file, wrong)
}

// misfit is what is wrong with the types of an edge.
func misfit(e *graph.Edge) config.Diagnostics {
	for _, port := range e.To.Register.Inputs {
		if port.Name != e.Port || port.Any {
			continue
		}
		if err := e.From.Register.Output.Fits(port.Type); err != nil {
			at := e.Range
			return config.Diagnostics{{
				Severity: config.Error, Subject: &at, Summary: "Type does not fit",
				Detail: fmt.Sprintf("Step %q (%s) cannot be read by %q (%s): %v", e.From.Step.Name, e.From.Register.Name, e.To.Step.Name, e.To.Register.Name, err),
			}}
		}
	}
	return nil
}
