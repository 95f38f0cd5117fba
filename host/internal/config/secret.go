package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// secrets names the attributes and blocks of a body that draw on what nobody
// may be shown: a sensitive variable, the environment or another file.
func (e *evaluator) secrets(body *hclsyntax.Body) []string {
	var names []string
	for name, attr := range body.Attributes {
		value, _ := attr.Expr.Value(e.context) // what is wrong with it was said before
		if _, marks := value.UnmarkDeep(); len(marks) > 0 {
			names = append(names, name)
		}
	}
	for _, block := range body.Blocks {
		if len(e.secrets(block.Body)) > 0 {
			names = append(names, block.Type)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
