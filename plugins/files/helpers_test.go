package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// event is a narrow row.
type event struct {
	BlockNumber uint64
	Name        string
	Note        *string
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

// startOf is what a step that reads events is told.
func startOf(tb testing.TB, generation, checkpoint uint64) sdk.Start {
	tb.Helper()
	return sdk.Start{
		Domain: "main", Step: "store", Generation: generation, Checkpoint: checkpoint,
		Inputs: []sdk.Input{plugintest.WireFrom[event](tb, "events", "input")},
	}
}

// lined is a loader of JSON lines.
func lined(path string, rotate *rotation) *loader {
	return &loader{Path: path, Rotate: rotate, layout: newLines, patience: short}
}

// started opens a loader and closes it when the test ends, unless it is closed before.
func started(tb testing.TB, l *loader, start sdk.Start) *loader {
	tb.Helper()
	if err := l.Validate(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	if err := l.Start(tb.Context(), start); err != nil {
		tb.Fatal(err)
	}
	return l
}

func load[T transit.Row](tb testing.TB, l *loader, input int, rows ...T) {
	tb.Helper()
	if err := l.Load(tb.Context(), input, plugintest.Batch(tb, rows...)); err != nil {
		tb.Fatal(err)
	}
}

func commit(tb testing.TB, l *loader, checkpoint uint64) {
	tb.Helper()
	if err := l.Commit(tb.Context(), sdk.Commit{Checkpoint: checkpoint}); err != nil {
		tb.Fatal(err)
	}
}

func final(tb testing.TB, l *loader, checkpoint uint64) {
	tb.Helper()
	if err := l.Final(tb.Context(), checkpoint); err != nil {
		tb.Fatal(err)
	}
}

func closed(tb testing.TB, l *loader) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
}

// stopped fails unless the loader refuses to start, in those words.
func stopped(tb testing.TB, l *loader, start sdk.Start, words ...string) {
	tb.Helper()
	defer l.Close()
	says(tb, l.Start(tb.Context(), start), words...)
}

func says(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("no error, want %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			tb.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

// kept are the files of rows in a directory.
func kept(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := namesIn(tb, dir)
	for name := range files {
		files[name] = textOf(tb, filepath.Join(dir, name))
	}
	return files
}

// namesIn are the names of these files.
func namesIn(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".penstock-") && !strings.HasSuffix(e.Name(), ".manifest.penstock") {
			files[e.Name()] = ""
		}
	}
	return files
}

// textOf is what is in a file, without compression.
func textOf(tb testing.TB, path string) string {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	d, err := newDecoder(compression("", strings.TrimSuffix(path, partial)), f)
	if err != nil {
		tb.Fatal(err)
	}
	defer d.Close()
	text, err := io.ReadAll(d)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// holds fails unless the directory holds these files. Their lines are given
// short: numbers of blocks.
func holds(tb testing.TB, dir string, want map[string]string) {
	tb.Helper()
	got := map[string]string{}
	for name, text := range kept(tb, dir) {
		var blocks []string
		for line := range strings.Lines(text) {
			block, _, _ := strings.Cut(strings.TrimPrefix(line, `{"block_number":`), ",")
			blocks = append(blocks, block)
		}
		got[name] = strings.Join(blocks, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("files (-want +got):\n%s", diff)
	}
}

// sameFiles fails unless two directories hold the same, byte by byte.
func sameFiles(tb testing.TB, want, got map[string]string) {
	tb.Helper()
	if names, others := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(names, others) {
		tb.Fatalf("got the files %q, want %q", others, names)
	}
	for name, text := range want {
		if got[name] == text {
			continue
		}
		a, b := strings.Split(text, "\n"), strings.Split(got[name], "\n")
		n := 0
		for n < len(a) && n < len(b) && a[n] == b[n] {
			n++
		}
		tb.Fatalf("%s has %d lines, want %d; line %d: got %q, want %q", name, len(b), len(a), n+1, at(b, n), at(a, n))
	}
}

func at(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return "nothing"
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// booksIn is the path of the one file that the loader keeps its books in.
func booksIn(tb testing.TB, dir string) string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".penstock-*.json"))
	if err != nil || len(found) != 1 {
		tb.Fatalf("found %q, %v", found, err)
	}
	return found[0]
}

const short = 50 * time.Millisecond

func commitOf(checkpoint uint64) sdk.Commit { return sdk.Commit{Checkpoint: checkpoint} }
