package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns a source in the usual layout, or why it cannot be read. It
// changes nothing but space.
func Format(source Source) ([]byte, Diagnostics) {
	found := newMistakes([]Source{source})
	if len(source.Bytes) > MaxSize {
		found.errorf(atOffset(source, 0), "Configuration too large", "Read %s: %v.", source.Name, errTooLarge)
		return nil, found.list()
	}
	_, diags := parseSource(source)
	found.addAll(diags)
	if found.failed() {
		return nil, found.list()
	}
	return hclwrite.Format(source.Bytes), nil
}

// Explain returns a file that has the sources only, to write diagnostics of
// Format with.
func Explain(sources ...Source) *File {
	f := &File{
		sources: make(map[string]*hcl.File, len(sources)),
		eval:    &evaluator{mistakes: newMistakes(sources), hidden: &secrets{}},
	}
	for _, source := range sources {
		f.sources[source.Name] = &hcl.File{Bytes: source.Bytes}
	}
	return f
}
