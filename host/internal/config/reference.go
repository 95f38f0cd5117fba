package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// reference is one entry of a step's input or inputs.
type reference struct {
	port     string // "" if the entry is known by its position
	position int
	steps    []*step // several if it names a step with for_each
	at       hcl.Range
	portAt   hcl.Range
}

// references reads a step's input or inputs. A step with a mistake there is
// broken.
func (p *pipeline) references(s *step) []reference {
	single, several := s.block.Body.Attributes["input"], s.block.Body.Attributes["inputs"]
	r := &referrer{pipeline: p, step: s}
	switch {
	case single == nil && several == nil:
		return nil
	case s.Kind == registry.Reader:
		attr := single
		if attr == nil {
			attr = several
		}
		r.errorf(attr.NameRange, "Misplaced attribute", "A reader collects from outside and has no %s; is this a subscriber?", attr.Name)
	case single != nil && several != nil:
		r.errorf(several.NameRange, "Misplaced attribute", "Write input for one step or inputs for several, not both.")
	case single != nil:
		r.add("", 0, single.Expr, hcl.Range{})
	default:
		r.several(several.Expr)
	}
	return r.found
}

type referrer struct {
	*pipeline
	step  *step
	found []reference
}

func (r *referrer) errorf(at hcl.Range, summary, format string, args ...any) {
	r.step.Broken = true
	r.eval.errorf(&at, summary, format, args...)
}

// several reads [a, b] and { port = a, other = [b, c] }.
func (r *referrer) several(expr hclsyntax.Expression) {
	switch expr := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		for i, entry := range expr.Exprs {
			r.add("", i, entry, hcl.Range{})
		}
	case *hclsyntax.ObjectConsExpr:
		seen := make(map[string]hcl.Range)
		for _, item := range expr.Items {
			port, ok := r.port(item.KeyExpr)
			if !ok || r.eval.duplicate(seen, describe("input", port), item.KeyExpr.Range()) {
				continue
			}
			entries := []hclsyntax.Expression{item.ValueExpr}
			if list, ok := item.ValueExpr.(*hclsyntax.TupleConsExpr); ok {
				entries = list.Exprs
			}
			for _, entry := range entries {
				r.add(port, 0, entry, item.KeyExpr.Range())
			}
		}
	default:
		r.errorf(expr.Range(), "Wrong inputs", "inputs is a list of steps, [a, b], or names an input for each, { blocks = a, swaps = b }. For one step write input.")
	}
}

func (r *referrer) port(expr hclsyntax.Expression) (string, bool) {
	value, ok := r.step.eval.value(expr, cty.String, "the name of an input")
	if !ok {
		r.step.Broken = true
		return "", false
	}
	value, _ = value.Unmark()
	return value.AsString(), true
}

// add resolves one reference to the steps that it stands for.
func (r *referrer) add(port string, position int, expr hclsyntax.Expression, portAt hcl.Range) {
	steps, ok := r.resolve(expr)
	if !ok {
		r.step.Broken = true
		return
	}
	r.found = append(r.found, reference{port: port, position: position, steps: steps, at: expr.Range(), portAt: portAt})
}

func (r *referrer) resolve(expr hclsyntax.Expression) ([]*step, bool) {
	switch expr := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return r.resolve(expr.Expression)
	case *hclsyntax.ScopeTraversalExpr:
		return r.traversal(expr.Traversal)
	case *hclsyntax.IndexExpr:
		collection, ok := expr.Collection.(*hclsyntax.ScopeTraversalExpr)
		if !ok || len(collection.Traversal) != 1 {
			break
		}
		key, ok := r.step.eval.value(expr.Key, cty.String, "the key of a step")
		if !ok {
			return nil, false
		}
		key, _ = key.Unmark()
		return r.instance(collection.Traversal.RootName(), key.AsString(), expr.Range())
	case *hclsyntax.TemplateExpr:
		if text, diags := expr.Value(nil); !diags.HasErrors() && text.Type() == cty.String {
			r.errorf(expr.Range(), "Wrong reference", "A step is named without quotes: write %s.", text.AsString())
			return nil, false
		}
	}
	r.errorf(expr.Range(), "Wrong reference", "An input is the name of a step of this pipeline, or NAME[\"KEY\"] for one instance of a step with for_each.")
	return nil, false
}

func (r *referrer) traversal(traversal hcl.Traversal) ([]*step, bool) {
	name, at := traversal.RootName(), traversal.SourceRange()
	g, known := r.named[name]
	switch {
	case !known:
		r.errorf(at, "Unknown step", "Pipeline %q has no step %q.%s", r.Name, written(traversal), r.stepMeant(traversal))
		return nil, false
	case len(traversal) == 1:
		return g.steps, true
	case len(traversal) == 2:
		if index, ok := traversal[1].(hcl.TraverseIndex); ok {
			key, err := keyText(index.Key)
			if err == nil {
				return r.instance(name, key, at)
			}
		}
	}
	r.errorf(at, "Wrong reference", "Step %q is named %s, and one instance of a step with for_each %s[\"KEY\"]; its columns cannot be named.", name, name, name)
	return nil, false
}

// instance finds the step that a block with for_each made for a key.
func (r *referrer) instance(name, key string, at hcl.Range) ([]*step, bool) {
	g, known := r.named[name]
	if !known {
		r.errorf(at, "Unknown step", "Pipeline %q has no step %q.%s", r.Name, name, r.eval.meantOf(name, r.names))
		return nil, false
	}
	if !g.each {
		r.errorf(at, "Wrong reference", "Step %q has no for_each, so it is named without a key: %s.", name, name)
		return nil, false
	}
	var keys []string
	for _, s := range g.steps {
		if s.Key == key {
			return []*step{s}, true
		}
		keys = append(keys, s.Key)
	}
	r.errorf(at, "Unknown step", "Step %q has no instance %q.%s", name, key, r.eval.meantOf(key, keys))
	return nil, false
}

// stepMeant suggests a step; a register may have been written in its place.
func (r *referrer) stepMeant(traversal hcl.Traversal) string {
	if r.eval.full() {
		return ""
	}
	register := written(traversal)
	for _, s := range r.steps {
		if s.Register == register {
			return fmt.Sprintf(" That is a register: the step which uses it is called %s.", s.block.Labels[1])
		}
	}
	names := slices.DeleteFunc(slices.Clone(r.names), func(name string) bool { return name == r.step.block.Labels[1] })
	return r.eval.meantOf(traversal.RootName(), names)
}

// written is a traversal as it stands in the file, as far as it has only names.
func written(traversal hcl.Traversal) string {
	names := []string{traversal.RootName()}
	for _, part := range traversal[1:] {
		if attr, ok := part.(hcl.TraverseAttr); ok {
			names = append(names, attr.Name)
		}
	}
	return strings.Join(names, ".")
}
