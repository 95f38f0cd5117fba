package engine

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// An answer to a barrier counts once, and only while its checkpoint is under
// way: one that comes late, twice, or for another checkpoint is the plugin's
// mistake.
func TestBarrierAnsweredLateOrTwice(t *testing.T) {
	p := &process{}
	p.node.Store(&graph.Process{Register: registry.Register{Plugin: "liar", Type: registry.Subscriber}})
	pending := func(waits bool) *attempt {
		return &attempt{record: store.Checkpoint{Number: 7}, waiting: map[*process]bool{p: waits}}
	}
	for name, c := range map[string]*coordinator{
		"late":               {},
		"twice":              {pending: pending(false)},
		"another checkpoint": {pending: pending(true)},
	} {
		checkpoint := uint64(7)
		if name == "another checkpoint" {
			checkpoint = 6
		}
		_, err := c.answer(p, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: checkpoint})
		if err == nil || !strings.Contains(err.Error(), "plugin liar answered a barrier that it was not asked for, or twice") {
			t.Errorf("%s: got %v, want that the plugin is blamed", name, err)
		}
	}
}
