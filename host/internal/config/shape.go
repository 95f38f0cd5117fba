package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// shape is what may stand in a body.
type shape struct {
	what       string    // whose body it is, with its article
	at         hcl.Range // its header, where something is missing
	attributes []string
	required   []string // those of attributes that must be there
	blocks     []string // any number of each
	single     []string // at most one of each
	others     []string // attributes and blocks that are looked at elsewhere
}

// shape reports everything in a body that does not belong there and everything
// that is missing. It looks at names only.
func (e *evaluator) shape(body *hclsyntax.Body, s shape) {
	allBlocks := slices.Concat(s.blocks, s.single)
	for _, attr := range inOrder(body.Attributes) {
		if slices.Contains(s.attributes, attr.Name) || slices.Contains(s.others, attr.Name) {
			continue
		}
		if slices.Contains(allBlocks, attr.Name) {
			e.errorf(&attr.NameRange, "Block expected", "%s is a block: write it as %s { ... }, without an equals sign.", attr.Name, attr.Name)
			continue
		}
		e.errorf(&attr.NameRange, "Unknown attribute", "%s has no attribute %q.%s", capital(s.what), attr.Name,
			e.meantOf(attr.Name, slices.Concat(s.attributes, allBlocks)))
	}
	seen := make(map[string]hcl.Range)
	for _, block := range body.Blocks {
		at := block.TypeRange
		switch {
		case slices.Contains(s.single, block.Type):
			if first, again := seen[block.Type]; again {
				e.errorf(&at, "Duplicate block", "%s has only one %s block; the first is at %s.", capital(s.what), block.Type, place(first))
			}
			seen[block.Type] = at
		case slices.Contains(s.blocks, block.Type), slices.Contains(s.others, block.Type):
		case slices.Contains(s.attributes, block.Type):
			e.errorf(&at, "Attribute expected", "%s is an attribute: write %s = ...", block.Type, block.Type)
		default:
			e.errorf(&at, "Unknown block", "%s has no block %q.%s", capital(s.what), block.Type, e.meantOf(block.Type, slices.Concat(allBlocks, s.attributes)))
		}
	}
	for _, name := range s.required {
		if body.Attributes[name] == nil {
			e.errorf(&s.at, "Missing attribute", "%s needs an attribute %q.", capital(s.what), name)
		}
	}
}

// labels reports a block with more or fewer labels than it needs, or with one
// that cannot be a name, and whether all is well.
func (e *evaluator) labels(block *hclsyntax.Block, want ...string) bool {
	at := block.DefRange()
	if len(block.Labels) != len(want) {
		e.errorf(&at, "Wrong labels", "This block is written as %s { ... }", header(block.Type, strings.ToUpper, want))
		return false
	}
	for i, label := range block.Labels {
		if want[i] == "name" && !hclsyntax.ValidIdentifier(label) {
			e.errorf(&block.LabelRanges[i], "Wrong name", "%q cannot be a name: it must begin with a letter and have only letters, digits, underscores and dashes.", label)
			return false
		}
	}
	return true
}

// header is how a block begins: its type and labels, in quotes.
func header(kind string, change func(string) string, labels []string) string {
	words := []string{kind}
	for _, label := range labels {
		words = append(words, strconv.Quote(change(label)))
	}
	return strings.Join(words, " ")
}

// inOrder returns attributes as they stand in the file.
func inOrder(attributes hclsyntax.Attributes) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(attributes))
	for _, attr := range attributes {
		list = append(list, attr)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int {
		return cmp.Or(cmp.Compare(a.SrcRange.Filename, b.SrcRange.Filename), cmp.Compare(a.SrcRange.Start.Byte, b.SrcRange.Start.Byte))
	})
	return list
}

// child returns a body's block of that type, nil if there is none.
func child(body *hclsyntax.Body, kind string) *hclsyntax.Block {
	for _, block := range body.Blocks {
		if block.Type == kind {
			return block
		}
	}
	return nil
}

// describe names a thing in a sentence: step "logs".
func describe(kind, name string) string { return fmt.Sprintf("%s %q", kind, name) }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
