package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// holds fails unless the directory shows these files, with rows of these blocks.
func holds(tb testing.TB, dir string, want map[string]string) {
	tb.Helper()
	got := map[string]string{}
	for _, name := range visible(tb, dir) {
		if strings.HasPrefix(name, "_") {
			continue
		}
		var blocks []string
		for _, v := range columnOf(tb, filepath.Join(dir, name), "block_number") {
			blocks = append(blocks, fmt.Sprint(v.Int64()))
		}
		got[name] = strings.Join(blocks, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("files (-want +got):\n%s", diff)
	}
}

// A file is there when its range is complete and cannot be taken back.
func TestFilesByBlocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rows")
	start := startOf[event](t, 1, 0)
	start.From = 120
	to := uint64(449)
	start.To = &to
	l := started(t, loaderIn(dir), start)
	load(t, l, 0, eventsOf(150, 150, 199, 200, 210)...)
	commitAt(t, l, 1, 250)
	holds(t, dir, map[string]string{})
	final(t, l, 1)
	first := map[string]string{"test__events__00000120_to_00000199.parquet": "150 150 199"}
	holds(t, dir, first)
	load(t, l, 0, eventsOf(410, 420)...) // nothing from 300 on
	commitAt(t, l, 2, 430)
	final(t, l, 2)
	first["test__events__00000200_to_00000299.parquet"] = "200 210"
	holds(t, dir, first)
	commitAt(t, l, 3, 449) // the end: nobody waits for it to be final
	first["test__events__00000400_to_00000449.parquet"] = "410 420"
	holds(t, dir, first)
	if parts := partsIn(t, dir); len(parts) == 0 {
		t.Error("it could not be taken back any more")
	}
	final(t, l, 3)
	holds(t, dir, first)
	closed(t, l)
	if parts := partsIn(t, dir); len(parts) > 0 {
		t.Errorf("parts of files are left: %q", parts)
	}

	start = startOf[event](t, 2, 3) // and further
	start.From = 120
	l = started(t, loaderIn(dir), start)
	load(t, l, 0, eventsOf(450, 500)...)
	commitAt(t, l, 4, 500)
	final(t, l, 4)
	first["test__events__00000450_to_00000499.parquet"] = "450"
	holds(t, dir, first)
}

// The cursor says that a range is complete, without a row after it.
func TestARangeEndsWithItsLastBlock(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(42)...)
	commitAt(t, l, 1, 98)
	final(t, l, 1)
	holds(t, dir, map[string]string{})
	commitAt(t, l, 2, 99)
	final(t, l, 2)
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "42"})
}

func TestFilesByRows(t *testing.T) {
	dir := t.TempDir()
	l := loaderIn(dir)
	l.Rows, l.Seal = 3, sealCheckpoint
	started(t, l, startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 3, 3, 3, 4, 5, 6, 7, 150)...) // a block is in one file
	commitAt(t, l, 1, 150)
	holds(t, dir, map[string]string{
		"test__events__00000000_to_00000003.parquet": "1 2 3 3 3",
		"test__events__00000004_to_00000006.parquet": "4 5 6",
		"test__events__00000007_to_00000099.parquet": "7",
	})
}

func TestNumberedFiles(t *testing.T) {
	dir := t.TempDir()
	l := loaderIn(dir)
	l.BlockColumn, l.Rows, l.Datasets = "", 2, map[string]string{"events": "calls"}
	started(t, l, startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(5, 4, 3, 2, 1)...) // in any order
	commit(t, l, 1)
	final(t, l, 1)
	holds(t, dir, map[string]string{"test__calls__000001.parquet": "5 4", "test__calls__000002.parquet": "3 2"})
}

// Rows at the head come in small portions, and go to the disk in large ones.
func TestRowGroupsOfManyCheckpoints(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	for n := range uint64(60) {
		load(t, l, 0, eventsOf(n)...)
		commitAt(t, l, n+1, n)
	}
	closed(t, l)
	l = started(t, loaderIn(dir), startOf[event](t, 2, 60)) // which has to read what was left
	load(t, l, 0, eventsOf(60, 61)...)
	commitAt(t, l, 61, 99)
	final(t, l, 61)
	f := opened(t, filepath.Join(dir, "test__events__00000000_to_00000099.parquet"))
	if groups, rows := len(f.RowGroups()), f.NumRows(); groups != 3 || rows != 62 {
		t.Errorf("%d row groups of %d rows, want 3 of 62", groups, rows)
	}
}

// What is sealed at a checkpoint goes again if that is taken back.
func TestFilesThatAreTakenBack(t *testing.T) {
	dir := t.TempDir()
	make := func(generation, checkpoint uint64) *loader {
		l := loaderIn(dir)
		l.Seal = sealCheckpoint
		return started(t, l, startOf[event](t, generation, checkpoint))
	}
	l := make(1, 0)
	load(t, l, 0, eventsOf(1, 50)...)
	commitAt(t, l, 1, 50)
	load(t, l, 0, eventsOf(60, 101)...)
	commitAt(t, l, 2, 101)
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "1 50 60"})
	closed(t, l)
	l = make(2, 1)
	holds(t, dir, map[string]string{})
	if files := manifestOf(t, dir, "events").Files; len(files) > 0 {
		t.Errorf("the manifest names %v", files)
	}
	load(t, l, 0, eventsOf(70, 100)...)
	commitAt(t, l, 2, 100)
	want := map[string]string{"test__events__00000000_to_00000099.parquet": "1 50 70"}
	holds(t, dir, want)
	final(t, l, 2)
	closed(t, l)
	stopped(t, loaderIn(dir), startOf[event](t, 3, 1), "does not know it") // forgotten
	make(3, 2)
	holds(t, dir, want)
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 101)...)
	commitAt(t, l, 5, 110)
	final(t, l, 5)
	m := manifestOf(t, dir, "events")
	if len(m.Files) != 1 || m.Network != "test" || m.ChainID != 7 || m.Dataset != "events" || m.Step != "store" || m.Input != "events" {
		t.Fatalf("got %+v", m)
	}
	e := m.Files[0]
	body, err := os.ReadFile(filepath.Join(dir, e.File))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if e.SHA256 != hex.EncodeToString(sum[:]) || e.Bytes != int64(len(body)) || e.Rows != 2 || *e.FromBlock != 0 || *e.ToBlock != 99 || e.Checkpoint != 5 {
		t.Errorf("got %+v of %d bytes", e, len(body))
	}
	if got, want := describeAll(m.Schemas[e.Schema]), "block_number INT(64,false), name STRING, note STRING?"; got != want {
		t.Errorf("columns: got %s, want %s", got, want)
	}
	if value, _ := opened(t, filepath.Join(dir, e.File)).Lookup("penstock.chain_id"); value != "7" {
		t.Errorf("the file says that it is of chain %s", value)
	}
}

func TestBeginningAnew(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 101)...)
	commitAt(t, l, 1, 120)
	final(t, l, 1)
	closed(t, l)
	mine := filepath.Join(dir, "test__events__00000900_to_00000999.parquet")
	write(t, mine, "mine")

	l = started(t, loaderIn(dir), startOf[event](t, 2, 0))
	if n := len(visible(t, dir)); n != 4 {
		t.Errorf("%d files, want those of before as long as the source is silent", n)
	}
	load(t, l, 0, eventsOf(7)...)
	commitAt(t, l, 1, 99)
	final(t, l, 1)
	closed(t, l)
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("somebody else's file: %q, %v", text, err)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "7"})
}

func TestRowsThatWillNotComeAgainAreSpared(t *testing.T) {
	dir := t.TempDir()
	start := startOf[event](t, 1, 0)
	start.FromLatest = true
	l := started(t, loaderIn(dir), start)
	for k := range uint64(3) {
		load(t, l, 0, eventsOf(150+k)...)
		commitAt(t, l, k+1, 150+k)
	}
	closed(t, l)
	start.Generation = 2
	stopped(t, loaderIn(dir), start, "would be removed and not come again", "--fresh")
	start.Fresh = true
	l = started(t, loaderIn(dir), start)
	load(t, l, 0, eventsOf(250)...)
	commitAt(t, l, 1, 299)
	final(t, l, 1)
	holds(t, dir, map[string]string{"test__events__00000250_to_00000299.parquet": "250"})
}

// newer is the same type with a column more.
type newer struct {
	BlockNumber uint64
	Name        string
	Note        *string
	Amount      uint64
}

func (newer) TransitType() string { return "test.event" }

// other is the same type with a column of another kind.
type other struct {
	BlockNumber uint64
	Name        uint64
	Note        *string
}

func (other) TransitType() string { return "test.event" }

func TestAColumnMore(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 2)...)
	commitAt(t, l, 1, 2)
	load(t, l, 0, eventsOf(3)...)
	commitAt(t, l, 2, 3)
	closed(t, l)
	for generation := range uint64(2) { // the first ends before it has come to a checkpoint
		l = started(t, loaderIn(dir), startOf[newer](t, generation+2, 2))
		load(t, l, 0, newer{BlockNumber: 4, Name: "b", Amount: 5})
		if generation == 0 {
			closed(t, l)
		}
	}
	commitAt(t, l, 3, 99)
	final(t, l, 3)
	holds(t, dir, map[string]string{
		"test__events__00000000_to_00000003.parquet": "1 2 3",
		"test__events__00000004_to_00000099.parquet": "4",
	})
	m := manifestOf(t, dir, "events")
	if a, b := m.Files[0].Schema, m.Files[1].Schema; a == b || len(m.Schemas[a]) != 3 || len(m.Schemas[b]) != 4 {
		t.Errorf("the manifest says %+v of %+v", m.Schemas, m.Files)
	}
	if got := names(t, filepath.Join(dir, m.Files[1].File)); got != "block_number name note amount" {
		t.Errorf("the new file has %s", got)
	}
}

func TestAColumnOfAnotherTypeIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 2)...)
	commitAt(t, l, 1, 2)
	closed(t, l)
	stopped(t, loaderIn(dir), startOf[other](t, 2, 1), "column name", "is STRING in the files, and would now be INT(64,false)",
		"the files have: block_number INT(64,false), name STRING, note STRING?", "the rows have:  block_number INT(64,false), name INT(64,false), note STRING?", "exclude", "--fresh")
	l = started(t, loaderIn(dir), startOf[event](t, 3, 1)) // nothing was touched
	commitAt(t, l, 2, 99)
	final(t, l, 2)
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "1 2"})
}

func TestTwoInputs(t *testing.T) {
	dir := t.TempDir()
	start := startOf[event](t, 1, 0)
	start.Inputs = append(start.Inputs, plugintest.WireFrom[tally](t, "Events", "input"))
	stopped(t, loaderIn(dir), start, `"events" and "Events"`, dir, "datasets")
	start.Inputs[1].Name = "tallies"
	l := started(t, loaderIn(dir), start)
	load(t, l, 0, eventsOf(1)...)
	load(t, l, 1, tally{BlockNumber: 2}, tally{BlockNumber: 102})
	commitAt(t, l, 1, 102)
	final(t, l, 1)
	closed(t, l)
	want := map[string]string{"test__events__00000000_to_00000099.parquet": "1", "test__tallies__00000000_to_00000099.parquet": "2"}
	holds(t, dir, want)

	// One that is not read any more keeps what it has.
	l = started(t, loaderIn(dir), startOf[event](t, 2, 1))
	load(t, l, 0, eventsOf(110)...)
	commitAt(t, l, 2, 110)
	closed(t, l)
	start.Generation, start.Checkpoint = 3, 2
	l = started(t, loaderIn(dir), start)
	load(t, l, 1, tally{BlockNumber: 111})
	commitAt(t, l, 3, 199)
	final(t, l, 3)
	want["test__events__00000100_to_00000199.parquet"], want["test__tallies__00000100_to_00000199.parquet"] = "110", "102 111"
	holds(t, dir, want)
}

// partsIn are the pieces and tails in a directory.
func partsIn(tb testing.TB, dir string) (names []string) {
	tb.Helper()
	for _, pattern := range []string{"*.piece", "*.tail", "*.tmp"} {
		found, err := filepath.Glob(filepath.Join(dir, ".penstock-*", pattern))
		if err != nil {
			tb.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

var (
	_ sdk.Committer = (*loader)(nil)
	_ sdk.Finalizer = (*loader)(nil)
	_ transit.Row   = other{}
)

func TestViews(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[everything](t, 1, 0))
	load(t, l, 0, everything{BlockNumber: 1})
	commitAt(t, l, 1, 100)
	final(t, l, 1)
	text, err := os.ReadFile(filepath.Join(dir, "_test__events.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`CREATE OR REPLACE VIEW "events" AS`, "read_parquet('" + filepath.ToSlash(dir) + "/test__events__*.parquet', union_by_name = true);",
		`CREATE OR REPLACE VIEW "events_hex" AS`, `'0x' || lower(hex("to")) AS "to"`, `['0x' || lower(hex(b)) FOR b IN "hashes"] AS "hashes"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the views do not have %s:\n%s", want, text)
		}
	}
	closed(t, l)
	l = loaderIn(dir)
	l.Views = false
	started(t, l, startOf[everything](t, 2, 0)) // anew
	load(t, l, 0, everything{BlockNumber: 1})
	commitAt(t, l, 1, 100)
	final(t, l, 1)
	if names := visible(t, dir); len(names) != 2 {
		t.Errorf("got %q, want no views", names)
	}
}
