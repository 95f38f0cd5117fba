package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// write puts text into a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatCannotBeDatabases(t *testing.T) {
	p := plugintest.Run(t, register(short))
	tests := []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want []string
	}{
		{"in no directory", func(_ *testing.T, dir string) string { return filepath.Join(dir, "a", "rows.db") }, []string{"there is no directory", "make it"}},
		{"in a file", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "a"), "")
			return filepath.Join(dir, "a", "rows.db")
		}, []string{"/a", "change path"}},
		{"a directory", func(_ *testing.T, dir string) string { return dir }, []string{"it is a directory, not a file"}},
		{"a text", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "rows.db"), strings.Repeat("no database\n", 100))
			return filepath.Join(dir, "rows.db")
		}, []string{"not a database", "move it away"}},
		{"a link that leads nowhere", func(t *testing.T, dir string) string {
			t.Helper()
			if err := os.Symlink(filepath.Join(dir, "gone", "x"), filepath.Join(dir, "rows.db")); err != nil {
				t.Skip(err)
			}
			return filepath.Join(dir, "rows.db")
		}, []string{"unable to open", "can be written to"}},
		{"damaged", func(t *testing.T, dir string) string {
			t.Helper()
			path := filepath.Join(dir, "rows.db")
			run(t, path, sdk.Start{}, eventsOf(1, 2, 3)...)
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt([]byte(strings.Repeat("\xff", 3000)), 110); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"malformed", "restore it from a copy"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.make(t, t.TempDir())
			_, failure := plugintest.TryOpen(t, p, step(t, path))
			wants(t, failure, "stop", append(tt.want, path)...)
		})
	}
}

func TestAnEmptyFileBecomesADatabase(t *testing.T) {
	path := newFile(t)
	write(t, path, "")
	run(t, path, sdk.Start{}, eventsOf(1)...)
	if got := blocksIn(t, path, "events"); got != "1" {
		t.Errorf("got blocks %s, want 1", got)
	}
}

func TestTablesThatDoNotFit(t *testing.T) {
	const unnumbered = "it was made without penstock_row, by another program or a version of this plugin that did not number rows: rename or drop it"
	tests := []struct {
		name, table string
		want        []string
	}{
		{
			"a column too many that must have a value", "CREATE TABLE events (penstock_row INTEGER PRIMARY KEY, block_number INTEGER NOT NULL, name TEXT NOT NULL, log_index INTEGER NOT NULL, note TEXT NOT NULL)",
			[]string{"column note must have a value", "note          TEXT NOT NULL     -  <- must have a value"},
		},
		{
			"another type", "CREATE TABLE Events (penstock_row INTEGER PRIMARY KEY, block_number TEXT, name TEXT NOT NULL, log_index INTEGER NOT NULL)",
			[]string{"column block_number is TEXT there and INTEGER NOT NULL in the rows", "column        in the table      in the rows", "block_number  TEXT              INTEGER NOT NULL  <- differs", "log_index     INTEGER NOT NULL  INTEGER NOT NULL"},
		},
		{"of a version that did not number rows", "CREATE TABLE events (block_number INTEGER NOT NULL, log_index INTEGER NOT NULL, name TEXT NOT NULL)", []string{unnumbered}},
		{"with another key", "CREATE TABLE events (penstock_row INTEGER, block_number INTEGER NOT NULL PRIMARY KEY, log_index INTEGER NOT NULL, name TEXT NOT NULL)", []string{unnumbered}},
		{"a view", "CREATE VIEW events AS SELECT 1 AS block_number", []string{unnumbered}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := newFile(t)
			execute(t, opened(t, path), tt.table)
			_, failure := plugintest.TryOpen(t, plugintest.Run(t, register(short)), step(t, path))
			wants(t, failure, "stop", append(tt.want, path, "does not fit the rows", "step events (test.event)", `tables = { "events" = "another" }`)...)
		})
	}
}

func TestInputsWithOtherColumnsCannotShareATable(t *testing.T) {
	path := newFile(t)
	s := step(t, path)
	s.Settings = map[string]any{"path": path, "tables": map[string]string{"less": "Events"}}
	s.Start.Inputs = append(s.Start.Inputs, plugintest.WireFrom[cut](t, "less", "input"))
	_, failure := plugintest.TryOpen(t, plugintest.Run(t, register(short)), s)
	wants(t, failure, "stop", "the rows of step less (test.event)", "table events does not fit the rows", "log_index     INTEGER NOT NULL  -  <- must have a value")
	if got := query(t, path, "SELECT count(*) FROM sqlite_master"); got != "0" {
		t.Errorf("%s tables and indexes were made, want 0: what does not fit changes nothing", got)
	}
}

func TestStepsThatTheLoaderDoesNotRead(t *testing.T) {
	s := step(t, newFile(t))
	s.Settings = map[string]any{"path": newFile(t), "tables": map[string]string{"event": "e"}}
	_, failure := plugintest.TryOpen(t, plugintest.Run(t, register(short)), s)
	wants(t, failure, "stop", `names the step "event"`, "it reads events")
}

func TestRulesOfTheTableStopThePath(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{})
	execute(t, opened(t, path), "CREATE UNIQUE INDEX once ON events (name)")
	process := plugintest.Open(t, plugintest.Run(t, register(short)), step(t, path))
	plugintest.Send(process, "events", eventsOf(1, 2)...)
	process.Barrier(1)
	wants(t, process.Expect(plugintest.Failed).Failure, "stop", path, "table events", "events.name", "drop the rule")
}

func TestAFullDatabaseIsTriedAgain(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	load(t, l, 0, eventsOf(1)...)
	mark(t, l, 1)
	if err := l.db.exec(t.Context(), "PRAGMA max_page_count = 12"); err != nil {
		t.Fatal(err)
	}
	rows := make([]event, 10_000)
	for i := range rows {
		rows[i] = event{BlockNumber: 2, Name: "much of the same"}
	}
	err := l.Load(t.Context(), 0, plugintest.Batch(t, rows...))
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "make room") {
		t.Errorf("got %v, want an error that names the file and says to make room", err)
	}
	closed(t, l)
	if got := blocksIn(t, path, "events") + "; " + filesBeside(t, path); got != "1; rows.db" {
		t.Errorf("got %s, want 1; rows.db", got)
	}
	run(t, path, sdk.Start{Checkpoint: 1}, rows...)
	if got := query(t, path, "SELECT count(*) FROM events"); got != "10001" {
		t.Errorf("with room again: got %s rows, want 10001", got)
	}
}

func TestAnotherWriterIsNamed(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{})
	p := plugintest.Run(t, register(short))
	process := plugintest.Open(t, p, step(t, path))
	db := opened(t, path)
	execute(t, db, "BEGIN IMMEDIATE")
	_, failure := plugintest.TryOpen(t, p, step(t, path))
	wants(t, failure, "retry", path, "another program", short.String(), "change path")

	plugintest.Send(process, "events", eventsOf(1)...)
	process.Barrier(1)
	wants(t, process.Expect(plugintest.Failed).Failure, "retry", path, "another program")
}

func TestTheLoaderWaitsForAnotherWriter(t *testing.T) {
	path := newFile(t)
	run(t, path, sdk.Start{}, eventsOf(1)...)
	l := started(t, newLoader(path).with(func(l *loader) { l.patience = time.Minute }), sdk.Start{Checkpoint: 1, Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	db := opened(t, path)
	execute(t, db, "BEGIN IMMEDIATE")

	result := make(chan error, 1)
	batch := plugintest.Batch(t, eventsOf(2)...)
	go func() { result <- l.Load(t.Context(), 0, batch) }()
	select {
	case err := <-result:
		t.Fatalf("the loader did not wait: %v", err)
	case <-time.After(short):
	}
	execute(t, db, "COMMIT")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	commit(t, l)
	if got := blocksIn(t, path, "events"); got != "1 2" {
		t.Errorf("got blocks %s, want 1 2", got)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path).with(func(l *loader) { l.patience = time.Hour }), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	execute(t, opened(t, path), "BEGIN IMMEDIATE")
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	if err := l.Load(ctx, 0, plugintest.Batch(t, eventsOf(2)...)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestALongBatchEndsWithTheContext(t *testing.T) {
	l := started(t, newLoader(newFile(t)), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	load(t, l, 0, eventsOf(1)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Load(ctx, 0, plugintest.Batch(t, eventsOf(2)...)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestManyLoadersOfOneFile(t *testing.T) {
	path := newFile(t)
	p := plugintest.Run(t, register(time.Minute))
	processes := map[string]*plugintest.Process{}
	for _, name := range []string{"a", "b", "c"} {
		s := step(t, path)
		s.Start.Step, s.Start.Inputs = name, []sdk.Input{plugintest.WireFrom[event](t, name, "input")}
		processes[name] = plugintest.Open(t, p, s)
	}
	for name, process := range processes {
		for block := range uint64(20) {
			plugintest.Send(process, name, eventsOf(block)...)
			process.Block(name, block)
		}
		process.End(name)
	}
	for name, process := range processes {
		process.Until(plugintest.Ended)
		if got := query(t, path, "SELECT count(*) FROM "+name); got != "20" {
			t.Errorf("table %s: got %s rows, want 20", name, got)
		}
	}
	if got := filesBeside(t, path); got != "rows.db" {
		t.Errorf("the directory has %s, want rows.db alone", got)
	}
}

func TestCloseAfterAStartThatFailed(t *testing.T) {
	dir := t.TempDir()
	l := newLoader(filepath.Join(dir, "none", "rows.db"))
	if err := l.Start(t.Context(), sdk.Start{}); err == nil {
		t.Fatal("it started")
	}
	closed(t, l)
	closed(t, &loader{})
	write(t, filepath.Join(dir, "text"), strings.Repeat("text", 1000))
	l = newLoader(filepath.Join(dir, "text"))
	if err := l.Start(t.Context(), sdk.Start{}); err == nil {
		t.Fatal("it started")
	}
	closed(t, l)
}
