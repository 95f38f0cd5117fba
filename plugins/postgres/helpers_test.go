package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// running is the server of all tests here, which is started by the first that needs it.
var running = sync.OnceValues(func() (*server.Server, error) { return server.Start(context.Background()) })

func TestMain(m *testing.M) {
	plugintest.ServeSpawned(register(patient()))
	code := m.Run()
	if asked {
		if s, err := running(); err == nil {
			if err := s.Close(); err != nil {
				fmt.Println(err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

var asked bool // for a server

func serverOf(tb testing.TB) *server.Server {
	tb.Helper()
	asked = true
	s, err := running()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// newDatabase is the URL of an empty database.
func newDatabase(tb testing.TB) string {
	tb.Helper()
	s := serverOf(tb)
	name, err := s.Database(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Drop(context.Background(), name); err != nil {
			tb.Logf("drop %s: %v", name, err)
		}
	})
	return s.URL(name)
}

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

// with are the settings for a database, changed.
func with(dsn string, change func(s *settings)) settings {
	s := defaults()
	s.DSN, s.Patience = dsn, 30*time.Second
	if change != nil {
		change(&s)
	}
	return s
}

// started opens a loader and closes it when the test ends, unless it is closed before.
func started(tb testing.TB, s settings, start sdk.Start) *loader {
	tb.Helper()
	l, err := tried(tb, s, start)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func tried(tb testing.TB, s settings, start sdk.Start) (*loader, error) {
	tb.Helper()
	if start.Step == "" {
		start.Step = "store"
	}
	l := &loader{settings: s}
	tb.Cleanup(func() { _ = l.Close() })
	if err := l.Validate(); err != nil {
		return l, err
	}
	return l, l.Start(tb.Context(), start)
}

func load[T transit.Row](tb testing.TB, l *loader, input int, rows ...T) {
	tb.Helper()
	if err := l.Load(tb.Context(), input, plugintest.Batch(tb, rows...)); err != nil {
		tb.Fatal(err)
	}
}

// mark takes a checkpoint; 0: commits without.
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

// connected is somebody else's connection to the database.
func connected(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(tb testing.TB, dsn string, statements string) {
	tb.Helper()
	conn := connected(tb, dsn)
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.PgConn().Exec(tb.Context(), statements).ReadAll(); err != nil {
		tb.Fatalf("%s: %v", statements, err)
	}
}

// query is the answer to a question, a row a line, with | between columns.
func query(tb testing.TB, dsn, question string) string {
	tb.Helper()
	answer, err := ask(tb.Context(), dsn, question)
	if err != nil {
		tb.Fatalf("%s: %v", question, err)
	}
	return answer
}

func ask(ctx context.Context, dsn, question string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	results, err := conn.PgConn().Exec(ctx, question).ReadAll()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, row := range results[len(results)-1].Rows {
		var cells []string
		for _, cell := range row {
			if cell == nil {
				cell = []byte("NULL")
			}
			cells = append(cells, string(cell))
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n"), nil
}

// blocksIn are the blocks of a table's rows, in the order they came.
func blocksIn(tb testing.TB, dsn, table string) string {
	tb.Helper()
	return strings.ReplaceAll(query(tb, dsn, "SELECT block_number FROM "+table+" ORDER BY penstock_row"), "\n", " ")
}

// says fails unless an error has all of the words.
func says(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("it did not fail, want %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			tb.Errorf("it does not say %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "sesame") {
		tb.Errorf("it says the password: %v", err)
	}
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
	says(tb, errors.New(failure.Message), words...)
}

// until waits for something that has to come true.
func until(tb testing.TB, what string, yes func() bool) {
	tb.Helper()
	for end := time.Now().Add(2 * time.Minute); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("it does not come to this: %s", what)
		}
	}
}
