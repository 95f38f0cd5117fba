package main

import (
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// longer is an event with more columns.
type longer struct {
	BlockNumber uint64
	LogIndex    uint64
	Name        string
	Note        string
	Fee         *uint64
}

func (longer) TransitType() string { return "test.event" }

// other is an event with a column of another type.
type other struct {
	BlockNumber uint64
	LogIndex    string
	Name        string
}

func (other) TransitType() string { return "test.event" }

// loose is an event whose name may be missing.
type loose struct {
	BlockNumber uint64
	LogIndex    uint64
	Name        *string
}

func (loose) TransitType() string { return "test.event" }

// A column that rows have gained is added, also where they replace each other;
// what they have lost stays.
func TestColumnsAreAdded(t *testing.T) {
	for name, key := range map[string][]string{"without a key": nil, "with a key": {"block_number"}} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			keyed := func() *loader { return newLoader(path).with(func(l *loader) { l.Key = key }) }
			l := started(t, keyed(), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
			load(t, l, 0, eventsOf(1, 2)...)
			mark(t, l, 1)
			load(t, l, 0, event{BlockNumber: 9})
			closed(t, l)
			l = started(t, keyed(), sdk.Start{Checkpoint: 1, Inputs: []sdk.Input{plugintest.WireFrom[longer](t, "events", "input")}})
			load(t, l, 0, longer{BlockNumber: 3, Note: "x"})
			mark(t, l, 2)
			closed(t, l)
			l = started(t, keyed(), sdk.Start{Checkpoint: 2, Inputs: []sdk.Input{plugintest.WireFrom[longer](t, "events", "input")}})
			load(t, l, 0, longer{BlockNumber: 4, Note: "y"})
			mark(t, l, 3)
			closed(t, l)
			if got := query(t, path, "SELECT block_number, note, fee IS NULL FROM events ORDER BY penstock_row"); got != "1||1\n2||1\n3|x|1\n4|y|1" {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestColumnsAreNotAddedAgainstTheSettings(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1)...)
	s := step(t, path)
	s.Settings = map[string]any{"path": path, "migrate": false}
	s.Start.Checkpoint, s.Start.Inputs = 1, []sdk.Input{plugintest.WireFrom[longer](t, "events", "input")}
	_, failure := plugintest.TryOpen(t, plugintest.Run(t, register(short)), s)
	wants(t, failure, "stop", path, "table events lacks columns of the rows of step events (test.event): note, fee", "set migrate = true")
}

func TestColumnsThatChange(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1)...)
	p := plugintest.Run(t, register(short))
	for name, tt := range map[string]struct {
		in   sdk.Input
		want string
	}{
		"another type": {plugintest.WireFrom[other](t, "events", "input"), "log_index     INTEGER NOT NULL  TEXT NOT NULL  <- differs"},
		"may be null":  {plugintest.WireFrom[loose](t, "events", "input"), "name          TEXT NOT NULL     TEXT  <- differs"},
	} {
		s := step(t, path)
		s.Start.Checkpoint, s.Start.Inputs = 1, []sdk.Input{tt.in}
		_, failure := plugintest.TryOpen(t, p, s)
		if failure == nil {
			t.Errorf("%s: it is let in", name)
			continue
		}
		wants(t, failure, "stop", path, tt.want)
	}
}
