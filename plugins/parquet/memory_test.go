package main

import (
	"runtime"
	"strings"
	"testing"
)

// What a loader keeps does not grow with what it has loaded: it would take 18 MB
// more to keep the rows.
func TestMemoryIsFlat(t *testing.T) {
	dir := t.TempDir()
	l := loaderIn(dir)
	l.RowGroup = 1000
	started(t, l, startOf[event](t, 1, 0))
	rows := make([]event, 500)
	checkpoint := uint64(0)
	used := func(from, to uint64) uint64 {
		for block := from; block < to; block++ {
			for i := range rows {
				rows[i] = event{BlockNumber: block, Name: strings.Repeat(string(rune('a'+i%26)), 100)}
			}
			load(t, l, 0, rows...)
			if block%5 == 4 {
				checkpoint++
				commitAt(t, l, checkpoint, block)
				final(t, l, checkpoint)
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	early := used(0, 100)
	late := used(100, 400)
	if late > early+(8<<20) {
		t.Errorf("after 50,000 rows it takes %d kB, after 200,000 %d kB", early>>10, late>>10)
	}
	if files := manifestOf(t, dir, "events").Files; len(files) != 4 {
		t.Errorf("%d files, want 4", len(files))
	}
}

// Rows may be as large as whole blocks: then fewer make a row group.
func TestRowGroupsOfLargeRows(t *testing.T) {
	dir := t.TempDir()
	l := loaderIn(dir)
	l.RowGroup = defaults().RowGroup
	started(t, l, startOf[event](t, 1, 0))
	name := strings.Repeat("all that is in a block ", 40_000)
	const rows = groupBytes / 900_000 * 3 / 2
	for block := range uint64(rows) {
		load(t, l, 0, event{BlockNumber: block * 99 / rows, Name: name})
	}
	commitAt(t, l, 1, 99)
	final(t, l, 1)
	f := opened(t, dir+"/test__events__00000000_to_00000099.parquet")
	if groups := len(f.RowGroups()); groups != 2 || f.NumRows() != rows {
		t.Errorf("%d row groups of %d rows, want 2 of %d", groups, f.NumRows(), rows)
	}
}
