package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// step is a step after the first phase. Those that are implied have no block.
type step struct {
	*Step
	block  *hclsyntax.Block
	eval   *evaluator
	inputs []reference
}

// hostAttributes and hostBlocks are what in a step's block is not the
// plugin's.
var (
	hostAttributes = []string{"after", "for_each", "input", "inputs"}
	hostBlocks     = []string{"policy"}
)

// readSteps reads the steps of a pipeline, and then their inputs, which may
// name any of them.
func (p *pipeline) readSteps(block *hclsyntax.Block) {
	seen := make(map[string]hcl.Range)
	for _, nested := range block.Body.Blocks {
		kind, ok := registry.ParseProcessType(nested.Type)
		if !ok || !p.eval.labels(nested, "register", "name") {
			continue
		}
		name := nested.Labels[1]
		if slices.Contains([]string{"each", "local", "var"}, name) {
			p.eval.errorf(&nested.LabelRanges[1], "Wrong name", "%q means something else in expressions; choose another name.", name)
			continue
		}
		if p.eval.duplicate(seen, describe("step", name), nested.LabelRanges[1]) {
			continue
		}
		p.names = append(p.names, name)
		p.named[name] = p.expand(nested, kind)
	}
	if !slices.ContainsFunc(block.Body.Blocks, isStep) {
		at := block.DefRange()
		p.eval.errorf(&at, "Empty pipeline", "The pipeline has no steps: it needs at least a reader.")
	}
	for _, s := range p.steps {
		s.inputs = p.references(s)
	}
}

func isStep(block *hclsyntax.Block) bool { return slices.Contains(stepKinds, block.Type) }

// expand makes the steps of one block.
func (p *pipeline) expand(block *hclsyntax.Block, kind registry.ProcessType) group {
	g := group{each: block.Body.Attributes["for_each"] != nil}
	for _, instance := range p.eval.instances(block.Body) {
		s := &step{
			Step: &Step{
				Kind:     kind,
				Register: block.Labels[0],
				Name:     instance.name(block.Labels[1]),
				Key:      instance.key,
				Range:    block.DefRange(),
			},
			block: block,
			eval:  instance.eval,
		}
		s.readAfter()
		s.readPolicy(p.Epoch != nil)
		g.steps = append(g.steps, s)
		p.steps = append(p.steps, s)
	}
	return g
}

func (s *step) readAfter() {
	attr := s.block.Body.Attributes["after"]
	if attr == nil {
		return
	}
	if s.Kind != registry.Loader {
		s.eval.errorf(&attr.NameRange, "Misplaced attribute", "Only a loader can wait until data is final; a %s has no after.", s.Kind)
		return
	}
	s.After = s.eval.oneOf(s.block.Body, "after", "", "final")
}

// readPolicy gives every aggregator a policy; without a block it joins what
// belongs to the same block of the chain.
func (s *step) readPolicy(epochs bool) {
	if attr := s.block.Body.Attributes["policy"]; attr != nil {
		s.eval.errorf(&attr.NameRange, "Block expected", "A policy is a block: write policy \"block\" { ... }, without an equals sign.")
	}
	var found []*hclsyntax.Block
	for _, nested := range s.block.Body.Blocks {
		if nested.Type == "policy" {
			found = append(found, nested)
		}
	}
	switch {
	case s.Kind == registry.Aggregator && len(found) == 0:
		s.Policy = &Policy{Kind: "block", Bucket: "all", Range: s.Range}
		return
	case len(found) == 0:
		return
	case s.Kind != registry.Aggregator:
		s.eval.errorf(&found[0].TypeRange, "Misplaced block", "A policy says how several streams are joined: only an aggregator has one, this is a %s.", s.Kind)
		return
	case len(found) > 1:
		s.eval.errorf(&found[1].TypeRange, "Duplicate block", "An aggregator has only one policy block; the first is at %s.", place(found[0].TypeRange))
	}
	if !s.eval.labels(found[0], "kind") {
		return
	}
	block := found[0]
	kinds := []string{"block", "epoch", "trigger"}
	kind := block.Labels[0]
	if !slices.Contains(kinds, kind) {
		s.eval.errorf(&block.LabelRanges[0], "Unknown policy", "There is no policy %q.%s", kind, s.eval.meantOf(kind, kinds))
		return
	}
	if kind == "epoch" && !epochs {
		s.eval.errorf(&block.LabelRanges[0], "No epoch", "The policy \"epoch\" needs an epoch block in the pipeline: epoch { size = 10 }")
	}
	s.Policy = s.policy(block, kind)
}

func (s *step) policy(block *hclsyntax.Block, kind string) *Policy {
	e, body := s.eval, block.Body
	want := shape{what: describe("the policy", kind), at: block.DefRange(), attributes: []string{"bucket", "max", "require", "timeout"}}
	if kind == "trigger" {
		want.attributes = append(want.attributes, "on")
		want.required = []string{"on"}
	}
	e.shape(body, want)
	policy := &Policy{
		Kind:    kind,
		Bucket:  e.oneOf(body, "bucket", "all", "all", "latest"),
		Require: e.flag(body, "require"),
		Timeout: e.duration(body, "timeout"),
		Range:   block.DefRange(),
	}
	policy.Max, _ = e.number(body, "max")
	if kind == "trigger" {
		policy.On = e.text(body, "on")
	}
	return policy
}
