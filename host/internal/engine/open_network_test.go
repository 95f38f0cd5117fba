package engine_test

import (
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// Where nodes are, with the keys in their URLs, is told to those only that reach
// them themselves.
func TestWhoIsToldOfEndpoints(t *testing.T) {
	network := &config.Network{
		Name: "main", ChainID: 7, Finality: "safe", Endpoints: []config.Endpoint{{Name: "node", URL: "https://node.example/s3cret", Rate: "25/s"}},
	}
	for reaches, want := range map[bool]int{true: 1, false: 0} {
		p := &graph.Process{
			Pipeline: &config.Pipeline{Name: "p", Network: network}, Step: &config.Step{Name: "s"}, Register: registry.Register{Name: "r", Network: reaches},
		}
		got := engine.Opening("d", p).Network
		if got.Name != "main" || got.ChainID != 7 || got.Finality != "safe" || len(got.Endpoints) != want {
			t.Errorf("a register that reaches nodes itself (%v) is told %+v, want %d endpoints", reaches, got, want)
		}
	}
}
