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

// input is a stream of rows from the step of that name.
func input[T transit.Row](t testing.TB, step string) sdk.Input {
	t.Helper()
	in := plugintest.Wire[T](t, "input")
	in.Name = step
	return in
}

func batchOf[T transit.Row](t testing.TB, rows ...T) transit.Batch {
	t.Helper()
	e, err := transit.NewEncoder[T]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// started opens a loader and closes it when the test ends, unless it is closed before.
func started(t testing.TB, l *loader, start sdk.Start) *loader {
	t.Helper()
	if err := l.Start(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func load[T transit.Row](t testing.TB, l *loader, input int, rows ...T) {
	t.Helper()
	if err := l.Load(t.Context(), input, batchOf(t, rows...)); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, l *loader) {
	t.Helper()
	if err := l.Commit(t.Context(), sdk.Commit{}); err != nil {
		t.Fatal(err)
	}
}

func closed(t testing.TB, l *loader) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// run loads events from start to end, as one run of a pipeline does.
func run(t testing.TB, path string, start sdk.Start, rows ...event) {
	t.Helper()
	start.Inputs = []sdk.Input{input[event](t, "events")}
	l := started(t, &loader{Path: path}, start)
	if len(rows) > 0 {
		load(t, l, 0, rows...)
	}
	commit(t, l)
	closed(t, l)
}

// opened is somebody else's connection to the file.
func opened(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// query is the answer to a question, a row a line, with | between columns.
func query(t testing.TB, path, question string) string {
	t.Helper()
	db := opened(t, path)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), question)
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		cells, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range cells {
			texts = append(texts, c.String)
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// blocksIn are the blocks of a table's rows, in the order they stand.
func blocksIn(t testing.TB, path, table string) string {
	t.Helper()
	return strings.ReplaceAll(query(t, path, "SELECT block_number FROM "+quote(table)+" ORDER BY rowid"), "\n", " ")
}

func newFile(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "rows.db")
}

// filesBeside are the names of all files in the directory of path.
func filesBeside(t testing.TB, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// wants fails unless the failure has a class and says all of the words.
func wants(t testing.TB, failure *plugintest.Failure, class string, words ...string) {
	t.Helper()
	if failure == nil {
		t.Fatalf("it did not fail, want %s: %q", class, words)
	}
	if failure.Class != class {
		t.Errorf("the failure is of class %s, want %s: %s", failure.Class, class, failure.Message)
	}
	for _, word := range words {
		if !strings.Contains(failure.Message, word) {
			t.Errorf("the failure does not say %q: %s", word, failure.Message)
		}
	}
}

// step is a step that reads events.
func step(t testing.TB, path string) plugintest.Step {
	t.Helper()
	return plugintest.Step{
		Register: "sqlite", Settings: map[string]any{"path": path},
		Start: sdk.Start{Inputs: []sdk.Input{input[event](t, "events")}},
	}
}

const short = 50 * time.Millisecond
