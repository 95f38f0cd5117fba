package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// event is a narrow row.
type event struct {
	BlockNumber uint64
	LogIndex    uint64
	Name        string
}

func (event) TransitType() string { return "test.event" }

// eventsOf is an event in each of the blocks.
func eventsOf(blocks ...uint64) []event {
	var rows []event
	for _, b := range blocks {
		rows = append(rows, event{BlockNumber: b, Name: "a"})
	}
	return rows
}

// newLoader is a loader that writes what it is given at once.
func newLoader(path string) *loader {
	l := &loader{settings: defaults()}
	l.Path, l.Rows = path, 1
	return l
}

// with is the loader with other settings.
func (l *loader) with(change func(*loader)) *loader {
	change(l)
	return l
}

// started opens a loader and closes it when the test ends, unless it is closed before.
func started(tb testing.TB, l *loader, start sdk.Start) *loader {
	tb.Helper()
	if start.Step == "" {
		start.Step = "sqlite" // as in plugintest
	}
	if err := l.Start(tb.Context(), start); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

func load[T transit.Row](tb testing.TB, l *loader, input int, rows ...T) {
	tb.Helper()
	if err := l.Load(tb.Context(), input, plugintest.Batch(tb, rows...)); err != nil {
		tb.Fatal(err)
	}
}

func commit(tb testing.TB, l *loader) {
	tb.Helper()
	if err := l.Commit(tb.Context(), sdk.Commit{Cursor: &sdk.Cursor{}}); err != nil {
		tb.Fatal(err)
	}
}

// mark takes a checkpoint.
func mark(tb testing.TB, l *loader, checkpoint uint64) {
	tb.Helper()
	if err := l.Commit(tb.Context(), sdk.Commit{Checkpoint: checkpoint, Cursor: &sdk.Cursor{}}); err != nil {
		tb.Fatal(err)
	}
}

func closed(tb testing.TB, l *loader) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
}

// run loads events from start to end, as one run of a pipeline does, which ends with the next checkpoint.
func run(tb testing.TB, path string, start sdk.Start, rows ...event) {
	tb.Helper()
	start.Inputs = []sdk.Input{plugintest.WireFrom[event](tb, "events", "input")}
	l := started(tb, newLoader(path), start)
	if len(rows) > 0 {
		load(tb, l, 0, rows...)
	}
	mark(tb, l, start.Checkpoint+1)
	closed(tb, l)
}

// opened is somebody else's connection to the file.
func opened(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	execute(tb, db, "PRAGMA busy_timeout = 5000") // the last to close the file has it for itself for a moment
	return db
}

func execute(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	if _, err := db.ExecContext(tb.Context(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// query is the answer to a question, a row a line, with | between columns.
func query(tb testing.TB, path, question string) string {
	tb.Helper()
	db := opened(tb, path)
	defer db.Close()
	rows, err := db.QueryContext(tb.Context(), question)
	if err != nil {
		tb.Fatalf("%s: %v", question, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		cells, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			tb.Fatal(err)
		}
		var texts []string
		for _, c := range cells {
			texts = append(texts, c.String)
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// blocksIn are the blocks of a table's rows, in the order they stand.
func blocksIn(tb testing.TB, path, table string) string {
	tb.Helper()
	return strings.ReplaceAll(query(tb, path, "SELECT block_number FROM "+quote(table)+" ORDER BY rowid"), "\n", " ")
}

func newFile(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "rows.db")
}

// filesBeside are the names of all files in the directory of path.
func filesBeside(tb testing.TB, path string) string {
	tb.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// wants fails unless the failure has a class and says all of the words.
func wants(tb testing.TB, failure *plugintest.Failure, class string, words ...string) {
	tb.Helper()
	if failure == nil {
		tb.Fatalf("it did not fail, want %s: %q", class, words)
	}
	if failure.Class != class {
		tb.Errorf("the failure is of class %s, want %s: %s", failure.Class, class, failure.Message)
	}
	for _, word := range words {
		if !strings.Contains(failure.Message, word) {
			tb.Errorf("the failure does not say %q: %s", word, failure.Message)
		}
	}
}

// step is a step that reads events.
func step(tb testing.TB, path string) plugintest.Step {
	tb.Helper()
	return plugintest.Step{
		Register: "sqlite", Settings: map[string]any{"path": path},
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](tb, "events", "input")}},
	}
}

const short = 50 * time.Millisecond
