// Package plan compares the configuration that runs with another one: what
// differs, attribute by attribute, and what it takes to make the one the other.
//
// It is pure: it reads nothing, asks nobody and changes nothing. Both sides are
// taken apart into attributes with a name, a value and an effect, so that one
// comparison serves all of the language.
package plan

import (
	"slices"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
)

// Effect is what a difference does to what runs.
type Effect string

// The effects, the gentlest first.
const (
	None    Effect = ""
	Host    Effect = "host"    // nothing, until the host is started again
	Live    Effect = "live"    // taken over without touching anything that runs
	Swap    Effect = "swap"    // the process of a step is replaced in place, at a checkpoint
	Restart Effect = "restart" // the pipeline ends at a checkpoint and begins again from there
	New     Effect = "new"     // it begins
	Gone    Effect = "gone"    // it is drained and taken out
)

// gentlest first
var order = []Effect{None, Host, Live, Swap, Restart, New, Gone}

// stronger is the effect that does more.
func stronger(a, b Effect) Effect {
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// Change is an attribute that differs. Values are written as in a file; "" is
// one that is not set.
type Change struct {
	Attribute string `json:"attribute"` // within its block: checkpoint.every
	Old       string `json:"old,omitempty"`
	New       string `json:"new,omitempty"`
	Effect    Effect `json:"effect"`
	Note      string `json:"note,omitempty"` // what else a person must know
}

// Step is a step in which something differs.
type Step struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Register string   `json:"register"`
	Plugin   string   `json:"plugin"`
	Effect   Effect   `json:"effect"`
	Changes  []Change `json:"changes,omitempty"`
}

// Pipeline is a pipeline in which something differs.
type Pipeline struct {
	Name    string   `json:"name"`
	Effect  Effect   `json:"effect"` // of all that differs together
	Changes []Change `json:"changes,omitempty"`
	Steps   []Step   `json:"steps,omitempty"`
	// Unfit says why its checkpoints do not go with what it is to be. Needs is then
	// "accept-changes" if it may go on from them all the same, or "fresh" if it can
	// only begin anew. Diff knows nothing of checkpoints and leaves both empty.
	Unfit []string `json:"unfit,omitempty"`
	Needs string   `json:"needs,omitempty"`
	// Anew: it was said that the pipeline begins anew.
	Anew bool `json:"anew,omitempty"`
}

// Plan is all that differs.
type Plan struct {
	Host      []Change   `json:"host,omitempty"` // of the host block
	Pipelines []Pipeline `json:"pipelines,omitempty"`
	// Left are the pipelines that differ too and stay what they are, because only
	// others were named. Diff leaves it empty.
	Left []string `json:"left,omitempty"`
}

// Empty tells whether nothing differs.
func (p Plan) Empty() bool { return len(p.Host) == 0 && len(p.Pipelines) == 0 }

// Side is one of the two that are compared.
type Side struct {
	Host      config.Host
	Pipelines []Source // in the order of the files
}

// Source is what makes a pipeline what it is.
type Source struct {
	Pipeline  *config.Pipeline
	Processes []*graph.Process          // producers before consumers
	Plugins   map[string]*config.Plugin // the plugin blocks, by name
}

// Of is the side of a configuration that has no mistakes.
func Of(m *config.Model, g *graph.Graph) Side {
	s := Side{Host: m.Host}
	for _, p := range m.Pipelines {
		source := Source{Pipeline: p, Plugins: m.Plugins}
		for _, process := range g.Processes {
			if process.Pipeline == p {
				source.Processes = append(source.Processes, process)
			}
		}
		s.Pipelines = append(s.Pipelines, source)
	}
	return s
}

// Find is the pipeline of a name.
func (s Side) Find(name string) (Source, bool) {
	at := slices.IndexFunc(s.Pipelines, func(p Source) bool { return p.Pipeline.Name == name })
	if at < 0 {
		return Source{}, false
	}
	return s.Pipelines[at], true
}

// Diff tells what differs: first what is wanted, in its order, then what is gone.
func Diff(running, wanted Side) Plan {
	p := Plan{Host: compare(hostAttributes(running.Host), hostAttributes(wanted.Host))}
	for _, now := range wanted.Pipelines {
		was, known := running.Find(now.Pipeline.Name)
		if !known {
			p.Pipelines = append(p.Pipelines, added(now))
			continue
		}
		if changed := pipeline(was, now); changed.Effect != None {
			p.Pipelines = append(p.Pipelines, changed)
		}
	}
	for _, was := range running.Pipelines {
		if _, stays := wanted.Find(was.Pipeline.Name); !stays {
			p.Pipelines = append(p.Pipelines, removed(was))
		}
	}
	return p
}

func added(now Source) Pipeline {
	p := Pipeline{Name: now.Pipeline.Name, Effect: New, Changes: told(pipelineAttributes(now))}
	for _, process := range now.Processes {
		p.Steps = append(p.Steps, addedStep(process, now))
	}
	return p
}

func removed(was Source) Pipeline {
	p := Pipeline{Name: was.Pipeline.Name, Effect: Gone}
	for _, process := range was.Processes {
		p.Steps = append(p.Steps, stepOf(process, Gone))
	}
	return p
}

func addedStep(process *graph.Process, in Source) Step {
	s := stepOf(process, New)
	s.Changes = told(stepAttributes(process, in))
	return s
}

func stepOf(process *graph.Process, effect Effect) Step {
	return Step{
		Name: process.Step.Name, Kind: process.Register.Type.String(), Register: process.Register.Name,
		Plugin: process.Register.Plugin, Effect: effect,
	}
}

// told are the attributes of what is new, without what would only be said of a
// change.
func told(attributes []attribute) []Change {
	var out []Change
	for _, a := range attributes {
		if !a.quiet {
			out = append(out, Change{Attribute: a.name, New: a.shown, Effect: New})
		}
	}
	return out
}

// pipeline compares two pipelines of one name.
func pipeline(was, now Source) Pipeline {
	p := Pipeline{Name: now.Pipeline.Name, Changes: compare(pipelineAttributes(was), pipelineAttributes(now))}
	for _, c := range p.Changes {
		p.Effect = stronger(p.Effect, c.Effect)
	}
	for _, process := range now.Processes {
		s := step(was, now, process)
		if s.Effect == None {
			continue
		}
		p.Steps = append(p.Steps, s)
		p.Effect = stronger(p.Effect, shaping(s.Effect))
	}
	for _, process := range was.Processes {
		if now.find(process) == nil {
			p.Steps = append(p.Steps, stepOf(process, Gone))
			p.Effect = stronger(p.Effect, Restart)
		}
	}
	return p
}

// shaping is what the effect on a step means for its pipeline.
func shaping(step Effect) Effect {
	if step == New || step == Gone {
		return Restart
	}
	return step
}

// step compares a process with the one that it was.
func step(was, now Source, process *graph.Process) Step {
	before := was.find(process)
	if before == nil {
		return addedStep(process, now)
	}
	s := stepOf(process, None)
	s.Changes = compare(stepAttributes(before, was), stepAttributes(process, now))
	for i, c := range s.Changes {
		if c.Effect == Swap && !sameOffer(before, process) {
			s.Changes[i].Effect, s.Changes[i].Note = Restart, "plugin "+process.Register.Plugin+" offers something else than the one that runs"
		}
		s.Effect = stronger(s.Effect, s.Changes[i].Effect)
	}
	return s
}

// sameOffer tells whether a process can take the place of another between the
// same neighbours.
func sameOffer(a, b *graph.Process) bool {
	if len(a.Inputs) != len(b.Inputs) || len(a.Outputs) != len(b.Outputs) || a.ID.PID != b.ID.PID {
		return false
	}
	for i := range a.Register.Inputs {
		if i >= len(b.Register.Inputs) || a.Register.Inputs[i].Name != b.Register.Inputs[i].Name {
			return false
		}
	}
	return a.Register.Output.Name == b.Register.Output.Name && slices.Equal(a.Register.Output.MarshalSchema(), b.Register.Output.MarshalSchema())
}

// find is the process of the same step.
func (s Source) find(process *graph.Process) *graph.Process {
	for _, p := range s.Processes {
		if p.Step.Name == process.Step.Name {
			return p
		}
	}
	return nil
}
