package config

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// secrecy marks values that no diagnostic may show.
type secrecy string

const (
	sensitive secrecy = "sensitive" // a variable that says so
	outside   secrecy = "outside"   // from the environment or another file
)

// evaluator finds the values of expressions and collects what is wrong with
// them.
type evaluator struct {
	*mistakes
	options Options
	context *hcl.EvalContext
	hidden  *secrets
}

// within returns an evaluator that sees each in addition.
func (e *evaluator) within(each cty.Value) *evaluator {
	inner := *e
	inner.context = e.context.NewChild()
	inner.context.Variables = map[string]cty.Value{"each": each}
	return &inner
}

// value evaluates an expression and converts the result. The value may be
// marked, but is known and not null. What says what it is for, in the words of
// the person who wrote it.
func (e *evaluator) value(expr hcl.Expression, want cty.Type, what string) (cty.Value, bool) {
	value, ok := e.nullable(expr, want, what)
	if ok && value.IsNull() {
		at := expr.Range()
		e.errorf(&at, "Missing value", "%s is null here, but must be %s.", what, typeName(want))
		return cty.NilVal, false
	}
	return value, ok
}

// nullable is value for what may be null.
func (e *evaluator) nullable(expr hcl.Expression, want cty.Type, what string) (cty.Value, bool) {
	value := e.any(expr)
	if !value.IsWhollyKnown() {
		return cty.NilVal, false
	}
	at := expr.Range()
	converted, err := convert.Convert(value, want)
	if err != nil {
		why := ""
		if !want.IsPrimitiveType() && !value.Type().IsPrimitiveType() {
			why = fmt.Sprintf(" (%v)", err)
		}
		e.errorf(&at, "Wrong type", "%s is %s here, but must be %s%s.", what, typeName(value.Type()), typeName(want), why)
		return cty.NilVal, false
	}
	return converted, true
}

// any evaluates an expression. The value is unknown if there is a mistake, here
// or in what it refers to.
func (e *evaluator) any(expr hcl.Expression) cty.Value {
	if !e.names(expr) {
		return cty.DynamicVal
	}
	value, diags := expr.Value(e.context)
	e.addAll(diags)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	return value
}

// typeName writes a type with its article.
func typeName(t cty.Type) string {
	if t == cty.DynamicPseudoType {
		return "a value of any type"
	}
	name := t.FriendlyNameForConstraint()
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// names reports every name in an expression that stands for nothing, and
// whether there is none.
func (e *evaluator) names(expr hcl.Expression) bool {
	known := true
	for _, traversal := range expr.Variables() {
		known = e.name(traversal) && known
	}
	return known
}

func (e *evaluator) name(traversal hcl.Traversal) bool {
	root := traversal.RootName()
	at := traversal.SourceRange()
	object, ok := e.lookup(root)
	if !ok {
		e.unknownRoot(traversal, root)
		return false
	}
	if len(traversal) < 2 || !object.Type().IsObjectType() {
		return true
	}
	attr, ok := traversal[1].(hcl.TraverseAttr)
	if !ok || object.Type().HasAttribute(attr.Name) {
		return true
	}
	known := slices.Sorted(maps.Keys(object.Type().AttributeTypes()))
	hint := e.meantOf(attr.Name, known)
	if root == "var" && len(known) == 0 {
		hint = fmt.Sprintf(" None is declared: write variable %q { default = ... } beside the pipelines.", attr.Name)
	}
	e.errorf(&at, "Unknown name", "There is no %s.%s.%s", root, attr.Name, hint)
	return false
}

// meantOf suggests a name, or lists all when there are few.
func (e *evaluator) meantOf(name string, known []string) string {
	switch suggestion := e.meant(name, known); {
	case suggestion != "":
		return suggestion
	case len(known) == 0:
		return " None is declared."
	case len(known) <= 8:
		return " There is " + strings.Join(known, ", ") + "."
	}
	return ""
}

func (e *evaluator) lookup(root string) (cty.Value, bool) {
	for context := e.context; context != nil; context = context.Parent() {
		if value, ok := context.Variables[root]; ok {
			return value, true
		}
	}
	return cty.NilVal, false
}

func (e *evaluator) unknownRoot(traversal hcl.Traversal, root string) {
	at := traversal.SourceRange()
	switch root {
	case "each":
		e.errorf(&at, "Unknown name", "each.key and each.value exist only in a block with for_each.")
		return
	case "var", "local":
		e.errorf(&at, "Unknown name", "The default of a variable can call functions, but not refer to %s: use a local for that.", root)
		return
	}
	hint := e.meant(root, []string{"var", "local", "each"})
	if hint == "" && len(traversal) == 1 {
		hint = fmt.Sprintf(" If a text is meant, write %q in quotes; steps can be named in input and inputs only.", root)
	}
	e.errorf(&at, "Unknown name", "Nothing here is called %q.%s", root, hint)
}

// attribute is the value of a body's attribute as a Go value, and whether it
// is there and right. It must not be used for what may be a secret.
func attribute[T any](e *evaluator, body *hclsyntax.Body, name string, want cty.Type) (T, bool) {
	var result T
	attr, ok := body.Attributes[name]
	if !ok {
		return result, false
	}
	value, ok := e.value(attr.Expr, want, name)
	if !ok {
		return result, false
	}
	value, _ = value.UnmarkDeep()
	if err := gocty.FromCtyValue(value, &result); err != nil {
		at := attr.Expr.Range()
		e.errorf(&at, "Wrong value", "%s: %v.", name, err)
		return result, false
	}
	return result, true
}

// text is the value of a body's string attribute, "" if it is not there.
func (e *evaluator) text(body *hclsyntax.Body, name string) string {
	value, _ := attribute[string](e, body, name, cty.String)
	return value
}

// number is the value of a body's attribute that must be a whole number.
func (e *evaluator) number(body *hclsyntax.Body, name string) (uint64, bool) {
	value, ok := attribute[*big.Float](e, body, name, cty.Number)
	if !ok {
		return 0, false
	}
	whole, accuracy := value.Uint64()
	if accuracy != big.Exact || !value.IsInt() { // Uint64 calls 1.5 exact
		at := rangeOf(body, name)
		e.errorf(&at, "Wrong value", "%s must be a whole number from 0 to 2^64 - 1.", name)
		return 0, false
	}
	return whole, true
}

// flag is the value of a body's bool attribute, false if it is not there.
func (e *evaluator) flag(body *hclsyntax.Body, name string) bool {
	value, _ := attribute[bool](e, body, name, cty.Bool)
	return value
}

// parsed is the value of a body's string attribute in another form, the zero
// value if it is not there. Form says how it is written.
func parsed[T any](e *evaluator, body *hclsyntax.Body, name, form string, parse func(string) (T, error)) T {
	var zero T
	text, ok := attribute[string](e, body, name, cty.String)
	if !ok {
		return zero
	}
	value, err := parse(text)
	if err != nil {
		at := body.Attributes[name].Expr.Range()
		e.errorf(&at, "Wrong value", "%s is written as %s.", name, form)
		return zero
	}
	return value
}

// oneOf is the value of a body's attribute that must be one of a few words.
func (e *evaluator) oneOf(body *hclsyntax.Body, name, otherwise string, words ...string) string {
	text, ok := attribute[string](e, body, name, cty.String)
	if !ok {
		return otherwise
	}
	if !slices.Contains(words, text) {
		at := body.Attributes[name].Expr.Range()
		if len(words) == 1 {
			e.errorf(&at, "Wrong value", "%s can only be %q.", name, words[0])
			return otherwise
		}
		e.errorf(&at, "Wrong value", "%s is one of %s.", name, quoted(words))
		return otherwise
	}
	return text
}

func quoted(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	return strings.Join(quoted, ", ")
}
