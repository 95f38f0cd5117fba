package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variables evaluates variable and locals blocks to what expressions find under
// var and local.
func (f *File) variables(blocks map[string][]*hclsyntax.Block) map[string]cty.Value {
	values := make(map[string]cty.Value)
	for _, block := range blocks["variable"] {
		values[block.Labels[0]] = f.variable(block)
	}
	for _, name := range slices.Sorted(maps.Keys(f.eval.options.Vars)) {
		if _, declared := values[name]; !declared {
			f.eval.errorf(nil, "Unknown variable", "There is no variable %q to set.%s", name,
				f.eval.meantOf(name, slices.Sorted(maps.Keys(values))))
		}
	}
	vars := cty.ObjectVal(values)
	l := &locals{
		eval:        f.eval,
		expressions: make(map[string]*hclsyntax.Attribute),
		values:      make(map[string]cty.Value),
	}
	l.collect(blocks["locals"])
	f.eval.context.Variables = map[string]cty.Value{"var": vars}
	return map[string]cty.Value{"var": vars, "local": l.evaluate()}
}

// variable returns the value of one variable, unknown if it has none.
func (f *File) variable(block *hclsyntax.Block) cty.Value {
	e, body := f.eval, block.Body
	e.shape(body, shape{
		what:       "a variable block",
		attributes: []string{"type", "default", "description", "sensitive"},
	})
	want := cty.DynamicPseudoType
	if attr := body.Attributes["type"]; attr != nil {
		constraint, diags := typeexpr.TypeConstraint(attr.Expr)
		e.addAll(diags)
		if diags.HasErrors() {
			return cty.DynamicVal
		}
		want = constraint
	}
	e.text(body, "description")
	secret := e.flag(body, "sensitive")
	value := e.variableValue(block, want, secret)
	if secret && value.IsWhollyKnown() {
		value = value.Mark(sensitive)
		e.hidden.marked(value)
	}
	return value
}

// variableValue is what was given for a variable, or else its default.
func (e *evaluator) variableValue(block *hclsyntax.Block, want cty.Type, secret bool) cty.Value {
	name := block.Labels[0]
	if given, ok := e.options.Vars[name]; ok {
		return e.given(block, given, want, secret)
	}
	attr := block.Body.Attributes["default"]
	if attr == nil {
		at := block.DefRange()
		e.errorf(&at, "Missing value", "Variable %q has no default, so a value must be given for it: --var %s=VALUE, or default = ... in its block.", name, name)
		return cty.DynamicVal
	}
	value := e.any(attr.Expr)
	converted, err := convert.Convert(value, want)
	if err != nil {
		at := attr.Expr.Range()
		if secret {
			at = block.DefRange() // the line of the default would show it
		}
		e.errorf(&at, "Wrong type", "The default of variable %q is %s, but its type is %s.", name, typeName(value.Type()), want.FriendlyNameForConstraint())
		return cty.DynamicVal
	}
	return converted
}

// given is the value of a variable that was typed by a person. Strings are
// taken as they are, everything else is written as in a file.
func (e *evaluator) given(block *hclsyntax.Block, text string, want cty.Type, secret bool) cty.Value {
	name, at := block.Labels[0], block.DefRange()
	value := cty.StringVal(text)
	if want != cty.String && want != cty.DynamicPseudoType {
		parsed, problem := parseGiven(name, text)
		if problem != "" && secret {
			problem = "it is not shown, because the variable is sensitive"
		}
		if problem != "" {
			e.errorf(&at, "Wrong value", "The value given for variable %q cannot be read as %s: %s.", name, typeName(want), problem)
			return cty.DynamicVal
		}
		value = parsed
	}
	converted, err := convert.Convert(value, want)
	if err != nil {
		e.errorf(&at, "Wrong type", "The value given for variable %q is %s, but its type is %s.", name, typeName(value.Type()), want.FriendlyNameForConstraint())
		return cty.DynamicVal
	}
	return converted
}

// parseGiven reads an expression that refers to nothing. The problem is a
// sentence without a full stop, or "".
func parseGiven(name, text string) (value cty.Value, problem string) {
	source := Source{Name: "value of " + name, Bytes: []byte(text)}
	if checkText(source) != nil || scan(source.Bytes).tooDeep >= 0 {
		return cty.NilVal, "it is not an expression"
	}
	expr, diags := hclsyntax.ParseExpression(source.Bytes, source.Name, hcl.InitialPos)
	if !diags.HasErrors() {
		value, diags = expr.Value(nil)
	}
	if diags.HasErrors() {
		return cty.NilVal, strings.TrimSuffix(diags[0].Summary+": "+diags[0].Detail, ".")
	}
	return value, ""
}

// locals evaluates local values, each after those that it refers to.
type locals struct {
	eval        *evaluator
	expressions map[string]*hclsyntax.Attribute
	names       []string // in the order of the files
	values      map[string]cty.Value
	trail       []string
}

func (l *locals) collect(blocks []*hclsyntax.Block) {
	seen := make(map[string]hcl.Range)
	for _, block := range blocks {
		for _, nested := range block.Body.Blocks {
			l.eval.errorf(&nested.TypeRange, "Attribute expected", "A locals block holds attributes only: write %s = { ... }", nested.Type)
		}
		for _, attr := range inOrder(block.Body.Attributes) {
			if !l.eval.duplicate(seen, describe("local", attr.Name), attr.NameRange) {
				l.expressions[attr.Name] = attr
				l.names = append(l.names, attr.Name)
			}
		}
	}
}

func (l *locals) evaluate() cty.Value {
	for _, name := range l.names {
		l.visit(name)
	}
	return cty.ObjectVal(l.values)
}

// visit gives a local its value. One that has a mistake becomes unknown, so
// that those which use it are not reported too.
func (l *locals) visit(name string) {
	if _, done := l.values[name]; done {
		return
	}
	attr := l.expressions[name]
	if begin := slices.Index(l.trail, name); begin >= 0 {
		cycle := append(slices.Clone(l.trail[begin:]), name)
		l.eval.errorf(&attr.NameRange, "Cycle", "These locals need each other: %s.", strings.Join(cycle, " -> "))
		l.values[name] = cty.DynamicVal
		return
	}
	l.trail = append(l.trail, name)
	for _, traversal := range attr.Expr.Variables() {
		if needed := localName(traversal); l.expressions[needed] != nil {
			l.visit(needed)
		}
	}
	l.trail = l.trail[:len(l.trail)-1]
	if _, cyclic := l.values[name]; !cyclic {
		l.values[name] = l.value(attr.Expr)
	}
}

// value evaluates an expression that sees the locals it refers to.
func (l *locals) value(expr hcl.Expression) cty.Value {
	needed := make(map[string]cty.Value)
	for _, traversal := range expr.Variables() {
		name := localName(traversal)
		if value, known := l.values[name]; known {
			needed[name] = value
		} else if name != "" {
			at := traversal.SourceRange()
			l.eval.errorf(&at, "Unknown name", "There is no local.%s.%s", name, l.eval.meantOf(name, l.names))
			return cty.DynamicVal
		}
	}
	e := *l.eval
	e.context = e.context.NewChild()
	e.context.Variables = map[string]cty.Value{"local": cty.ObjectVal(needed)}
	return e.any(expr)
}

// localName is the name of the local that a traversal refers to, or "".
func localName(traversal hcl.Traversal) string {
	if traversal.RootName() != "local" || len(traversal) < 2 {
		return ""
	}
	if attr, ok := traversal[1].(hcl.TraverseAttr); ok {
		return attr.Name
	}
	return ""
}
