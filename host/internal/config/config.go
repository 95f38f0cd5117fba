// Package config turns HCL into a model that has no mistakes. It is the only
// part of the host that knows HCL.
//
// It works in two phases, because what may stand in a step is known only once
// the plugins have been asked: Parse reads everything that is the host's own
// and says which plugins there are, Resolve checks the steps against the
// registers of those plugins. Both go on after a mistake, so that a person
// sees all of them at once, each with its place.
package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Source is one file.
type Source struct {
	Name  string // as people know it; it stands in diagnostics
	Bytes []byte
}

// Options is what files may draw on besides themselves. The zero value gives
// them nothing.
type Options struct {
	Vars    map[string]string                // values of variables, as typed
	Env     func(name string) (string, bool) // the environment
	BaseDir string                           // what relative paths begin at
}

// File is a set of sources after the first phase. The exported fields hold
// what was understood, however many mistakes there are.
type File struct {
	Networks []*Network
	Plugins  map[string]*Plugin
	Host     Host

	pipelines []*pipeline
	sources   map[string]*hcl.File
	eval      *evaluator
}

// Parse reads sources as one configuration. The file is never nil and can
// always be resolved, which repeats the diagnostics given here.
func Parse(sources []Source, options Options) (*File, Diagnostics) {
	f := &File{
		Plugins: make(map[string]*Plugin),
		sources: make(map[string]*hcl.File),
	}
	f.eval = &evaluator{mistakes: newMistakes(sources), options: options, hidden: &secrets{}}
	body := f.read(sources)
	blocks := f.sort(body)
	f.eval.context = &hcl.EvalContext{Functions: functions(options)}
	f.eval.context.Variables = f.variables(blocks)
	for _, block := range blocks["network"] {
		f.network(block)
	}
	for _, block := range blocks["plugin"] {
		f.plugin(block)
	}
	f.host(blocks["host"])
	for _, block := range blocks["pipeline"] {
		f.pipeline(block)
	}
	if len(blocks["pipeline"]) == 0 && !f.eval.failed() {
		f.eval.add(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No pipeline block",
			Detail:   "There is nothing to run: write a pipeline block with at least one reader in it.",
			Subject:  emptyRange(sources),
		})
	}
	return f, f.withoutSecrets(f.eval.list())
}

// Registers returns the name of every register that a step names, sorted.
func (f *File) Registers() []string {
	var names []string
	for _, p := range f.pipelines {
		for _, s := range p.steps {
			names = append(names, s.Register)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// emptyRange is the beginning of the first source.
func emptyRange(sources []Source) *hcl.Range {
	if len(sources) == 0 {
		return nil
	}
	return &hcl.Range{Filename: sources[0].Name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// topLevel are the blocks that a file may hold, with what their labels mean.
var topLevel = []struct {
	kind   string
	labels []string
}{
	{"host", nil},
	{"locals", nil},
	{"network", []string{"name"}},
	{"pipeline", []string{"name"}},
	{"plugin", []string{"name"}},
	{"variable", []string{"name"}},
}

// sort groups top-level blocks by kind and reports what else stands there.
// Blocks with a mistake in their syntax are left out: what is missing in them
// may only have been misread.
func (f *File) sort(body *hclsyntax.Body) map[string][]*hclsyntax.Block {
	labels := make(map[string][]string, len(topLevel))
	kinds := make([]string, 0, len(topLevel))
	for _, t := range topLevel {
		labels[t.kind] = t.labels
		kinds = append(kinds, t.kind)
	}
	f.eval.shape(body, shape{what: "a file", blocks: kinds})
	broken := f.eval.places()
	blocks := make(map[string][]*hclsyntax.Block)
	seen := make(map[string]hcl.Range)
	for _, block := range body.Blocks {
		want, known := labels[block.Type]
		if !known || holdsAny(block.Range(), broken) || !f.eval.labels(block, want...) {
			continue
		}
		if len(want) > 0 && f.eval.duplicate(seen, describe(block.Type, block.Labels[0]), block.LabelRanges[0]) {
			continue
		}
		blocks[block.Type] = append(blocks[block.Type], block)
	}
	return blocks
}

// holdsAny reports whether one of the places lies within r.
func holdsAny(r hcl.Range, places []hcl.Range) bool {
	return slices.ContainsFunc(places, func(place hcl.Range) bool {
		return place.Filename == r.Filename && r.Start.Byte <= place.Start.Byte && place.Start.Byte <= r.End.Byte
	})
}
