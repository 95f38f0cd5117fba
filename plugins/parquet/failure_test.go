package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestSettingsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		change func(*settings)
		want   string
	}{
		{func(s *settings) { s.Path = "" }, `path is empty: write the name of a directory, such as "data/logs"`},
		{func(s *settings) { s.Seal = "soon" }, `seal is "soon": write final, checkpoint`},
		{func(s *settings) { s.Compression = "gzip" }, `compression is "gzip": write zstd, lz4, snappy, none`},
		{func(s *settings) { s.Level = 22 }, "level is 22: write a number from 1, fast, to 4, small"},
		{func(s *settings) { s.Rows = -1 }, "rows is -1"},
		{func(s *settings) { s.RowGroup = 1 }, "row_group is 1: write a number of rows from 100"},
		{func(s *settings) { s.Bytes = "base64" }, `bytes is "base64": write binary, hex`},
		{func(s *settings) { s.Times = "s" }, `times is "s": write ms, us, ns`},
		{func(s *settings) { s.U256 = nil }, "u256 is empty"},
		{func(s *settings) { s.U256 = []string{"string", "string"} }, "u256 names string twice"},
		{func(s *settings) { s.U256Of = map[string][]string{"value": {"int"}} }, `u256_of: value is "int"`},
		{func(s *settings) { s.Columns, s.Exclude = []string{"a"}, []string{"b"} }, "columns and exclude are both set"},
		{func(s *settings) { s.Datasets = map[string]string{"a": "../b"} }, `"a" is called "../b"`},
	} {
		l := &loader{settings: defaults()}
		l.Path = "rows"
		tt.change(&l.settings)
		says(t, l.Validate(), tt.want)
	}
}

func TestNamesThatAreNotThere(t *testing.T) {
	for want, change := range map[string]func(*settings){
		`columns names the column "amnt"`:            func(s *settings) { s.Columns = []string{"amnt"} },
		`exclude names the column "amnt"`:            func(s *settings) { s.Exclude = []string{"amnt"} },
		`bloom names the column "amnt"`:              func(s *settings) { s.Bloom = []string{"amnt"} },
		`sorted_by names the column "amnt"`:          func(s *settings) { s.SortedBy = []string{"amnt"} },
		`u256_of names the column "amnt"`:            func(s *settings) { s.U256Of = map[string][]string{"amnt": {asString}} },
		`datasets names the step "evnts"`:            func(s *settings) { s.Datasets = map[string]string{"evnts": "a"} },
		"no column of test.event is left":            func(s *settings) { s.Exclude = []string{"block_number", "name", "note"} },
		"column name of step events is string: only": func(s *settings) { s.SortedBy = []string{"name"} },
	} {
		l := loaderIn(t.TempDir())
		change(&l.settings)
		stopped(t, l, startOf[event](t, 1, 0), want)
	}
}

func TestPlacesThatCannotBeWritten(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string) (path string)
		want []string
	}{
		{"in no directory", func(_ *testing.T, dir string) string { return filepath.Join(dir, "none", "rows") }, []string{"there is no directory", "make it"}},
		{"a file", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "file"), "")
			return filepath.Join(dir, "file")
		}, []string{"it is no directory", "change path"}},
		{"below a file", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "file"), "")
			return filepath.Join(dir, "file", "below")
		}, []string{"not a directory", "change path"}},
		{"somebody else's manifest", func(t *testing.T, dir string) string {
			t.Helper()
			write(t, filepath.Join(dir, "_test__events.manifest.json"), "{}")
			return dir
		}, []string{"this step has not made it", "move it away"}},
	}
	p := plugintest.Run(t, register(short))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.make(t, t.TempDir())
			_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "parquet", Settings: map[string]any{"path": path}, Start: startOf[event](t, 1, 0)})
			if failure == nil || failure.Class != "stop" {
				t.Fatalf("got %v, want it to stop", failure)
			}
			says(t, errors.New(failure.Message), tt.want...)
		})
	}
}

// A file of somebody else's is in the way of the one that is to be made.
func TestFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 101)...)
	commitAt(t, l, 1, 110)
	mine := filepath.Join(dir, "test__events__00000000_to_00000099.parquet")
	write(t, mine, "mine")
	err := l.Final(t.Context(), 1)
	says(t, err, mine, "this step has not made it", "move it away")
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("the file of somebody else holds %q, %v", text, err)
	}
	closed(t, l)
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	l = started(t, loaderIn(dir), startOf[event](t, 2, 1)) // as the message says
	final(t, l, 1)
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "1"})
}

// What was changed between two runs is told before anything is touched.
func TestFilesThatAreNotWhatTheyWere(t *testing.T) {
	part := func(pattern string, change func(t *testing.T, path string)) func(t *testing.T, dir string, l *loader) {
		return func(t *testing.T, dir string, _ *loader) {
			t.Helper()
			found, err := filepath.Glob(filepath.Join(dir, ".penstock-*", pattern))
			if err != nil || len(found) != 1 {
				t.Fatalf("found %q, %v", found, err)
			}
			change(t, found[0])
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	overwrite := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { t.Helper(); write(t, path, text) }
	}
	tests := []struct {
		name   string
		change func(t *testing.T, dir string, l *loader)
		want   []string
	}{
		{"a piece has gone", part("*.piece", remove), []string{".piece has gone", "put it back", "--fresh"}},
		{"the tail has gone", part("*.tail", remove), []string{".tail has gone", "put it back", "--fresh"}},
		{"a shorter tail", part("*.tail", overwrite("short")), []string{".tail has 5 bytes", "was changed by somebody else"}},
		{"another tail", part("*.tail", overwrite(strings.Repeat("x", 10_000))), []string{".tail", "it is damaged", "--fresh"}},
		{"damaged books", part("books.json", overwrite(`{"penstock_parquet":1,"dom`)), []string{"books.json", "it is damaged", "restore it from a copy", "--fresh"}},
		{"books of another version", part("books.json", overwrite(`{"penstock_parquet":2}`)), []string{"books.json", "version 2", "version 1"}},
		{"no books", part("books.json", remove), []string{"books.json does not know it", "put them back", "--fresh"}},
		{"another path", func(_ *testing.T, dir string, l *loader) { l.Path = filepath.Join(dir, "new") }, []string{"books.json does not know it", "--fresh"}},
		{"another name", func(_ *testing.T, _ string, l *loader) { l.Datasets = map[string]string{"events": "calls"} }, []string{"test__events__FROM_to_TO.parquet", "test__calls__FROM_to_TO.parquet", "datasets"}},
		{"numbered files", func(_ *testing.T, _ string, l *loader) { l.BlockColumn = "" }, []string{"test__events__NUMBER.parquet", "block_column"}},
		{"other columns", func(_ *testing.T, _ string, l *loader) { l.U256 = []string{asFloat} }, []string{"column amount", "is STRING in the files, and would now be DOUBLE"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			l := started(t, loaderIn(dir), startOf[everything](t, 1, 0))
			for n := range uint64(30) {
				load(t, l, 0, everything{BlockNumber: n})
			}
			commit(t, l, 1)
			load(t, l, 0, everything{BlockNumber: 30})
			commit(t, l, 2)
			closed(t, l)
			changed := loaderIn(dir)
			tt.change(t, dir, changed)
			stopped(t, changed, startOf[everything](t, 2, 2), tt.want...)
		})
	}
}

func TestAManifestOrAFileThatHasGone(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 101)...)
	commitAt(t, l, 1, 110)
	final(t, l, 1)
	closed(t, l)
	path := filepath.Join(dir, manifestOf(t, dir, "events").Files[0].File)
	if err := os.Rename(path, path+".away"); err != nil { // which anybody may do
		t.Fatal(err)
	}
	start := startOf[event](t, 2, 1)
	closed(t, started(t, loaderIn(dir), start))
	_, err := loaderIn(dir).Digest(t.Context(), start, digest.Query{Type: start.Inputs[0].Type, Column: "block_number", Ranges: []digest.Range{{To: 99}}})
	says(t, err, path+" has gone", "put it back")
	path = filepath.Join(dir, "_test__events.manifest.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stopped(t, loaderIn(dir), startOf[event](t, 3, 1), path+" has gone", "put it back", "--fresh")
}

func TestADamagedPiece(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 101)...)
	commitAt(t, l, 1, 110)
	found, err := filepath.Glob(filepath.Join(dir, ".penstock-*", "*.000001.*.piece"))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %q, %v", found, err)
	}
	write(t, found[0], "PAR1 not really")
	says(t, l.Final(t.Context(), 1), found[0], "it is damaged", "--fresh")
	holds(t, dir, map[string]string{})
}

func TestAnOlderGenerationIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 9, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	second := loaderIn(dir)
	says(t, second.Start(t.Context(), startOf[event](t, 10, 1)), "another process has been writing these files", "end it")
	closed(t, second)
	closed(t, l)
	stopped(t, loaderIn(dir), startOf[event](t, 8, 1), "generation 9", "generation 8, which is older")
}

func TestAnotherChainIsRefused(t *testing.T) {
	dir := t.TempDir()
	start := startOf[event](t, 1, 0)
	start.Network.ChainID = 0 // whatever the endpoint says
	l := started(t, loaderIn(dir), start)
	load(t, l, 0, eventsOf(1, 101)...)
	commitAt(t, l, 1, 120) // chain 7
	final(t, l, 1)
	closed(t, l)
	if m := manifestOf(t, dir, "events"); m.ChainID != 7 {
		t.Errorf("the manifest says chain %d, want 7", m.ChainID)
	}
	for _, checkpoint := range []uint64{0, 1} {
		other := startOf[event](t, 2, checkpoint)
		other.Network.ChainID = 10
		stopped(t, loaderIn(dir), other, "from chain 7", "reads chain 10 (test)", "another path")
	}
	start = startOf[event](t, 2, 1)
	start.Network.ChainID = 0
	l = started(t, loaderIn(dir), start)
	err := l.Commit(t.Context(), sdk.Commit{Checkpoint: 2, Cursor: &sdk.Cursor{ChainID: 10, Block: 130}})
	says(t, err, "from chain 7", "reads chain 10")
	holds(t, dir, map[string]string{"test__events__00000000_to_00000099.parquet": "1"})
}

func TestCloseAfterAStartThatFailed(t *testing.T) {
	l := loaderIn(filepath.Join(t.TempDir(), "none", "rows"))
	if err := l.Start(t.Context(), startOf[event](t, 1, 0)); err == nil {
		t.Fatal("it started")
	}
	closed(t, l)
	closed(t, &loader{})
}

// rowsOf wants much room.
func rowsOf(block uint64, n int) []event {
	rows := make([]event, n)
	for i := range rows {
		rows[i] = event{BlockNumber: block, Name: strings.Repeat(string(rune('a'+i%26)), 1024)}
	}
	return rows
}
