package config

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// pipeline is a pipeline after the first phase.
type pipeline struct {
	Pipeline
	eval  *evaluator
	steps []*step
	names []string         // of the declared steps, in order
	named map[string]group // the steps that each name stands for
}

// group is what one step block became: one step, or one for each key.
type group struct {
	each  bool
	steps []*step
}

var stepKinds = []string{"reader", "subscriber", "aggregator", "loader"}

// pipeline reads a pipeline block, once for each key of its for_each.
func (f *File) pipeline(block *hclsyntax.Block) {
	f.eval.shape(block.Body, shape{
		what:       "a pipeline block",
		attributes: []string{"network", "from", "to", "range", "for_each", "hang_after", "wait_at_most"},
		blocks:     stepKinds,
		single:     []string{"epoch", "checkpoint", "poison"},
	})
	for _, instance := range f.eval.instances(block.Body) {
		p := &pipeline{eval: instance.eval, named: make(map[string]group)}
		p.Name = instance.name(block.Labels[0])
		p.Key = instance.key
		p.Range = block.DefRange()
		p.Network = f.networkOf(p.eval, block)
		p.heights(block.Body)
		p.epoch(block.Body)
		p.recovery(block.Body)
		p.readSteps(block)
		f.pipelines = append(f.pipelines, p)
	}
}

// networkOf is the network that a pipeline names, or the only one there is. It
// is nil if that is a mistake.
func (f *File) networkOf(e *evaluator, block *hclsyntax.Block) *Network {
	names := make([]string, len(f.Networks))
	for i, n := range f.Networks {
		names[i] = n.Name
	}
	attr := block.Body.Attributes["network"]
	if attr == nil && len(f.Networks) == 1 {
		return f.Networks[0]
	}
	at := block.DefRange()
	switch {
	case len(f.Networks) == 0:
		e.errorf(&at, "No network block", "A pipeline works on a network: write network \"mainnet\" { chain_id = 1 ... } beside it.")
		return nil
	case attr == nil:
		e.errorf(&at, "Missing attribute", "There are several networks, so the pipeline must say which it works on: network is one of %s.", quoted(names))
		return nil
	}
	name, ok := networkName(e, attr.Expr)
	if !ok {
		return nil
	}
	for _, n := range f.Networks {
		if n.Name == name {
			return n
		}
	}
	at = attr.Expr.Range()
	e.errorf(&at, "Unknown network", "There is no such network.%s", e.meantOf(name, names))
	return nil
}

// networkName reads "mainnet" and network.mainnet alike.
func networkName(e *evaluator, expr hclsyntax.Expression) (string, bool) {
	traversal, diags := hcl.AbsTraversalForExpr(expr)
	if !diags.HasErrors() && traversal.RootName() == "network" && len(traversal) == 2 {
		if attr, ok := traversal[1].(hcl.TraverseAttr); ok {
			return attr.Name, true
		}
	}
	value, ok := e.value(expr, cty.String, "network")
	if !ok {
		return "", false
	}
	value, _ = value.Unmark()
	return value.AsString(), true
}

func (p *pipeline) epoch(body *hclsyntax.Body) {
	block := child(body, "epoch")
	if block == nil {
		return
	}
	e := p.eval
	e.labels(block)
	e.shape(block.Body, shape{
		what:       "an epoch block",
		at:         block.DefRange(),
		attributes: []string{"size", "offset"},
		required:   []string{"size"},
	})
	epoch := &Epoch{}
	size, given := e.number(block.Body, "size")
	if at := rangeOf(block.Body, "size"); given && size == 0 {
		e.errorf(&at, "Wrong value", "size is a number of blocks and must be at least 1.")
	}
	epoch.Size = size
	epoch.Offset, _ = e.number(block.Body, "offset")
	p.Epoch = epoch
}

// instance is one use of a block with for_each, or the only one of a block
// without.
type instance struct {
	key  string
	eval *evaluator
	each bool
}

func (i instance) name(declared string) string {
	if !i.each {
		return declared
	}
	return declared + "." + i.key
}

// instances evaluates for_each: the keys and values of a map, or the strings of
// a list or set.
func (e *evaluator) instances(body *hclsyntax.Body) []instance {
	attr := body.Attributes["for_each"]
	if attr == nil {
		return []instance{{eval: e}}
	}
	value, ok := e.value(attr.Expr, cty.DynamicPseudoType, "for_each")
	if !ok {
		return nil
	}
	at := attr.Expr.Range()
	value, marks := value.UnmarkDeep()
	if _, secret := marks[sensitive]; secret {
		e.errorf(&at, "Sensitive value", "for_each makes names of its keys, and names are shown; a sensitive variable cannot be used here.")
		return nil
	}
	if !value.CanIterateElements() {
		e.errorf(&at, "Wrong type", "for_each is a map, or a list or set of strings; this is %s.", typeName(value.Type()))
		return nil
	}
	var list []instance
	seen := make(map[string]bool)
	for key, element := range elements(value) {
		text, err := keyText(key)
		if err == nil && seen[text] {
			err = fmt.Errorf("%q stands there twice", text)
		}
		if err != nil {
			e.errorf(&at, "Wrong key", "for_each: %v.", err)
			return nil
		}
		seen[text] = true
		each := cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(text), "value": element})
		list = append(list, instance{key: text, eval: e.within(each), each: true})
	}
	return list
}

// elements goes through keys and values of a map or object, and through the
// elements of anything else as both.
func elements(value cty.Value) func(yield func(cty.Value, cty.Value) bool) {
	keyed := value.Type().IsMapType() || value.Type().IsObjectType()
	return func(yield func(cty.Value, cty.Value) bool) {
		for it := value.ElementIterator(); it.Next(); {
			key, element := it.Element()
			if !keyed {
				key = element
			}
			if !yield(key, element) {
				return
			}
		}
	}
}

func keyText(key cty.Value) (string, error) {
	switch {
	case key.IsNull() || !key.Type().IsPrimitiveType():
		return "", fmt.Errorf("an element is %s; use a map to give such values a key", typeName(key.Type()))
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('f', -1), nil
	case key.Type() == cty.Bool:
		return strconv.FormatBool(key.True()), nil
	case key.AsString() == "":
		return "", fmt.Errorf("a key is empty")
	}
	return key.AsString(), nil
}
