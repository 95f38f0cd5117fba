package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestRowsAreSeenAfterTheCommit(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	load(t, l, 0, eventsOf(1, 2)...)
	load(t, l, 0, eventsOf(3)...)
	if got := blocksIn(t, path, "events"); got != "" {
		t.Errorf("before the commit: got blocks %s, want none", got)
	}
	commit(t, l)
	if got := blocksIn(t, path, "events"); got != "1 2 3" {
		t.Errorf("after the commit: got blocks %s, want 1 2 3", got)
	}
	load(t, l, 0, eventsOf(4)...)
	commit(t, l)
	commit(t, l) // of nothing
	if got := blocksIn(t, path, "events"); got != "1 2 3 4" {
		t.Errorf("after the second commit: got blocks %s, want 1 2 3 4", got)
	}
}

func TestRowsStandInTheOrderTheyCame(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	for n := range uint64(3) {
		load(t, l, 0, event{n, 2, "b"}, event{n, 1, "a"}, event{n, 3, "c"})
	}
	commit(t, l)
	want := "1|0|2\n2|0|1\n3|0|3\n4|1|2\n5|1|1\n6|1|3\n7|2|2\n8|2|1\n9|2|3"
	if got := query(t, path, "SELECT penstock_row, block_number, log_index FROM events ORDER BY rowid"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCloseLeavesOneFileAndNothingThatWasNotCommitted(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	load(t, l, 0, eventsOf(1)...)
	commit(t, l)
	load(t, l, 0, eventsOf(2)...)
	closed(t, l)
	if got := filesBeside(t, path); got != "rows.db" {
		t.Errorf("the directory has %s, want rows.db alone", got)
	}
	if got := blocksIn(t, path, "events"); got != "1" {
		t.Errorf("got blocks %s, want 1", got)
	}
}

func TestReadersOfTheFileDoNotHoldTheLoaderUp(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	db := opened(t, path)
	execute(t, db, "BEGIN")
	execute(t, db, "SELECT count(*) FROM events")
	load(t, l, 0, eventsOf(1)...)
	commit(t, l)
	execute(t, db, "COMMIT")
	if got := blocksIn(t, path, "events"); got != "1" {
		t.Errorf("got blocks %s, want 1", got)
	}
}

// Each case is what is left of nine rows, with a checkpoint after each third, when a pipeline goes on.
func TestRowsThatComeAgainAreRemoved(t *testing.T) {
	tests := []struct {
		name       string
		checkpoint uint64
		rows       []event // that come
		want       string
	}{
		{"from the beginning", 0, nil, ""},
		{"from the beginning, with rows that come", 0, eventsOf(5), "5"},
		{"from the first checkpoint", 1, nil, "9 8 7"},
		{"from the first checkpoint, with rows that come", 1, eventsOf(9, 1), "9 8 7 9 1"},
		{"from the second checkpoint", 2, nil, "9 8 7 7 7 7"},
		{"from the last checkpoint", 3, nil, "9 8 7 7 7 7 1 2 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := newFile(t)
			run(t, path, sdk.Start{}, eventsOf(9, 8, 7)...) // blocks mean nothing
			run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(7, 7, 7)...)
			run(t, path, sdk.Start{Checkpoint: 2}, eventsOf(1, 2, 0)...)
			run(t, path, sdk.Start{Checkpoint: tt.checkpoint}, tt.rows...)
			if got := blocksIn(t, path, "events"); got != tt.want {
				t.Errorf("got blocks %s, want %s", got, tt.want)
			}
		})
	}
}

// A source that never answers costs nobody their rows.
func TestRowsStayUntilTheSourceAnswers(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1, 2, 3)...)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	if err := l.Commit(t.Context(), sdk.Commit{}); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	if got := blocksIn(t, path, "events"); got != "1 2 3" {
		t.Errorf("got blocks %s, want all of them", got)
	}
}

// An event of a source that counts no blocks.
type tick struct{ Price uint64 }

func (tick) TransitType() string { return "test.tick" }

// odd counts its blocks in words.
type odd struct{ BlockNumber string }

func (odd) TransitType() string { return "test.odd" }

func TestRowsThatAreOfNoBlockAreThereOnce(t *testing.T) {
	path := newFile(t)
	start := sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[tick](t, "ticks", "input"), plugintest.WireFrom[odd](t, "odds", "input")}}
	for range 3 {
		l := started(t, newLoader(path), start)
		if start.Checkpoint == 0 {
			load(t, l, 0, tick{1})
			load(t, l, 1, odd{"one"})
			mark(t, l, 1)
			start.Checkpoint = 1
		}
		load(t, l, 0, tick{2})
		load(t, l, 1, odd{"two"}, odd{"three"})
		commit(t, l)
		closed(t, l)
	}
	if got := query(t, path, "SELECT * FROM ticks UNION ALL SELECT * FROM odds"); got != "1|1\n2|2\n1|one\n2|two\n3|three" {
		t.Errorf("got %s, want every row once", got)
	}
}

func TestTablesAreNamedAfterTheirStepUnlessSaidOtherwise(t *testing.T) {
	path := newFile(t)
	steps := []string{`swaps["first"]`, "group", "ticks", "a.b"}
	var inputs []sdk.Input
	for _, name := range steps {
		inputs = append(inputs, plugintest.WireFrom[event](t, name, "input"))
	}
	l := started(t, newLoader(path).with(func(l *loader) { l.Tables = map[string]string{"ticks": "Ticks of today"} }), sdk.Start{Inputs: inputs})
	for i := range steps {
		load(t, l, i, event{BlockNumber: uint64(i)})
	}
	commit(t, l)
	for i, table := range []string{`swaps["first"]`, "group", "Ticks of today", "a.b"} {
		if got := blocksIn(t, path, table); got != string(rune('0'+i)) {
			t.Errorf("table %s: got blocks %s, want %d", table, got, i)
		}
	}
}

func TestInputsCanShareATable(t *testing.T) {
	path := newFile(t)
	start := sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "first", "input"), plugintest.WireFrom[event](t, "second", "input")}}
	for checkpoint := range uint64(3) {
		start.Checkpoint = min(checkpoint, 1)
		l := started(t, newLoader(path).with(func(l *loader) { l.Tables = map[string]string{"first": "Both", "second": "BOTH"} }), start)
		load(t, l, 0, eventsOf(1)...)
		load(t, l, 1, eventsOf(1)...)
		mark(t, l, start.Checkpoint+1)
		load(t, l, 0, eventsOf(2)...)
		commit(t, l)
		closed(t, l)
	}
	if got := query(t, path, "SELECT penstock_row, block_number FROM both"); got != "1|1\n2|1\n3|1\n4|1\n5|2" {
		t.Errorf("got rows %s, want those of two checkpoints and one more", got)
	}
}

// cut has fewer columns than event.
type cut struct {
	Name        string
	BlockNumber uint64
}

func (cut) TransitType() string { return "test.event" }

// turned has those of event in another order.
type turned struct {
	Name        string
	LogIndex    uint64
	BlockNumber uint64
}

func (turned) TransitType() string { return "test.event" }

func TestColumnsMayComeInAnotherOrder(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, event{1, 2, "three"})
	l := started(t, newLoader(path), sdk.Start{Checkpoint: 1, Inputs: []sdk.Input{plugintest.WireFrom[turned](t, "events", "input")}})
	load(t, l, 0, turned{"six", 5, 4})
	commit(t, l)
	if got := query(t, path, "SELECT block_number, log_index, name FROM events"); got != "1|2|three\n4|5|six" {
		t.Errorf("got %s, want 1|2|three and 4|5|six", got)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	p := plugintest.Run(t, register(short))
	tests := map[string]string{
		`{}`:                                    "path: is required",
		`{"path":""}`:                           "path is empty",
		`{"path":"a.db","tables":{"swaps":""}}`: `the table of step "swaps" is named ""`,
		`{"path":"a.db","tables":{"swaps":"SQLite_x"}}`:   "does not begin with sqlite_",
		`{"path":"a.db","tables":{"swaps":"Penstock_x"}}`: "or penstock_",
		`{"path":":memory:"}`:                             "write the name of a file",
		`{"path":"file:a.db?mode=memory"}`:                "write the name of a file",
		`{"path":7}`:                                      "path: ",
		`{"path":"a.db","hex":"yes"}`:                     "hex: ",
		`{"path":"a.db","batch":"x"}`:                     "batch: ",
		`{"path":"a.db","batch":-1}`:                      "batch is -1",
		`{"path":"a.db","bytes":"bytea"}`:                 `bytes is "bytea": write "hex" or "blob"`,
		`{"path":"a.db","uint256":"x"}`:                   `uint256 is "x": write "text" or "blob"`,
		`{"path":"a.db","key":["a","A"]}`:                 `key names "A" twice`,
		`{"path":"a.db","index":[{"columns":[]}]}`:        "index: columns is []",
	}
	for settings, want := range tests {
		got := strings.Join(plugintest.Mistakes(t, p, "sqlite", settings), "; ")
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", settings, got, want)
		}
	}
	if got := plugintest.Mistakes(t, p, "sqlite", `{"path":"a b/ü.db","tables":{"swaps":"s"}}`); len(got) > 0 {
		t.Errorf("settings that are right: got %q", got)
	}
}

func TestNamesOfFilesMeanNothingToSQLite(t *testing.T) {
	for _, name := range []string{"a?mode=ro.db", "b#c.db", "d%20e.db", "f g.db", "ü'\".db", "i&j=k.db"} {
		path := filepath.Join(t.TempDir(), name)
		l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
		load(t, l, 0, eventsOf(1)...)
		commit(t, l)
		closed(t, l)
		if got := filesBeside(t, path); got != name {
			t.Errorf("the file is called %s, want %s", got, name)
		}
	}
}

// The whole conversation with a host: rows, safe points, a checkpoint, a rewind, the end.
func TestARewindLeavesEveryRowOnce(t *testing.T) {
	path := newFile(t)
	p := plugintest.Run(t, register(short))
	s := step(t, path)
	s.Start.From = 1
	s.Start.Inputs = append(s.Start.Inputs, plugintest.WireFrom[swap](t, "swaps", "input"))
	process := plugintest.Open(t, p, s)

	plugintest.Send(process, "events", eventsOf(1, 2)...)
	process.Block("events", 2)
	plugintest.Send(process, "swaps", swap{BlockNumber: 1})
	process.Block("swaps", 2)
	process.Barrier(1)
	process.Until(plugintest.Barrier)
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("after the checkpoint: got blocks %s, want 1 2", got)
	}

	plugintest.Send(process, "events", eventsOf(3, 4)...)
	process.Block("events", 4)
	plugintest.Send(process, "swaps", swap{BlockNumber: 4})
	process.Block("swaps", 4)
	process.Barrier(2)
	process.Until(plugintest.Barrier)
	process.RewindTo(1, &sdk.Cursor{Block: 2}, nil)
	if got := blocksIn(t, path, "events") + "; " + blocksIn(t, path, "swaps"); got != "1 2; 1" {
		t.Errorf("after the rewind: got blocks %s, want 1 2; 1", got)
	}

	plugintest.Send(process, "events", eventsOf(3, 4, 5)...)
	process.End("events")
	process.End("swaps")
	process.Until(plugintest.Ended)
	if got := blocksIn(t, path, "events"); got != "1 2 3 4 5" {
		t.Errorf("at the end: got blocks %s, want 1 2 3 4 5", got)
	}
	if got := filesBeside(t, path); got != "rows.db" {
		t.Errorf("the directory has %s, want rows.db alone", got)
	}
}

// swap is a row as wide as those of uniswap.swap.
type swap struct {
	BlockNumber             uint64
	BlockHash, TxHash       common.Hash
	LogIndex                uint64
	Pair, Sender, Recipient common.Address
	Amount0In, Amount1In    uint64
}

func (swap) TransitType() string { return "test.swap" }
