package graph_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// random builds a model by hand: n steps, each reading from some before it in
// a shuffled order, so that the file's order means nothing.
func random(rng *rand.Rand, n int, back bool) *config.Model {
	p := &config.Pipeline{Name: "p", Network: &config.Network{ChainID: 1, Layer: registry.Layer1}, PathType: registry.Live}
	steps := make([]*config.Step, n)
	for i := range steps {
		steps[i] = &config.Step{Kind: registry.Reader, Register: "eth.logs", Name: fmt.Sprint("s", i)}
		for j := range i {
			if rng.IntN(i) < 2 {
				steps[i].Kind, steps[i].Register = registry.Subscriber, "same.logs"
				steps[i].Inputs = append(steps[i].Inputs, config.Input{From: steps[j]})
			}
		}
	}
	if back {
		from, to := steps[n-1], steps[rng.IntN(n-1)]
		for from.Kind == registry.Reader { // a way forward first, so that the edge closes a cycle
			from.Kind, from.Register = registry.Subscriber, "same.logs"
			from.Inputs = append(from.Inputs, config.Input{From: to})
		}
		if len(from.Inputs) > 0 {
			to = from.Inputs[0].From
		}
		to.Kind, to.Register = registry.Subscriber, "same.logs"
		to.Inputs = append(to.Inputs, config.Input{From: from})
	}
	rng.Shuffle(n, func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	p.Steps = steps
	return &config.Model{Pipelines: []*config.Pipeline{p}}
}

func TestOrderOfRandomGraphs(t *testing.T) {
	r := registers(t)
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 2 + rng.IntN(12)
		g, diags := graph.Build(random(rng, n, false), r, &registry.MemoryNumbers{})
		if g == nil {
			t.Fatalf("seed %d: %v", seed, diags)
		}
		if len(g.Processes) != n {
			t.Fatalf("seed %d: %d processes, want %d", seed, len(g.Processes), n)
		}
		position := make(map[*graph.Process]int)
		for i, p := range g.Processes {
			position[p] = i
		}
		domain := make(map[*graph.Process]string)
		for _, d := range g.Domains {
			last := -1
			for _, p := range d.Processes {
				if domain[p] != "" || position[p] <= last {
					t.Fatalf("seed %d: %s is in two domains or out of order", seed, p.Name())
				}
				domain[p], last = d.Name, position[p]
			}
		}
		for _, p := range g.Processes {
			for _, e := range p.Inputs {
				if position[e.From] >= position[p] {
					t.Errorf("seed %d: %s comes before its producer %s", seed, p.Name(), e.From.Name())
				}
				if domain[e.From] == "" || domain[e.From] != domain[p] {
					t.Errorf("seed %d: %s and its producer %s are in different domains", seed, p.Name(), e.From.Name())
				}
			}
		}
		for _, path := range g.Paths {
			for i, p := range path.Processes[1:] {
				if !reads(p, path.Processes[i]) {
					t.Errorf("seed %d: path has %s after %s, which it does not read", seed, p.Name(), path.Processes[i].Name())
				}
			}
			if path.Reader().Register.Type != registry.Reader || len(path.End().Outputs) != 0 {
				t.Errorf("seed %d: path from %s to %s", seed, path.Reader().Name(), path.End().Name())
			}
		}
		cyclic, diags := graph.Build(random(rng, n, true), r, &registry.MemoryNumbers{})
		if cyclic != nil || !mentions(diags, "Cycle") {
			t.Errorf("seed %d: a cycle was not found: %v", seed, diags)
		}
	}
}

func reads(p, producer *graph.Process) bool {
	for _, e := range p.Inputs {
		if e.From == producer {
			return true
		}
	}
	return false
}

func mentions(diags config.Diagnostics, summary string) bool {
	for _, diag := range diags {
		if diag.Summary == summary {
			return true
		}
	}
	return false
}
