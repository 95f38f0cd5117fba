package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
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

// Readers that are to stop come to a barrier for it, also where nothing is new:
// what they were about to send would be behind the last checkpoint.
func TestReadersStopAtABarrier(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := store.Place{Known: true, Block: 7}
	for name, test := range map[string]struct {
		stop, ended bool
		told        store.Place
		taken, idle bool
	}{
		"nothing is new":                  {told: at},
		"nothing is new, and they stop":   {told: at, stop: true, taken: true, idle: true},
		"they have stopped":               {told: at, stop: true, ended: true},
		"nothing was read, and they stop": {stop: true},
		"something is new":                {told: store.Place{Known: true, Block: 8}, taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &domain{}
			if d.memory, err = s.Domain(name); err != nil {
				t.Fatal(err)
			}
			p := &process{domain: d, told: test.told, barrier: make(chan struct{}, 1), inputs: &inbox{}}
			p.node.Store(&graph.Process{
				Register: registry.Register{Type: registry.Reader}, Pipeline: &config.Pipeline{Name: "p"}, Step: &config.Step{Name: "blocks"},
			})
			d.processes = append(d.processes, p)
			c := &coordinator{domain: d, last: store.Checkpoint{Readers: map[string]store.Place{"p/blocks": at}}}
			if test.ended {
				c.ended = 1
			}
			a, err := c.begin(test.stop)
			if err != nil || (a != nil) != test.taken || a != nil && a.idle != test.idle {
				t.Errorf("got %+v and %v", a, err)
			}
			if asked := len(p.barrier) == 1; asked != test.taken {
				t.Errorf("the reader was asked: %v", asked)
			}
		})
	}
}
