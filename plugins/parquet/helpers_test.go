package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

const short = 50 * time.Millisecond

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

// startOf is what a step that reads rows is told.
func startOf[T transit.Row](tb testing.TB, generation, checkpoint uint64) sdk.Start {
	tb.Helper()
	return sdk.Start{
		Domain: "main", Step: "store", Generation: generation, Checkpoint: checkpoint,
		Network: sdk.Network{Name: "test", ChainID: 7}, Inputs: []sdk.Input{plugintest.WireFrom[T](tb, "events", "input")},
	}
}

// loaderIn is a loader of files of 100 blocks.
func loaderIn(dir string) *loader {
	l := &loader{settings: defaults(), patience: short}
	l.Path, l.Every, l.RowGroup = dir, 100, 100
	return l
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

// commitAt commits when all rows have come up to a block.
func commitAt(tb testing.TB, l *loader, checkpoint, block uint64) {
	tb.Helper()
	if err := l.Commit(tb.Context(), sdk.Commit{Checkpoint: checkpoint, Cursor: &sdk.Cursor{ChainID: 7, Block: block}}); err != nil {
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

// visible are the names of the files in a directory that are not hidden.
func visible(tb testing.TB, dir string) (names []string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

func readBooks(tb testing.TB, dir string) books {
	tb.Helper()
	var b books
	found, err := filepath.Glob(filepath.Join(dir, ".penstock-*", "books.json"))
	if err != nil || len(found) > 1 {
		tb.Fatalf("found %q, %v", found, err)
	}
	if len(found) == 0 {
		return b
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		tb.Fatal(err)
	}
	return b
}

func manifestOf(tb testing.TB, dir, dataset string) manifest {
	tb.Helper()
	var m manifest
	text, err := os.ReadFile(filepath.Join(dir, "_test__"+dataset+".manifest.json"))
	if errors.Is(err, os.ErrNotExist) {
		return m
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// texts are the values of a column of text in a Parquet file.
func texts(tb testing.TB, path, column string) (out []string) {
	tb.Helper()
	for _, v := range columnOf(tb, path, column) {
		out = append(out, string(v.ByteArray()))
	}
	return out
}

func opened(tb testing.TB, path string) *parquet.File {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := parquet.OpenFile(strings.NewReader(string(text)), int64(len(text)))
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return f
}

// columnOf are the values of a column in a Parquet file.
func columnOf(tb testing.TB, path, column string) (out []parquet.Value) {
	tb.Helper()
	f := opened(tb, path)
	leaf, ok := f.Schema().Lookup(strings.Split(column, ".")...)
	if !ok {
		tb.Fatalf("%s has no column %s: %s", path, column, f.Schema())
	}
	for _, g := range f.RowGroups() {
		pages := g.ColumnChunks()[leaf.ColumnIndex].Pages()
		for {
			page, err := pages.ReadPage()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				tb.Fatalf("%s: %v", path, err)
			}
			values := make([]parquet.Value, page.NumValues())
			if _, err := page.Values().ReadValues(values); err != nil && !errors.Is(err, io.EOF) {
				tb.Fatalf("%s: %v", path, err)
			}
			for _, v := range values {
				out = append(out, v.Clone())
			}
		}
		_ = pages.Close()
	}
	return out
}

// found are the names of the rows that somebody finds in a directory, in their
// order: in files, in pieces, and in tails that are not pieces yet.
func found(tb testing.TB, dir, dataset string) (names []string) {
	tb.Helper()
	b := readBooks(tb, dir)
	m := manifestOf(tb, dir, dataset)
	made := map[int64]bool{}
	for _, e := range m.Files {
		made[e.Number] = true
		names = append(names, texts(tb, filepath.Join(dir, e.File), "name")...)
	}
	s := newShelf(dir, b.Domain, b.Step)
	parts, err := s.parts()
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		switch p := parts[name]; {
		case p.dataset != dataset || made[p.file]:
		case !p.tail:
			names = append(names, texts(tb, s.path(name), "name")...)
		default:
			if _, ok := parts[strings.TrimSuffix(name, "tail")+"piece"]; ok {
				continue // kept for going back
			}
			names = append(names, tailed(tb, s.path(name))...)
		}
	}
	return names
}

func tailed(tb testing.TB, path string) (names []string) {
	tb.Helper()
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil
	}
	err := readTail(path, math.MaxInt64, func(r arrow.RecordBatch) error {
		column := r.Column(r.Schema().FieldIndices("name")[0]).(*array.String)
		for i := range column.Len() {
			names = append(names, strings.Clone(column.Value(i)))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}
