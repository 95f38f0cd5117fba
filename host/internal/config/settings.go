package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// settings evaluates a plugin's own attributes and blocks, which is everything
// in a block but others. What is not set is left out.
func (e *evaluator) settings(header *hclsyntax.Block, want registry.Settings, what string, others []string) (map[string]json.RawMessage, bool) {
	before, body := e.errs, header.Body
	s := shapeOf(want)
	s.what, s.at, s.others = what, header.DefRange(), others
	e.shape(body, s)
	for _, attr := range inOrder(body.Attributes) {
		if !slices.Contains(s.attributes, attr.Name) && !slices.Contains(others, attr.Name) {
			e.names(attr.Expr) // what it is for is unknown, but not what it says
		}
	}
	values := make(map[string]json.RawMessage)
	for _, attribute := range want.Attributes {
		if value, set := e.setting(body, attribute, what); set {
			values[attribute.Name] = value
		}
	}
	for _, block := range want.Blocks {
		if value, set := e.settingBlock(header, block, what); set {
			values[block.Name] = value
		}
	}
	return values, e.errs == before
}

// shapeOf is what settings allow to stand in a block.
func shapeOf(want registry.Settings) shape {
	var s shape
	for _, attribute := range want.Attributes {
		s.attributes = append(s.attributes, attribute.Name)
		if attribute.Required {
			s.required = append(s.required, attribute.Name)
		}
	}
	for _, block := range want.Blocks {
		if block.Many {
			s.blocks = append(s.blocks, block.Name)
		} else {
			s.single = append(s.single, block.Name)
		}
	}
	return s
}

// setting is the value of one attribute, and whether it is set and right.
func (e *evaluator) setting(body *hclsyntax.Body, want registry.Attribute, what string) (json.RawMessage, bool) {
	attr := body.Attributes[want.Name]
	if attr == nil {
		return nil, false
	}
	at := attr.Expr.Range()
	constraint, err := parseType(want.Type)
	if err != nil {
		e.errorf(&at, "Plugin mistake", "%s says that %s has the type %q: %v. This is for the author of the plugin to mend.", capital(what), want.Name, want.Type, err)
		return nil, false
	}
	evaluate := e.nullable
	if want.Required {
		evaluate = e.value
	}
	value, ok := evaluate(attr.Expr, constraint, want.Name)
	if !ok || value.IsNull() {
		return nil, false
	}
	e.hidden.marked(value)
	value, _ = value.UnmarkDeep()
	text, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		e.errorf(&at, "Wrong value", "%s: %v.", want.Name, err)
		return nil, false
	}
	if want.Sensitive {
		e.hidden.object(text)
	}
	return text, true
}

// settingBlock is the value of one kind of block: an object, or a list of them
// if there may be many.
func (e *evaluator) settingBlock(header *hclsyntax.Block, want registry.Block, what string) (json.RawMessage, bool) {
	var found []map[string]json.RawMessage
	for _, block := range header.Body.Blocks {
		if block.Type != want.Name {
			continue
		}
		e.labels(block)
		values, _ := e.settings(block, want.Settings, fmt.Sprintf("block %s of %s", want.Name, what), nil)
		found = append(found, values)
	}
	if len(found) == 0 {
		if want.Required {
			at := header.DefRange()
			e.errorf(&at, "Missing block", "%s needs a block: %s { ... }", capital(what), want.Name)
		}
		return nil, false
	}
	if want.Many {
		return encode(found), true
	}
	return encode(found[0]), true
}

// encode writes settings as JSON, the names in order.
func encode(values any) json.RawMessage {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // unreachable: there are only maps, lists and valid JSON
	}
	return text
}

// parseType reads a type as it is written in HCL.
func parseType(text string) (cty.Type, error) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	constraint := cty.NilType
	if !diags.HasErrors() {
		constraint, _, diags = typeexpr.TypeConstraintWithDefaults(expr)
	}
	if diags.HasErrors() {
		return cty.NilType, errors.New(strings.TrimSuffix(diags[0].Detail, "."))
	}
	return constraint, nil
}
