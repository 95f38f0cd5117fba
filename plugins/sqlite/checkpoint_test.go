package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// numbered are the rows of a table by the number in their name. Their own numbers have to be 1, 2, 3 and so on.
func numbered(t *testing.T, path, table string) []string {
	t.Helper()
	if query(t, path, fmt.Sprintf("SELECT count(*) FROM sqlite_master WHERE name = '%s'", table)) == "0" {
		return nil
	}
	var names []string
	for i, line := range strings.Split(query(t, path, "SELECT penstock_row, name FROM "+quote(table)+" ORDER BY penstock_row"), "\n") {
		if line == "" {
			continue
		}
		number, name, _ := strings.Cut(line, "|")
		if number != strconv.Itoa(i+1) {
			t.Fatalf("table %s: row %d has the number %s", table, i+1, number)
		}
		names = append(names, name)
	}
	return names
}

func TestEveryRowIsThereOnce(t *testing.T) {
	for name, inputs := range map[string][]string{"one table": {"rows"}, "three tables": {"a", "b", "c"}} {
		t.Run(name, func(t *testing.T) {
			plugintest.Contract[event]{
				Register: register(short),
				Row: func(n int) (event, string) {
					return event{BlockNumber: uint64(n / 7), Name: strconv.Itoa(n)}, strconv.Itoa(n)
				},
				Store: func(plugintest.TB) plugintest.Store {
					path := newFile(t)
					return plugintest.Store{
						Settings: map[string]any{"path": path},
						Rows:     func(input string) []string { return numbered(t, path, input) },
					}
				},
				Inputs: inputs,
			}.Check(t)
		})
	}
}

// begun is a step of a domain that goes on from a checkpoint.
func begun(tb testing.TB, path, domain, name string, checkpoint uint64) plugintest.Step {
	tb.Helper()
	s := step(tb, path)
	s.Start.Domain, s.Start.Step, s.Start.Checkpoint = domain, name, checkpoint
	s.Start.Generation = 10
	return s
}

// done opens a step, sends rows, takes the next checkpoint and ends.
func done(t *testing.T, p *plugintest.Plugin, s plugintest.Step, rows ...event) {
	t.Helper()
	process := plugintest.Open(t, p, s)
	if len(rows) > 0 {
		plugintest.Send(process, "events", rows...)
	}
	process.SafePoint("events", sdk.SafePoint{Cursor: sdk.Cursor{ChainID: s.Start.Network.ChainID, Block: 1}})
	process.Barrier(s.Start.Checkpoint + 1)
	process.Until(plugintest.Barrier)
	process.HangUp()
}

func refused(t *testing.T, p *plugintest.Plugin, s plugintest.Step, words ...string) {
	t.Helper()
	before := everythingIn(t, s.Settings.(map[string]any)["path"].(string))
	_, failure := plugintest.TryOpen(t, p, s)
	wants(t, failure, "stop", words...)
	if after := everythingIn(t, s.Settings.(map[string]any)["path"].(string)); after != before {
		t.Errorf("what is refused has changed the file:\n%s\nbefore:\n%s", after, before)
	}
}

// everythingIn is what stands in a file: its definitions and the books.
func everythingIn(t *testing.T, path string) string {
	t.Helper()
	all := query(t, path, "SELECT sql FROM sqlite_master")
	for table := range strings.SplitSeq(query(t, path, "SELECT name FROM sqlite_master WHERE type = 'table'"), "\n") {
		if table != "" {
			all += "\n" + query(t, path, "SELECT * FROM "+quote(table))
		}
	}
	return all
}

func TestCheckpointsThatTheFileDoesNotHave(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	refused(t, p, begun(t, path, "pairs", "store", 7), path, `step "store" of "pairs"`, "checkpoint 7", "it has none of it", "--fresh", "put back the file")

	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(1)...)
	done(t, p, begun(t, path, "pairs", "store", 1), eventsOf(2)...)
	refused(t, p, begun(t, path, "pairs", "store", 3), "the newest it has is 2", "restored from an older copy")
	refused(t, p, begun(t, path, "pairs", "other", 2), "it has none of it")
	refused(t, p, begun(t, path, "other", "store", 2), "it has none of it")

	process := plugintest.Open(t, p, begun(t, path, "pairs", "store", 2))
	process.Final(2)
	process.Barrier(3)
	process.Until(plugintest.Barrier)
	process.HangUp()
	refused(t, p, begun(t, path, "pairs", "store", 1), "checkpoint 1", "the newest it has is 3")
	if got := query(t, path, "SELECT checkpoint FROM penstock_checkpoints"); got != "2\n3" {
		t.Errorf("after checkpoint 2 is final, checkpoints %q are kept, want 2 and 3", got)
	}
	done(t, p, begun(t, path, "pairs", "store", 2))
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("got blocks %s, want 1 2", got)
	}
}

func TestTablesHaveOneWriter(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(1)...)
	other := begun(t, path, "swaps", "database", 0)
	refused(t, p, other, path, `table events belongs to step "store" of "pairs"`, `this is step "database" of "swaps"`, `tables = { "events" = "another" }`, "drop the table")

	other.Settings = map[string]any{"path": path, "tables": map[string]string{"events": "others"}}
	done(t, p, other, eventsOf(5)...)
	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(2)...) // anew
	if got := blocksIn(t, path, "events") + "; " + blocksIn(t, path, "others"); got != "2; 5" {
		t.Errorf("got blocks %s, want 2; 5: a step removes its own rows only", got)
	}

	execute(t, opened(t, path), "DROP TABLE events") // as the message says
	done(t, p, begun(t, path, "swaps", "third", 0), eventsOf(6)...)
	refused(t, p, begun(t, path, "pairs", "store", 1), "table events", `belongs to step "third" of "swaps"`)
}

func TestTablesThatAreGone(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(1, 2)...)
	execute(t, opened(t, path), "DROP TABLE events")
	refused(t, p, begun(t, path, "pairs", "store", 1), path, "table events had 2 rows", "is gone", "--fresh")
	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(1, 2)...)
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("begun anew: got blocks %s, want 1 2", got)
	}
}

func TestTablesThatNobodyKnowsOf(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1)...)
	db := opened(t, path)
	for _, table := range []string{"steps", "tables", "checkpoints"} {
		execute(t, db, "DROP TABLE penstock_"+table)
	}
	refused(t, p, step(t, path), path, "table events has rows", "rename or drop it")
	execute(t, db, "DELETE FROM events")
	done(t, p, step(t, path), eventsOf(3)...)
	if got := blocksIn(t, path, "events"); got != "3" {
		t.Errorf("got blocks %s, want 3", got)
	}
}

func TestAnotherChainIsRefused(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	on := func(name string, chain, checkpoint uint64) plugintest.Step {
		s := begun(t, path, "pairs", "store", checkpoint)
		s.Start.Network = sdk.Network{Name: name, ChainID: chain}
		return s
	}
	done(t, p, on("typo", 5, 0)) // which leaves no rows
	done(t, p, on("mainnet", 1, 0), eventsOf(1)...)
	words := []string{path, "(events)", "filled from chain 1 (mainnet)", "reads chain 11155111 (sepolia)", "another path"}
	refused(t, p, on("sepolia", 11155111, 0), words...)
	refused(t, p, on("sepolia", 11155111, 1), words...)

	process := plugintest.Open(t, p, on("sepolia", 0, 0)) // whatever the endpoint says
	plugintest.Send(process, "events", eventsOf(7)...)
	process.SafePoint("events", sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 11155111, Block: 7}})
	wants(t, process.Expect(plugintest.Failed).Failure, "stop", words...)
	if got := blocksIn(t, path, "events"); got != "1" {
		t.Errorf("got blocks %s, want 1: the rows of one chain are not removed for those of another", got)
	}

	done(t, p, on("anything", 0, 1), eventsOf(2)...)
	execute(t, opened(t, path), "DROP TABLE events") // as the message says
	done(t, p, on("sepolia", 11155111, 0), eventsOf(9)...)
	refused(t, p, on("mainnet", 1, 1), "filled from chain 11155111 (sepolia)")
}

func TestAnOlderGenerationIsRefused(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := newFile(t)
	done(t, p, begun(t, path, "pairs", "store", 0), eventsOf(1)...)
	old := begun(t, path, "pairs", "store", 0)
	old.Start.Generation = 9
	refused(t, p, old, path, "generation 10", "generation 9, which is older", "data directory", "drop the tables events")
	execute(t, opened(t, path), "DROP TABLE events") // as the message says
	done(t, p, old, eventsOf(3)...)
	if got := blocksIn(t, path, "events"); got != "3" {
		t.Errorf("got blocks %s, want 3", got)
	}
}

// Two copies of a data directory count the same generations.
func TestTheLastOneToOpenAStepWrites(t *testing.T) {
	path := newFile(t)
	start := sdk.Start{Domain: "pairs", Step: "store", Generation: 4, Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}}
	first := started(t, newLoader(path), start)
	load(t, first, 0, eventsOf(1)...)
	mark(t, first, 1)
	start.Checkpoint = 1
	second := started(t, newLoader(path), start)
	if err := first.Commit(t.Context(), sdk.Commit{Checkpoint: 2}); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("the first one's checkpoint: got %v, want a refusal", err)
	}
	for range 2 { // it stays so
		if err := first.Load(t.Context(), 0, plugintest.Batch(t, eventsOf(2)...)); err == nil || !strings.Contains(err.Error(), "out of date") {
			t.Errorf("the first one's rows: got %v, want a refusal", err)
		}
	}
	load(t, second, 0, eventsOf(3)...)
	mark(t, second, 2)
	if got := blocksIn(t, path, "events"); got != "1 3" {
		t.Errorf("got blocks %s, want 1 3", got)
	}
}

// A process that begins anew has not removed the rows of the one before yet, and yet is the one that writes.
func TestWhoBeginsAnewKeepsOthersOut(t *testing.T) {
	path := newFile(t)
	start := sdk.Start{Step: "store", Generation: 1, Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}}
	first := started(t, newLoader(path), start)
	load(t, first, 0, eventsOf(1, 2)...)
	mark(t, first, 1)
	start.Generation = 2
	second := started(t, newLoader(path), start)
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("before the source has answered: got blocks %s, want 1 2", got)
	}
	if err := first.Load(t.Context(), 0, plugintest.Batch(t, eventsOf(3)...)); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("got %v, want a refusal", err)
	}
	third := started(t, newLoader(path), start) // while the second waits
	if err := second.Commit(t.Context(), sdk.Commit{Cursor: &sdk.Cursor{}}); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("got %v, want a refusal", err)
	}
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("after the refusal: got blocks %s, want 1 2", got)
	}
	mark(t, third, 1)
	if got := blocksIn(t, path, "events"); got != "" {
		t.Errorf("after the first checkpoint: got blocks %s, want none", got)
	}
}

func TestTablesThatAreNotReadAnyMore(t *testing.T) {
	path := newFile(t)
	both := sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input"), plugintest.WireFrom[tick](t, "ticks", "input")}}
	l := started(t, newLoader(path), both)
	load(t, l, 0, eventsOf(1)...)
	load(t, l, 1, tick{1})
	mark(t, l, 1)
	load(t, l, 1, tick{2})
	mark(t, l, 2)
	closed(t, l)

	run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(2)...)
	run(t, path, sdk.Start{Checkpoint: 2}, eventsOf(3)...)
	if got := query(t, path, "SELECT price FROM ticks"); got != "1" {
		t.Errorf("got ticks %q, want those of checkpoint 1", got)
	}
	both.Checkpoint = 3
	l = started(t, newLoader(path), both)
	load(t, l, 1, tick{3})
	mark(t, l, 4)
	closed(t, l)
	if got := query(t, path, "SELECT penstock_row, price FROM ticks"); got != "1|1\n2|3" {
		t.Errorf("got ticks %q, want the numbers to go on", got)
	}

	run(t, path, sdk.Start{}, eventsOf(9)...)
	if got := blocksIn(t, path, "events") + "; " + query(t, path, "SELECT count(*) FROM ticks"); got != "9; 0" {
		t.Errorf("begun anew: got blocks and ticks %s, want 9; 0", got)
	}
	if got := query(t, path, "SELECT name FROM penstock_checkpoints UNION ALL SELECT name FROM penstock_tables"); got != "events\nevents" {
		t.Errorf("begun anew: the file keeps account of %q, want events alone", got)
	}
	start := sdk.Start{Step: "other", Inputs: both.Inputs[1:]}
	started(t, newLoader(path), start) // which may have the table
}

func TestRowsThatUsersRemoveAreNotMissed(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1, 2, 3)...)
	run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(4, 5)...)
	execute(t, opened(t, path), "DELETE FROM events WHERE block_number IN (1, 3, 5)")
	run(t, path, sdk.Start{Checkpoint: 2}, eventsOf(6)...)
	want := "2|2\n4|4\n6|6"
	if got := query(t, path, "SELECT penstock_row, block_number FROM events"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(4)...)
	want = "2|2\n4|4"
	if got := query(t, path, "SELECT penstock_row, block_number FROM events"); got != want {
		t.Errorf("from the checkpoint before: got %q, want %q", got, want)
	}
}

func TestRowsThatUsersAddStopThePath(t *testing.T) {
	path := newFile(t)
	p := plugintest.Run(t, register(short))
	done(t, p, step(t, path), eventsOf(1)...)
	s := step(t, path)
	s.Start.Checkpoint = 1
	process := plugintest.Open(t, p, s)
	execute(t, opened(t, path), "INSERT INTO events VALUES (NULL, 1, 1, 'mine')")
	plugintest.Send(process, "events", eventsOf(2)...)
	process.Barrier(2)
	wants(t, process.Expect(plugintest.Failed).Failure, "stop", path, "table events", "another program has added rows", "a table of its own")
}

func TestNumbersOutliveVacuum(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1, 2, 3, 4)...)
	run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(5, 6)...)
	db := opened(t, path)
	execute(t, db, "DELETE FROM events WHERE block_number < 4")
	execute(t, db, "VACUUM")
	run(t, path, sdk.Start{Checkpoint: 1}, eventsOf(7)...)
	if got := query(t, path, "SELECT penstock_row, block_number FROM events"); got != "4|4\n5|7" {
		t.Errorf("got %q, want 4|4 and 5|7", got)
	}
}

// clash has a column with the name of the loader's own.
type clash struct{ PenstockRow uint64 }

func (clash) TransitType() string { return "test.clash" }

func TestNamesThatAreTaken(t *testing.T) {
	p := plugintest.Run(t, register(short))
	path := filepath.Join(t.TempDir(), "none.db")
	s := step(t, path)
	s.Start.Inputs = []sdk.Input{plugintest.WireFrom[event](t, "penstock_steps", "input")}
	_, failure := plugintest.TryOpen(t, p, s)
	wants(t, failure, "stop", `"penstock_steps"`, `tables = { "penstock_steps" = "another" }`)
	s.Start.Inputs = []sdk.Input{plugintest.WireFrom[clash](t, "events", "input")}
	_, failure = plugintest.TryOpen(t, p, s)
	wants(t, failure, "stop", `step "events" (test.clash)`, "column penstock_row", "rename the column")
}
