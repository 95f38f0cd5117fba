package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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

// A reader that is ended between two safe points while a checkpoint is under way
// will not come to its barrier, and those behind it will not either: nobody waits
// for them.
func TestReaderEndsWithoutItsBarrier(t *testing.T) {
	d := &domain{}
	for _, kind := range []registry.ProcessType{registry.Reader, registry.Loader} {
		p := &process{domain: d}
		p.node.Store(&graph.Process{Register: registry.Register{Type: kind}})
		d.processes = append(d.processes, p)
	}
	c := &coordinator{domain: d, allEnded: make(chan struct{})}
	a := &attempt{record: store.Checkpoint{Number: 7}, answered: make(chan struct{}), waiting: map[*process]bool{d.processes[0]: true, d.processes[1]: true}}
	c.pending = a
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	waited := make(chan error, 1)
	go func() { waited <- c.finish(ctx, a) }()
	if void := c.readerEnded(false); !void {
		t.Error("checkpoints are taken all the same")
	}
	if err := <-waited; !errors.Is(err, errStuck) {
		t.Errorf("got %v, want that the checkpoint is given up", err)
	}
	select {
	case <-c.allEnded:
	default:
		t.Error("it is not known that every reader has ended")
	}
}
