package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestPlacesThatCannotBeWritten(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want []string
	}{
		{"in no directory", func(_ *testing.T, dir string) string { return filepath.Join(dir, "none", "rows.jsonl") }, []string{"there is no such directory", "make it"}},
		{"in a file", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "file"), "")
			return filepath.Join(dir, "file", "rows.jsonl")
		}, []string{"it is no directory", "change path"}},
		{"below a file", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "file"), "")
			return filepath.Join(dir, "file", "below", "rows.jsonl")
		}, []string{"not a directory", "change path"}},
		{"a directory", func(_ *testing.T, dir string) string { return dir }, []string{"it is a directory", "change path"}},
		{"somebody else's", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "rows.jsonl"), "precious\n")
			return filepath.Join(dir, "rows.jsonl")
		}, []string{"this step has not made it", "move it away"}},
		{"a link", func(t *testing.T, dir string) string {
			t.Helper()
			if err := os.Symlink("/dev/null", filepath.Join(dir, "rows.jsonl")); err != nil {
				t.Skip(err)
			}
			return filepath.Join(dir, "rows.jsonl")
		}, []string{"it is a special file"}},
	}
	p := plugintest.Run(t, registers(short)...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.make(t, t.TempDir())
			_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "jsonl", Settings: map[string]any{"path": path}, Start: startOf(t, 1, 0)})
			if failure == nil || failure.Class != "stop" {
				t.Fatalf("got %v, want it to stop", failure)
			}
			says(t, errors.New(failure.Message), append(tt.want, filepath.Dir(path))...)
			if text, err := os.ReadFile(path); err == nil && len(text) > 0 && string(text) != "precious\n" {
				t.Errorf("%s was changed: %q", path, text)
			}
		})
	}
}

func TestFilesOfOthersThatComeLater(t *testing.T) {
	dir := t.TempDir()
	l := started(t, lined(filepath.Join(dir, "rows.jsonl"), &rotation{Rows: 1}), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	for _, name := range []string{"rows.000002.jsonl", "rows.000002.jsonl.part"} {
		mine := filepath.Join(dir, name)
		write(t, mine, "mine")
		says(t, l.Load(t.Context(), 0, plugintest.Batch(t, eventsOf(2)...)), mine, "this step has not made it")
		if err := os.Remove(mine); err != nil {
			t.Fatal(err)
		}
	}
	load(t, l, 0, eventsOf(2)...)
	commit(t, l, 2)
	write(t, filepath.Join(dir, "rows.000001.jsonl"), "mine")
	says(t, l.Final(t.Context(), 2), "rows.000001.jsonl", "this step has not made it", "move it away")
	if got := kept(t, dir)["rows.000001.jsonl"]; got != "mine" {
		t.Errorf("the file of somebody else holds %q", got)
	}
}

func TestTwoInputsOfOneFile(t *testing.T) {
	start := startOf(t, 1, 0)
	start.Inputs = append(start.Inputs, plugintest.WireFrom[event](t, "Events", "input"))
	path := filepath.Join(t.TempDir(), "rows.csv")
	stopped(t, lined(path, nil), start, `"events" and "Events"`, path, `"{step}.csv"`)
	stopped(t, lined(filepath.Join(filepath.Dir(path), "{step}.csv"), nil), start, "give one of them another name")
}

// What was changed between two runs is told before anything is touched.
func TestFilesThatAreNotWhatTheyWere(t *testing.T) {
	note := "not"
	tests := []struct {
		name   string
		change func(t *testing.T, dir string, l *loader)
		want   []string
	}{
		{"gone", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, "rows.csv")); err != nil {
				t.Fatal(err)
			}
		}, []string{"rows.csv has gone", "put it back", "--fresh"}},
		{"shorter", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			write(t, filepath.Join(dir, "rows.csv"), "block_number\n")
		}, []string{"rows.csv has 13 bytes", "was changed by somebody else"}},
		{"another text", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			write(t, filepath.Join(dir, "rows.csv"), strings.Repeat("x", 1000))
		}, []string{"no line ends at byte", "rows.csv"}},
		{"another path", func(_ *testing.T, dir string, l *loader) { l.Path = filepath.Join(dir, "new.csv") }, []string{"rows.csv", "new.csv", "set path, rotate and compression as they were"}},
		{"rotation", func(_ *testing.T, _ string, l *loader) { l.Rotate = &rotation{Rows: 1} }, []string{"rows.csv", "rows.000001.csv.part"}},
		{"other columns", func(_ *testing.T, _ string, l *loader) { l.layout = newLines }, []string{"begins with", "block_number,name,note"}},
		{"damaged books", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			write(t, booksIn(t, dir), `{"penstock_files":1,"dom`)
		}, []string{".json", "it is damaged", "restore it from a copy", "--fresh"}},
		{"books of another version", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			write(t, booksIn(t, dir), `{"penstock_files":2}`)
		}, []string{".json", "version 2", "version 1"}},
		{"books of another step", func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			write(t, booksIn(t, dir), `{"penstock_files":1,"domain":"main","step":"mine"}`)
		}, []string{".json", `step "mine"`, "change path"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			table := func() *loader {
				return &loader{Path: filepath.Join(dir, "rows.csv"), layout: newTable, patience: short}
			}
			l := started(t, table(), startOf(t, 1, 0))
			load(t, l, 0, event{Name: "whole", Note: &note})
			commit(t, l, 1)
			closed(t, l)
			changed := table()
			tt.change(t, dir, changed)
			before := kept(t, dir)
			stopped(t, changed, startOf(t, 2, 1), tt.want...)
			sameFiles(t, before, kept(t, dir))
		})
	}
}

func TestAWriteThatFailsLeavesWholeLines(t *testing.T) {
	dir := t.TempDir()
	l := started(t, lined(filepath.Join(dir, "rows.jsonl"), nil), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	if err := l.streams[0].sink.file.Close(); err != nil {
		t.Fatal(err)
	}
	load(t, l, 0, eventsOf(2)...)
	err := l.Commit(t.Context(), commitOf(2))
	says(t, err, "write "+filepath.Join(dir, "rows.jsonl"))
	_ = l.Close() // the file is closed already
	l = started(t, lined(filepath.Join(dir, "rows.jsonl"), nil), startOf(t, 2, 1))
	load(t, l, 0, eventsOf(2)...)
	commit(t, l, 2)
	holds(t, dir, map[string]string{"rows.jsonl": "1 2"})
}

func TestCloseAfterAStartThatFailed(t *testing.T) {
	l := lined(filepath.Join(t.TempDir(), "none", "rows.jsonl"), nil)
	if err := l.Start(t.Context(), startOf(t, 1, 0)); err == nil {
		t.Fatal("it started")
	}
	closed(t, l)
	closed(t, &loader{})
}
