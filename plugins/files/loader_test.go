package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// transfer has values that files could spoil.
type transfer struct {
	BlockNumber uint64
	Token       common.Address
	Amount      uint256.Int
	Name        string
	Note        *string
	Topics      []common.Hash
}

func (transfer) TransitType() string { return "test.transfer" }

func transfers() []transfer {
	note, empty := "a note", ""
	return []transfer{
		{
			BlockNumber: 1 << 60, Token: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
			Amount: *new(uint256.Int).SetAllOne(), Name: `say "hi", all`, Note: &note, Topics: []common.Hash{{31: 1}, {31: 2}},
		},
		{Name: "two\nlines", Note: &empty},
		{Name: " =1+1 "},
	}
}

func TestJSONLines(t *testing.T) {
	dir := t.TempDir()
	p := plugintest.Run(t, registers(short)...)
	plugintest.Load(t, p, "jsonl", map[string]any{"path": filepath.Join(dir, "rows.jsonl")}, plugintest.In(t, "input", transfers()...))
	const want = `{"block_number":1152921504606846976,"token":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935","name":"say \"hi\", all","note":"a note","topics":["0x0000000000000000000000000000000000000000000000000000000000000001","0x0000000000000000000000000000000000000000000000000000000000000002"]}
{"block_number":0,"token":"0x0000000000000000000000000000000000000000","amount":"0","name":"two\nlines","note":"","topics":[]}
{"block_number":0,"token":"0x0000000000000000000000000000000000000000","amount":"0","name":" =1+1 ","note":null,"topics":[]}
`
	got := kept(t, dir)["rows.jsonl"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(got) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

func TestCSV(t *testing.T) {
	dir := t.TempDir()
	p := plugintest.Run(t, registers(short)...)
	plugintest.Load(t, p, "csv", map[string]any{"path": filepath.Join(dir, "rows.csv")}, plugintest.In(t, "input", transfers()...))
	const want = `block_number,token,amount,name,note,topics
1152921504606846976,0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed,115792089237316195423570985008687907853269984665640564039457584007913129639935,"say ""hi"", all",a note,"[""0x0000000000000000000000000000000000000000000000000000000000000001"",""0x0000000000000000000000000000000000000000000000000000000000000002""]"
0,0x0000000000000000000000000000000000000000,0,"two
lines","",[]
0,0x0000000000000000000000000000000000000000,0," =1+1 ",,[]
`
	got := kept(t, dir)["rows.csv"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	records, err := csv.NewReader(strings.NewReader(got)).ReadAll()
	if err != nil || len(records) != 4 || records[1][3] != `say "hi", all` || records[2][3] != "two\nlines" {
		t.Errorf("read back %q, %v", records, err)
	}
}

type lonely struct{ Name *string }

func (lonely) TransitType() string { return "test.lonely" }

func TestARowOfOneNullIsARow(t *testing.T) {
	layout := newTable(plugintest.WireFrom[lonely](t, "rows", "input").Type)
	line := layout.row(layout.header(), plugintest.Batch(t, lonely{}), 0)
	if got, want := string(line), "name\n\"\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	line := quoted([]byte("a,\xff\xfe,b"), 2)
	if got, want := string(line), "a,\"\uFFFD,b\""; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Rows are seen after a commit, and rotation ends files by what is in them.
func TestFilesAreSealedWhenNothingCanChangeThem(t *testing.T) {
	dir := t.TempDir()
	l := started(t, lined(filepath.Join(dir, "{step}.jsonl"), &rotation{Rows: 2}), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 3)...)
	commit(t, l, 0)
	holds(t, dir, map[string]string{"events.000001.jsonl.part": "1 2", "events.000002.jsonl.part": "3"})
	commit(t, l, 1)
	load(t, l, 0, eventsOf(4)...)
	commit(t, l, 2)
	load(t, l, 0, eventsOf(5)...)
	commit(t, l, 3)
	holds(t, dir, map[string]string{"events.000001.jsonl.part": "1 2", "events.000002.jsonl.part": "3 4", "events.000003.jsonl.part": "5"})
	final(t, l, 1)
	holds(t, dir, map[string]string{"events.000001.jsonl": "1 2", "events.000002.jsonl.part": "3 4", "events.000003.jsonl.part": "5"})
	final(t, l, 2) // the second file is full, but what comes next is in none yet
	holds(t, dir, map[string]string{"events.000001.jsonl": "1 2", "events.000002.jsonl.part": "3 4", "events.000003.jsonl.part": "5"})
	final(t, l, 3)
	holds(t, dir, map[string]string{"events.000001.jsonl": "1 2", "events.000002.jsonl": "3 4", "events.000003.jsonl.part": "5"})
	closed(t, l)

	stopped(t, lined(filepath.Join(dir, "{step}.jsonl"), &rotation{Rows: 2}), startOf(t, 2, 2), "checkpoint 2", "--fresh")
	if err := os.Remove(filepath.Join(dir, "events.000001.jsonl")); err != nil { // which is allowed
		t.Fatal(err)
	}
	l = started(t, lined(filepath.Join(dir, "{step}.jsonl"), &rotation{Rows: 2}), startOf(t, 2, 3))
	load(t, l, 0, eventsOf(6, 7)...)
	commit(t, l, 4)
	closed(t, l)
	holds(t, dir, map[string]string{"events.000002.jsonl": "3 4", "events.000003.jsonl.part": "5 6", "events.000004.jsonl.part": "7"})
}

func TestSealingGoesOnAfterACrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	l := started(t, lined(path, &rotation{Rows: 1}), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 3, 4)...)
	commit(t, l, 1)
	final(t, l, 1)
	closed(t, l)
	for _, n := range []string{"2", "3"} { // as if it had died before it renamed them
		name := filepath.Join(dir, "rows.00000"+n+".jsonl")
		if err := os.Rename(name, name+partial); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, started(t, lined(path, &rotation{Rows: 1}), startOf(t, 2, 1)))
	holds(t, dir, map[string]string{"rows.000001.jsonl": "1", "rows.000002.jsonl": "2", "rows.000003.jsonl": "3", "rows.000004.jsonl.part": "4"})
}

func TestRotationBySize(t *testing.T) {
	dir := t.TempDir()
	line := int64(len(`{"block_number":1,"name":"a","note":null}` + "\n"))
	l := started(t, lined(filepath.Join(dir, "rows.jsonl"), &rotation{Size: gather.Size(2 * line)}), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 3)...)
	load(t, l, 0, event{BlockNumber: 4, Name: strings.Repeat("long", 100)}) // has a file for itself
	load(t, l, 0, eventsOf(5)...)
	commit(t, l, 1)
	holds(t, dir, map[string]string{
		"rows.000001.jsonl.part": "1 2", "rows.000002.jsonl.part": "3", "rows.000003.jsonl.part": "4", "rows.000004.jsonl.part": "5",
	})
}

func TestEveryCSVFileHasAHeader(t *testing.T) {
	dir := t.TempDir()
	l := &loader{Path: filepath.Join(dir, "rows.csv"), Rotate: &rotation{Rows: 1}, layout: newTable, patience: short}
	started(t, l, startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1, 2)...)
	commit(t, l, 1)
	want := map[string]string{
		"rows.000001.csv.part": "block_number,name,note\n1,a,\n",
		"rows.000002.csv.part": "block_number,name,note\n2,a,\n",
	}
	if diff := cmp.Diff(want, kept(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// To begin anew removes what the step has written, and nothing else, and not
// before its source has said anything.
func TestBeginningAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	l := started(t, lined(path, &rotation{Rows: 1}), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1, 2, 3)...)
	commit(t, l, 1)
	final(t, l, 1)
	load(t, l, 0, eventsOf(4)...)
	commit(t, l, 0)
	closed(t, l)
	other := startOf(t, 1, 0)
	other.Step = "another"
	second := started(t, lined(filepath.Join(dir, "others.jsonl"), nil), other)
	load(t, second, 0, eventsOf(7)...)
	commit(t, second, 1)
	closed(t, second)
	write(t, filepath.Join(dir, "rows.txt"), "mine")

	l = started(t, lined(filepath.Join(dir, "new.jsonl"), nil), startOf(t, 2, 0))
	commit(t, l, 0)
	if n := len(kept(t, dir)); n != 6 {
		t.Errorf("there are %d files, want 6: nothing goes before there is a sign of life", n)
	}
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 0)
	holds(t, dir, map[string]string{"others.jsonl": "7", "rows.txt": "mine", "new.jsonl": "1"})
}

func TestBeginningAnewWithoutRows(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	l := started(t, lined(path, nil), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	closed(t, l)
	l = started(t, lined(path, nil), startOf(t, 2, 0))
	if err := l.Commit(t.Context(), sdk.Commit{Cursor: &sdk.Cursor{Block: 5}}); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{})
}

// A step may read more or fewer steps than it did.
func TestInputsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	begin := func(generation, checkpoint uint64, steps ...string) *loader {
		start := startOf(t, generation, checkpoint)
		start.Inputs = nil
		for _, name := range steps {
			start.Inputs = append(start.Inputs, plugintest.WireFrom[event](t, name, "input"))
		}
		return started(t, lined(filepath.Join(dir, "{step}.jsonl"), nil), start)
	}
	l := begin(1, 0, "a", "b")
	load(t, l, 0, eventsOf(1)...)
	load(t, l, 1, eventsOf(2)...)
	commit(t, l, 1)
	load(t, l, 1, eventsOf(3)...)
	commit(t, l, 0)
	closed(t, l)

	l = begin(2, 1, "a", "c")
	holds(t, dir, map[string]string{"a.jsonl": "1", "b.jsonl": "2"})
	load(t, l, 1, eventsOf(4)...)
	commit(t, l, 2)
	closed(t, l)

	l = begin(3, 2, "b")
	load(t, l, 0, eventsOf(5)...)
	commit(t, l, 3)
	holds(t, dir, map[string]string{"a.jsonl": "1", "b.jsonl": "2 5", "c.jsonl": "4"})
}

func TestInstancesOfAStep(t *testing.T) {
	for step, want := range map[string]string{
		"swaps": "swaps.csv", `swaps["weth/usdc"]`: "swaps-weth-usdc.csv", `a["../x"]`: "a-..-x.csv", `pools["é_1"]`: "pools-é_1.csv",
	} {
		if got := nameFor("out/{step}.csv", step); got != want {
			t.Errorf("%s: got %s, want %s", step, got, want)
		}
	}
}

// One process writes at a time, and none that is older than another.
func TestFencing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	old := started(t, lined(path, nil), startOf(t, 5, 0))
	load(t, old, 0, eventsOf(1)...)
	commit(t, old, 1)
	newer := lined(path, nil)
	err := newer.Start(t.Context(), startOf(t, 6, 1))
	says(t, err, ".lock", "another process", "(process ", "end it")
	closed(t, newer)

	closed(t, old)
	newer = started(t, lined(path, nil), startOf(t, 6, 1))
	load(t, newer, 0, eventsOf(2)...)
	commit(t, newer, 2)
	closed(t, newer)
	stopped(t, lined(path, nil), startOf(t, 5, 1), "generation 6", "generation 5", "must not write", booksIn(t, dir))
	holds(t, dir, map[string]string{"rows.jsonl": "1 2"})
	closed(t, started(t, lined(path, nil), startOf(t, 6, 2)))
}

// A process waits for one that outlives its host by moments.
func TestTheNextProcessWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	old := started(t, lined(path, nil), startOf(t, 1, 0))
	l := lined(path, nil)
	l.patience = plugintest.Patience
	begun := make(chan error, 1)
	start := startOf(t, 2, 0)
	ctx := t.Context()
	go func() { begun <- l.Start(ctx, start) }()
	closed(t, old)
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	closed(t, l)
}

func TestCheckpointsThatTheFilesDoNotKnow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	stopped(t, lined(path, nil), startOf(t, 1, 7), "checkpoint 7", "does not know it", "put them back", "--fresh")
	l := started(t, lined(path, nil), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	load(t, l, 0, eventsOf(2)...)
	commit(t, l, 2)
	closed(t, l)
	stopped(t, lined(path, nil), startOf(t, 2, 3), "checkpoint 3", "does not know it")
	holds(t, dir, map[string]string{"rows.jsonl": "1 2"})
	l = started(t, lined(path, nil), startOf(t, 2, 1)) // it was one ahead of its host
	commit(t, l, 0)
	holds(t, dir, map[string]string{"rows.jsonl": "1"})
	closed(t, l)
	stopped(t, lined(path, nil), startOf(t, 3, 2), "checkpoint 2", "does not know it")
}

// What a process leaves that dies while it writes the books.
func TestALeftoverOfTheBooks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.jsonl")
	l := started(t, lined(path, nil), startOf(t, 1, 0))
	load(t, l, 0, eventsOf(1)...)
	commit(t, l, 1)
	closed(t, l)
	write(t, booksIn(t, dir)+".tmp", `{"penstock_files":1,"dom`)
	closed(t, started(t, lined(path, nil), startOf(t, 2, 1)))
	holds(t, dir, map[string]string{"rows.jsonl": "1"})
}

func TestMistakes(t *testing.T) {
	p := plugintest.Run(t, registers(short)...)
	for settings, want := range map[string]string{
		`{}`:                                       "path: is required",
		`{"path": ""}`:                             "path is empty",
		`{"path": "out/"}`:                         "add the name of a file",
		`{"path": "{step}/rows.csv"}`:              "not in that of a directory",
		`{"path": "{stpe}.csv"}`:                   "there is no {stpe}",
		`{"path": "rows.csv.part"}`:                "the ending .part",
		`{"path": "a", "rotate": {}}`:              "neither size nor rows, blocks or every",
		`{"path": "a", "rotate": {"rows": -1}}`:    "rows is -1",
		`{"path": "a", "rotate": {"size": "128"}}`: `such as "128MiB"`,
		`{"path": "a", "rotate": {"size": "0B"}}`:  "that is no size",
	} {
		if got := plugintest.Mistakes(t, p, "csv", settings); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
	}
	if got := plugintest.Mistakes(t, p, "jsonl", `{"path": "{step}.jsonl", "rotate": {"size": "1.5GiB", "rows": 10}}`); got != nil {
		t.Errorf("good settings are refused: %q", got)
	}
}
