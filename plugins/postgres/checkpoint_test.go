package main

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// begun is a step of a domain that goes on from a checkpoint.
func begun(tb testing.TB, dsn, domain, name string, checkpoint uint64) plugintest.Step {
	tb.Helper()
	return plugintest.Step{
		Register: "postgres", Settings: map[string]any{"dsn": dsn},
		Start: sdk.Start{Domain: domain, Step: name, Generation: 10, Checkpoint: checkpoint, Inputs: []sdk.Input{plugintest.WireFrom[event](tb, "events", "input")}},
	}
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
	dsn := s.Settings.(map[string]any)["dsn"].(string)
	before := everythingIn(t, dsn)
	_, failure := plugintest.TryOpen(t, p, s)
	wants(t, failure, "stop", words...)
	if after := everythingIn(t, dsn); after != before {
		t.Errorf("what is refused has changed the database:\n%s\nbefore:\n%s", after, before)
	}
}

// everythingIn is what stands in a database: its definitions, rows and books.
func everythingIn(t *testing.T, dsn string) string {
	t.Helper()
	all := query(t, dsn, "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position")
	tables := query(t, dsn, "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname")
	for table := range strings.SplitSeq(tables, "\n") {
		if table != "" {
			all += "\n" + query(t, dsn, "SELECT t::text FROM "+table+" t ORDER BY 1")
		}
	}
	return all
}

func TestCheckpointsThatTheDatabaseDoesNotHave(t *testing.T) {
	p := plugintest.Run(t, register(quick()))
	dsn := newDatabase(t)
	_, failure := plugintest.TryOpen(t, p, begun(t, dsn, "pairs", "store", 7))
	wants(t, failure, "stop", "127.0.0.1", `step "store" of "pairs"`, "checkpoint 7", "it has none of it", "--fresh", "put back the database")

	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(1)...)
	done(t, p, begun(t, dsn, "pairs", "store", 1), eventsOf(2)...)
	refused(t, p, begun(t, dsn, "pairs", "store", 3), "the newest it has is 2", "restored from an older copy")
	refused(t, p, begun(t, dsn, "pairs", "other", 2), "it has none of it")
	refused(t, p, begun(t, dsn, "other", "store", 2), "it has none of it")

	process := plugintest.Open(t, p, begun(t, dsn, "pairs", "store", 2))
	process.Final(2)
	process.Barrier(3)
	process.Until(plugintest.Barrier)
	process.HangUp()
	refused(t, p, begun(t, dsn, "pairs", "store", 1), "checkpoint 1", "the newest it has is 3")
	if got := query(t, dsn, "SELECT checkpoint FROM penstock_checkpoints ORDER BY 1"); got != "2\n3" {
		t.Errorf("after checkpoint 2 is final, checkpoints %q are kept, want 2 and 3", got)
	}
	done(t, p, begun(t, dsn, "pairs", "store", 2))
	if got := blocksIn(t, dsn, "events"); got != "1 2" {
		t.Errorf("got blocks %s, want 1 2", got)
	}
}

func TestTablesHaveOneWriter(t *testing.T) {
	p := plugintest.Run(t, register(quick()))
	dsn := newDatabase(t)
	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(1)...)
	other := begun(t, dsn, "swaps", "database", 0)
	refused(t, p, other, `table "public"."events" belongs to step "store" of "pairs"`, `this is step "database" of "swaps"`, `tables = { "events" = "another" }`, "drop the table")
	other.Settings = map[string]any{"dsn": dsn, "tables": map[string]string{"events": "Others"}}
	done(t, p, other, eventsOf(5)...)
	other.Settings = map[string]any{"dsn": dsn, "schema": "third schema", "table": "select"}
	done(t, p, other, eventsOf(6)...)
	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(2)...) // anew
	got := blocksIn(t, dsn, "events") + "; " + blocksIn(t, dsn, `"Others"`) + "; " + blocksIn(t, dsn, `"third schema"."select"`)
	if got != "2; 5; 6" {
		t.Errorf("got blocks %s, want 2; 5; 6: a step removes its own rows only", got)
	}
	execute(t, dsn, "DROP TABLE events") // as the message says
	done(t, p, begun(t, dsn, "swaps", "third", 0), eventsOf(6)...)
	refused(t, p, begun(t, dsn, "pairs", "store", 1), `"events"`, `belongs to step "third" of "swaps"`)
}

func TestTablesThatAreGone(t *testing.T) {
	p := plugintest.Run(t, register(quick()))
	dsn := newDatabase(t)
	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(1, 2)...)
	execute(t, dsn, "DROP TABLE events")
	refused(t, p, begun(t, dsn, "pairs", "store", 1), `table "public"."events" had 2 rows`, "is gone", "--fresh")
	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(1, 2)...)
	if got := blocksIn(t, dsn, "events"); got != "1 2" {
		t.Errorf("begun anew: got blocks %s, want 1 2", got)
	}
}

func TestAnotherChainIsRefused(t *testing.T) {
	p := plugintest.Run(t, register(quick()))
	dsn := newDatabase(t)
	on := func(name string, chain, checkpoint uint64) plugintest.Step {
		s := begun(t, dsn, "pairs", "store", checkpoint)
		s.Start.Network = sdk.Network{Name: name, ChainID: chain}
		return s
	}
	done(t, p, on("typo", 5, 0)) // which leaves no rows
	done(t, p, on("mainnet", 1, 0), eventsOf(1)...)
	words := []string{"(events)", "filled from chain 1 (mainnet)", "reads chain 11155111 (sepolia)", "another schema"}
	refused(t, p, on("sepolia", 11155111, 0), words...)
	refused(t, p, on("sepolia", 11155111, 1), words...)

	process := plugintest.Open(t, p, on("sepolia", 0, 0)) // whatever the endpoint says
	plugintest.Send(process, "events", eventsOf(7)...)
	process.SafePoint("events", sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 11155111, Block: 7}})
	wants(t, process.Expect(plugintest.Failed).Failure, "stop", words...)
	if got := blocksIn(t, dsn, "events"); got != "1" {
		t.Errorf("got blocks %s, want 1: the rows of one chain are not removed for those of another", got)
	}
	done(t, p, on("anything", 0, 1), eventsOf(2)...)
	execute(t, dsn, "DROP TABLE events") // as the message says
	done(t, p, on("sepolia", 11155111, 0), eventsOf(9)...)
	refused(t, p, on("mainnet", 1, 1), "filled from chain 11155111 (sepolia)")
}

func TestAnOlderGenerationIsRefused(t *testing.T) {
	p := plugintest.Run(t, register(quick()))
	dsn := newDatabase(t)
	done(t, p, begun(t, dsn, "pairs", "store", 0), eventsOf(1)...)
	old := begun(t, dsn, "pairs", "store", 0)
	old.Start.Generation = 9
	refused(t, p, old, "generation 10", "generation 9, which is older", "data directory", "drop the tables events")
	execute(t, dsn, "DROP TABLE events") // as the message says
	done(t, p, old, eventsOf(3)...)
	if got := blocksIn(t, dsn, "events"); got != "3" {
		t.Errorf("got blocks %s, want 3", got)
	}
}

// A pipeline that begins at the head does not read old blocks again: where its host has lost what it remembered, their rows stay unless
// somebody wants them gone.
func TestRowsThatWillNotComeAgainAreSpared(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	start.FromLatest = true
	l := started(t, with(dsn, nil), start)
	for k := range uint64(3) {
		load(t, l, 0, eventsOf(100+k)...)
		mark(t, l, k+1)
	}
	closed(t, l)
	start.Generation = 2
	_, err := tried(t, with(dsn, nil), start)
	says(t, err, "would be removed and not come again", "--fresh")
	if got := blocksIn(t, dsn, "events"); got != "100 101 102" {
		t.Errorf("got blocks %s, want all three", got)
	}
	start.Fresh = true
	l = started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(200)...)
	mark(t, l, 1)
	if got := blocksIn(t, dsn, "events"); got != "200" {
		t.Errorf("begun anew: got blocks %s, want 200", got)
	}
}

// An endpoint that does not answer costs nobody their rows.
func TestRowsStayUntilOthersCome(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	l := started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(1, 2)...)
	mark(t, l, 1)
	l = started(t, with(dsn, nil), start) // anew
	if err := l.Commit(t.Context(), sdk.Commit{}); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	if got := blocksIn(t, dsn, "events"); got != "1 2" {
		t.Errorf("got blocks %s, want 1 2", got)
	}
	reader := connected(t, dsn) // whom a table that is emptied at once would have to wait for
	for _, statement := range []string{"BEGIN", "SELECT * FROM events"} {
		if _, err := reader.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	l = started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(7)...)
	mark(t, l, 1)
	if got := blocksIn(t, dsn, "events"); got != "7" {
		t.Errorf("got blocks %s, want 7", got)
	}
}

func TestRowsAreSeenAfterTheCommit(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, func(s *settings) { s.Batch = 1 }), eventsStart(t))
	load(t, l, 0, eventsOf(1, 2)...)
	load(t, l, 0, eventsOf(3)...)
	if got := blocksIn(t, dsn, "events"); got != "" {
		t.Errorf("before the commit: got blocks %s, want none", got)
	}
	mark(t, l, 0)
	if got := blocksIn(t, dsn, "events"); got != "1 2 3" {
		t.Errorf("after the commit: got blocks %s, want 1 2 3", got)
	}
	load(t, l, 0, eventsOf(4)...)
	mark(t, l, 0)
	mark(t, l, 0) // of nothing
	if got := blocksIn(t, dsn, "events"); got != "1 2 3 4" {
		t.Errorf("after the second commit: got blocks %s, want 1 2 3 4", got)
	}
}

// Rows wait for no more than they may.
func TestRowsAreSentWhenItIsTime(t *testing.T) {
	for name, change := range map[string]func(s *settings){
		"enough of them": func(s *settings) { s.Batch = 3 },
		"large enough":   func(s *settings) { s.BatchBytes = 80 },
		"long enough":    func(s *settings) { s.Flush = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			l := started(t, with(newDatabase(t), change), eventsStart(t))
			load(t, l, 0, eventsOf(1, 2)...)
			load(t, l, 0, eventsOf(3)...)
			if l.flight == nil {
				t.Error("nothing is on its way")
			}
		})
	}
	l := started(t, with(newDatabase(t), func(s *settings) { s.Flush = 1 << 40 }), eventsStart(t))
	load(t, l, 0, eventsOf(1, 2, 3)...)
	if l.flight != nil {
		t.Error("three rows are on their way, and a batch has 1000")
	}
}

// A table takes the rows of several steps, if they fit.
func TestTwoStepsOneTable(t *testing.T) {
	dsn := newDatabase(t)
	s := with(dsn, func(s *settings) { s.Tables = map[string]string{"a": "all", "b": "all"} })
	start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[event](t, "a", "input"), plugintest.WireFrom[event](t, "b", "input")}}
	l := started(t, s, start)
	for n := range uint64(6) {
		load(t, l, int(n%2), eventsOf(n)...)
	}
	mark(t, l, 1)
	load(t, l, 0, eventsOf(9)...)
	mark(t, l, 2)
	start.Checkpoint = 1
	started(t, s, start)
	if got, want := blocksIn(t, dsn, `"all"`), "0 1 2 3 4 5"; got != want {
		t.Errorf("got blocks %s, want %s", got, want)
	}
}
