package main

import (
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// timed is a row of a block.
type timed struct {
	BlockNumber uint64
	Timestamp   time.Time
}

func (timed) TransitType() string { return "test.timed" }

func timedAt(block uint64, hours int) timed {
	return timed{block, time.Date(2026, 11, 21, hours, 30, 0, 0, time.UTC)}
}

func startTimed(tb testing.TB, generation, checkpoint uint64) sdk.Start {
	tb.Helper()
	start := startOf(tb, generation, checkpoint)
	start.Inputs[0] = plugintest.WireFrom[timed](tb, "events", "input")
	return start
}

// Files end by blocks and by time, at the same rows in every run, and a manifest
// tells what is in those that do not change any more.
func TestRotationByBlocksAndTime(t *testing.T) {
	rows := []timed{timedAt(99, 0), timedAt(100, 1), timedAt(150, 1), timedAt(199, 2), timedAt(450, 2), timedAt(451, 5)}
	for name, tt := range map[string]struct {
		rotate rotation
		want   map[string]string
	}{
		"blocks": {rotation{Blocks: 100}, map[string]string{"rows.000001.jsonl": "99", "rows.000002.jsonl": "100 150 199", "rows.000003.jsonl.part": "450 451"}},
		"time":   {rotation{Every: 2 * time.Hour}, map[string]string{"rows.000001.jsonl": "99 100 150", "rows.000002.jsonl": "199 450", "rows.000003.jsonl.part": "451"}},
		"both":   {rotation{Every: 2 * time.Hour, Blocks: 100}, map[string]string{"rows.000001.jsonl": "99", "rows.000002.jsonl": "100 150", "rows.000003.jsonl": "199", "rows.000004.jsonl": "450", "rows.000005.jsonl.part": "451"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "rows.jsonl")
			for i, row := range rows { // each in a process of its own
				l := started(t, lined(path, &tt.rotate), startTimed(t, uint64(i+1), uint64(i)))
				load(t, l, 0, row)
				commit(t, l, uint64(i+1))
				if i == len(rows)-1 {
					final(t, l, uint64(i+1))
				}
				closed(t, l)
			}
			holds(t, dir, tt.want)
		})
	}
	p := plugintest.Run(t, registers(short)...)
	for block, want := range map[string]string{
		`{"blocks": 10}`: `have no column block_number that is a uint64`, `{"every": "1h"}`: "have no column timestamp that is one",
	} {
		start := startOf(t, 1, 0)
		start.Inputs[0] = plugintest.WireFrom[tally](t, "events", "input")
		_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "csv", Settings: `{"path": "` + t.TempDir() + `/a.csv", "rotate": ` + block + `}`, Start: start})
		if failure == nil || failure.Class != "stop" {
			t.Fatalf("got %v, want it to stop", failure)
		}
		says(t, errorOf(failure), want)
	}
}

func errorOf(f *plugintest.Failure) error { return &failed{f} }

type failed struct{ *plugintest.Failure }

func (f *failed) Error() string { return f.Message }

func TestTheManifest(t *testing.T) {
	dir := t.TempDir()
	path, manifest := filepath.Join(dir, "rows.csv.gz"), filepath.Join(dir, "rows.manifest.penstock")
	begin := func(generation, checkpoint uint64) *loader {
		return started(t, &loader{Path: path, Rotate: &rotation{Rows: 2}, layout: newTable, patience: short}, startTimed(t, generation, checkpoint))
	}
	l := begin(1, 0)
	load(t, l, 0, timedAt(7, 1), timedAt(9, 1), timedAt(9, 1), timedAt(12, 1), timedAt(13, 1))
	commit(t, l, 1)
	load(t, l, 0, timedAt(14, 1), timedAt(15, 1))
	commit(t, l, 2)
	if _, err := os.Stat(manifest); err == nil {
		t.Error("it tells of files that may change")
	}
	final(t, l, 1)
	closed(t, l)
	size := func(n string) string {
		info, err := os.Stat(filepath.Join(dir, "rows.00000"+n+".csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		return big.NewInt(info.Size()).String()
	}
	want := `{"file":"rows.000001.csv.gz","rows":2,"bytes":` + size("1") + `,"first_block":7,"last_block":9}` + "\n" +
		`{"file":"rows.000002.csv.gz","rows":2,"bytes":` + size("2") + `,"first_block":9,"last_block":12}` + "\n"
	tells := func(want string) {
		t.Helper()
		got, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	tells(want)
	write(t, manifest, want+"half a li") // what a process leaves that was killed
	l = begin(2, 1)
	load(t, l, 0, timedAt(44, 1), timedAt(55, 1))
	commit(t, l, 2)
	final(t, l, 2)
	want += `{"file":"rows.000003.csv.gz","rows":2,"bytes":` + size("3") + `,"first_block":13,"last_block":44}` + "\n"
	tells(want)
	closed(t, l)
	anew := begin(3, 0)
	load(t, anew, 0, timedAt(1, 1))
	if _, err := os.Stat(manifest); err == nil {
		t.Error("it tells of files that have gone")
	}
}

// Files that are compressed can be read at any commit, and a rewind cuts them
// between two frames.
func TestCompression(t *testing.T) {
	for _, ending := range []string{".gz", ".zst"} {
		t.Run(ending, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "rows.jsonl"+ending)
			l := started(t, lined(path, nil), startOf(t, 1, 0))
			load(t, l, 0, eventsOf(1, 2)...)
			commit(t, l, 0)
			holds(t, dir, map[string]string{"rows.jsonl" + ending: "1 2"})
			load(t, l, 0, eventsOf(3)...)
			commit(t, l, 1)
			load(t, l, 0, eventsOf(4)...)
			commit(t, l, 2)
			load(t, l, 0, eventsOf(5)...)
			closed(t, l)
			holds(t, dir, map[string]string{"rows.jsonl" + ending: "1 2 3 4"})
			l = started(t, lined(path, nil), startOf(t, 2, 1))
			load(t, l, 0, eventsOf(44)...)
			commit(t, l, 2)
			closed(t, l)
			holds(t, dir, map[string]string{"rows.jsonl" + ending: "1 2 3 44"})
			other := lined(path, nil)
			other.Compression = plain
			stopped(t, other, startOf(t, 3, 2), "set path, rotate and compression as they were")
		})
	}
}

// A file that goes or is changed while it is written is noticed with the next
// commit, not with the next start.
func TestAFileThatGoesIsNoticed(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(path string) error
		want string
	}{
		"removed":   {os.Remove, "it has been removed or renamed while it was open"},
		"renamed":   {func(path string) error { return os.Rename(path, path+".old") }, "it has been removed or renamed while it was open"},
		"replaced":  {func(path string) error { return os.Rename(copied(path), path) }, "it has been replaced by another while it was open"},
		"shortened": {func(path string) error { return os.Truncate(path, 10) }, "somebody else has changed it while it was open"},
	} {
		for _, ending := range []string{"", ".gz", ".zst"} {
			t.Run(name+ending, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "rows.jsonl"+ending)
				l := started(t, lined(path, nil), startOf(t, 1, 0))
				load(t, l, 0, eventsOf(1, 2)...)
				commit(t, l, 1)
				if err := tt.do(path); err != nil {
					t.Fatal(err)
				}
				load(t, l, 0, eventsOf(3)...)
				says(t, l.Commit(t.Context(), commitOf(0)), path, tt.want, "put it back as it was", "--fresh")
			})
		}
	}
}

// copied is a copy of a file.
func copied(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(path+".copy", text, 0o600); err != nil {
		panic(err)
	}
	return path + ".copy"
}

// everything has what files could spoil.
type everything struct {
	BlockNumber uint64
	Text        string
	Note        *string
	Pair        common.Address
	Hash        common.Hash
	Value       uint256.Int
	Delta       *big.Int
	At          time.Time
	Data        []byte
	Ratio       float64
	Rough       float32
	Yes         bool
	Topics      []common.Hash
	Fee         struct {
		Bips uint16
		To   common.Address
	}
}

func (everything) TransitType() string { return "test.everything" }

func someOfEverything() []everything {
	note, empty := "a \"note\",\nwith lines", ""
	full := everything{
		BlockNumber: 7, Text: ` say "hi", all ` + "\r\n\u202e<&>", Note: &note, Pair: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Hash: common.Hash{1},
		Value: *new(uint256.Int).SetAllOne(), Delta: big.NewInt(-129), At: time.Date(2026, 11, 21, 1, 2, 3, 4, time.UTC), Data: []byte{0, 255},
		Ratio: 0.1, Rough: 0.1, Yes: true, Topics: []common.Hash{{2}, {3}},
	}
	full.Fee.Bips, full.Fee.To = 30, full.Pair
	return []everything{full, {BlockNumber: 8, Note: &empty, At: full.At}, {BlockNumber: 1 << 63, Text: `\.`, At: full.At}}
}

// What files hold has the digest of the rows that they were given.
func TestDigests(t *testing.T) {
	rows := someOfEverything()
	ranges := []digest.Range{{From: 0, To: 6}, {From: 7, To: 8}, {From: 8, To: 8}, {From: 9, To: 1<<64 - 1}}
	batch := plugintest.Batch(t, rows...)
	want := make([]digest.Range, len(ranges))
	for i, r := range ranges {
		want[i] = r
		for n := range rows {
			var row digest.Row
			for col := range batch.Record.Columns() {
				row.Value(batch.Value(col, n))
			}
			if sum := row.Digest(); rows[n].BlockNumber >= r.From && rows[n].BlockNumber <= r.To {
				want[i].Rows++
				want[i].Sum.Add(sum)
			}
		}
	}
	for name, layout := range map[string]func(transit.Type) layout{"jsonl": newLines, "csv": newTable} {
		for _, ending := range []string{"", ".gz", ".zst"} {
			for how, rotate := range map[string]*rotation{" in one": nil, " in several": {Rows: 1}} {
				t.Run(name+ending+how, func(t *testing.T) {
					l := &loader{Path: filepath.Join(t.TempDir(), "rows."+name+ending), Rotate: rotate, layout: layout, patience: short}
					start := startOf(t, 1, 0)
					start.Inputs[0] = plugintest.WireFrom[everything](t, "events", "input")
					asked := *l
					started(t, l, start)
					q := digest.Query{Column: "block_number", Ranges: ranges}
					if _, err := asked.Digest(t.Context(), start, q); err == nil {
						t.Error("files that are not there can be read")
					}
					load(t, l, 0, rows[:2]...)
					commit(t, l, 1)
					load(t, l, 0, rows[2:]...)
					commit(t, l, 2)
					final(t, l, 1)
					load(t, l, 0, rows...)
					commit(t, l, 0) // is part of no checkpoint
					got, err := asked.Digest(t.Context(), start, q)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}
