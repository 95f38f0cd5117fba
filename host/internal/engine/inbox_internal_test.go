package engine

import (
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// A reader that had come to its end at the checkpoint says nothing more. Inputs
// that are joined with what comes of it do not wait for that.
func TestNobodyWaitsForAnInputThatIsThrough(t *testing.T) {
	pipeline := &config.Pipeline{Name: "p"}
	step := func(name string, kind registry.ProcessType, from ...*graph.Process) *graph.Process {
		p := &graph.Process{Pipeline: pipeline, Step: &config.Step{Name: name}, Register: registry.Register{Type: kind}}
		for i, f := range from {
			p.Inputs = append(p.Inputs, &graph.Edge{From: f, To: p, Input: i})
		}
		return p
	}
	left, right := step("left", registry.Reader), step("right", registry.Reader)
	pass := step("pass", registry.Aggregator, left, step("decoded", registry.Subscriber, right))
	from := store.Checkpoint{
		Readers: map[string]store.Place{"p/left": {Known: true, Block: 49}, "p/right": {Known: true, Block: 300}},
		Counts:  map[string]uint64{"p/left": 98, "p/decoded": 600},
	}
	p := &process{}
	p.node.Store(pass)
	p.wire()
	p.inputs.beginAt(from)
	for i, want := range []struct{ block, rows uint64 }{{50, 98}, {301, 600}} {
		if e := p.inputs.edges[i]; e.block != want.block || e.rows != want.rows {
			t.Errorf("input %d begins at block %d and row %d, want %+v", i, e.block, e.rows, want)
		}
	}
	for block := uint64(50); block < 60; block++ {
		point := &remote.Frame{Kind: remote.KindSafePoint, Cursor: &remote.Cursor{Block: block}}
		if err := p.inputs.edges[0].push(t.Context(), point); err != nil {
			t.Fatal(err)
		}
		if p.inputs.pick(p.inputs.waits()) != point {
			t.Fatalf("block %d waits for an input that is at its end", block)
		}
	}
	if first := reached(pass, store.Checkpoint{}); first != 0 {
		t.Errorf("at the beginning, it begins at block %d", first)
	}
}
