package compare

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf are the rows of a table in the order in which they were written.
type rowsOf []string

var three = rowsOf{"1, 'a'", "2, 'b'", "3, 'c'"}

// database writes a table t with these rows, and what a loader notes for itself.
func databaseWith(t *testing.T, rows rowsOf, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(dir, "deep", "rows.db"), append([]string{
		"CREATE TABLE t (block_number INTEGER, name TEXT)",
		"CREATE TABLE penstock_marks (checkpoint INTEGER)",
		"INSERT INTO penstock_marks SELECT abs(random())",
	}, append(inserts(rows), more...)...)...)
	return dir
}

func inserts(rows rowsOf) []string {
	var out []string
	for _, row := range rows {
		out = append(out, "INSERT INTO t VALUES ("+row+")")
	}
	return out
}

func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func fileWith(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func compared(t *testing.T, got, want string) Result {
	t.Helper()
	result, err := Trees(got, want)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestEqualRowsAreCounted(t *testing.T) {
	got := compared(t, databaseWith(t, three), databaseWith(t, three))
	if diff := cmp.Diff(Result{Sheets: []Sheet{{"deep/rows.db:t", 3}}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheFirstDifferenceOfATableIsNamed(t *testing.T) {
	row := func(n, name string) string { return "block_number=" + n + " name=" + name }
	tests := map[string]struct {
		rows rowsOf
		want Difference
	}{
		"missing": {
			rowsOf{"1, 'a'", "3, 'c'"},
			Difference{Kind: Lost, Row: 2, Got: `*block_number=3 *name="c"`, Want: `*block_number=2 *name="b"`, Lost: 1},
		},
		"missing at the end": {rowsOf{"1, 'a'", "2, 'b'"}, Difference{Kind: Lost, Row: 3, Want: row("3", `"c"`), Lost: 1}},
		"doubled": {
			rowsOf{"1, 'a'", "2, 'b'", "2, 'b'", "3, 'c'"},
			Difference{Kind: Twice, Row: 3, Got: `*block_number=2 *name="b"`, Want: `*block_number=3 *name="c"`, Foreign: 1},
		},
		"doubled at the end": {rowsOf{"1, 'a'", "2, 'b'", "3, 'c'", "1, 'a'"}, Difference{Kind: Twice, Row: 4, Got: row("1", `"a"`), Foreign: 1}},
		"of nowhere": {
			rowsOf{"1, 'a'", "2, 'b'", "9, 'x'", "3, 'c'"},
			Difference{Kind: Foreign, Row: 3, Got: `*block_number=9 *name="x"`, Want: `*block_number=3 *name="c"`, Foreign: 1},
		},
		"changed": {
			rowsOf{"1, 'a'", "2, 'B'", "3, 'c'"},
			Difference{Kind: Changed, Row: 2, Got: `block_number=2 *name="B"`, Want: `block_number=2 *name="b"`, Lost: 1, Foreign: 1},
		},
		"of another kind": {
			rowsOf{"1, 'a'", "2, 'b'", "3, x'63'"},
			Difference{Kind: Changed, Row: 3, Got: `block_number=3 *name=x'63'`, Want: `block_number=3 *name="c"`, Lost: 1, Foreign: 1},
		},
		"in another order": {
			rowsOf{"2, 'b'", "1, 'a'", "3, 'c'"},
			Difference{Kind: Order, Row: 1, Got: `*block_number=2 *name="b"`, Want: `*block_number=1 *name="a"`},
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got := compared(t, databaseWith(t, c.rows), databaseWith(t, three)).First
			c.want.Sheet = "deep/rows.db:t"
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTablesAndColumnsOfALoaderItselfAreLeftOut(t *testing.T) {
	with := []string{"ALTER TABLE t ADD penstock_checkpoint INTEGER", "UPDATE t SET penstock_checkpoint = 5"}
	if got := compared(t, databaseWith(t, three, with...), databaseWith(t, three)); got.First != nil {
		t.Errorf("a column of the loader's own: %v", got.First)
	}
}

func TestRowsStandInTheOrderThatTheLoaderKeeps(t *testing.T) {
	path := func(dir string) string { return filepath.Join(dir, "deep", "rows.db") }
	dir := databaseWith(t, three)
	run(t, path(dir), "ALTER TABLE t ADD penstock_row INTEGER", "UPDATE t SET penstock_row = 10 - rowid")
	backwards := databaseWith(t, rowsOf{"3, 'c'", "2, 'b'", "1, 'a'"})
	if got := compared(t, dir, backwards); got.First != nil {
		t.Errorf("ordered by penstock_row: %v", got.First)
	}
	if got := compared(t, dir, databaseWith(t, three)); got.First == nil || got.First.Kind != Order {
		t.Errorf("the order of rowid: got %v, want another order", got.First)
	}
}

func TestATableWithoutRowIDIsOrderedByItsColumns(t *testing.T) {
	make := func(rows ...string) string {
		dir := t.TempDir()
		run(t, filepath.Join(dir, "k.db"), append([]string{"CREATE TABLE t (name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID"}, inserts(rows)...)...)
		return dir
	}
	if got := compared(t, make("'a', 1", "'b', 2"), make("'b', 2", "'a', 1")); got.First != nil {
		t.Errorf("%v", got.First)
	}
}

func TestAMissingTableOrFileIsNamed(t *testing.T) {
	with, without := databaseWith(t, three, "CREATE TABLE other (n)"), databaseWith(t, three)
	if got := compared(t, without, with).First; got == nil || got.Kind != NoSheet || got.Sheet != "deep/rows.db:other" {
		t.Errorf("a table less: got %v", got)
	}
	if got := compared(t, with, without).First; got == nil || got.Kind != Extra || got.Sheet != "deep/rows.db:other" {
		t.Errorf("a table more: got %v", got)
	}
	if got := compared(t, t.TempDir(), fileWith(t, "rows.jsonl", "{}\n")).First; got == nil || got.Kind != NoSheet || got.Sheet != "rows.jsonl" {
		t.Errorf("a file less: got %v", got)
	}
}

func TestOtherColumnsAreNamed(t *testing.T) {
	got := compared(t, databaseWith(t, three, "ALTER TABLE t ADD extra"), databaseWith(t, three)).First
	if got == nil || got.Kind != Columns || got.Got != "block_number, name, extra" {
		t.Errorf("got %v, want the columns", got)
	}
}

func TestFilesAreComparedByteForByte(t *testing.T) {
	const want = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"
	tests := map[string]struct {
		content string
		kind    Kind
		row     int
	}{
		"equal":           {want, "", 0},
		"missing":         {"{\"n\":1}\n{\"n\":3}\n", Lost, 2},
		"doubled":         {"{\"n\":1}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n", Twice, 2},
		"order":           {"{\"n\":1}\n{\"n\":3}\n{\"n\":2}\n", Order, 2},
		"torn":            {want[:len(want)-3], Changed, 3},
		"without its end": {want[:len(want)-1], Changed, 3},
		"empty":           {"", Lost, 1},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			got := compared(t, fileWith(t, "rows.jsonl", c.content), fileWith(t, "rows.jsonl", want)).First
			switch {
			case c.kind == "" && got != nil:
				t.Errorf("got %v, want no difference", got)
			case c.kind != "" && (got == nil || got.Kind != c.kind || got.Row != c.row):
				t.Errorf("got %v, want %q at row %d", got, c.kind, c.row)
			}
		})
	}
}

func TestBookkeepingIsNotCompared(t *testing.T) {
	for _, name := range []string{"rows.db-wal", "rows.db-shm", "rows.jsonl.penstock", "rows.jsonl.penstock-marks", "rows.penstock.tmp"} {
		if got := compared(t, fileWith(t, name, "x"), t.TempDir()); got.First != nil {
			t.Errorf("%s is compared: %v", name, got.First)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, ".penstock"), os.DirFS(fileWith(t, "rows.csv", "1\n"))); err != nil {
		t.Fatal(err)
	}
	if got := compared(t, dir, t.TempDir()); got.First == nil || got.First.Sheet != ".penstock/rows.csv" {
		t.Errorf("rows in a directory of that name are not compared: got %v", got.First)
	}
}

func TestAFileThatMayStillChangeHasTheSameRows(t *testing.T) {
	part := fileWith(t, "rows.000001.csv.part", "1\n")
	if got := compared(t, part, fileWith(t, "rows.000001.csv", "1\n")); got.First != nil || len(got.Sheets) != 1 {
		t.Errorf("got %v, want the same file", got)
	}
	if err := os.WriteFile(filepath.Join(part, "rows.000001.csv"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := compared(t, part, fileWith(t, "rows.000001.csv", "1\n")); got.First == nil || got.First.Kind != Extra {
		t.Errorf("both are there: got %v, want one too many", got)
	}
}

func TestADifferenceIsToldInWords(t *testing.T) {
	d := compared(t, databaseWith(t, three[:2]), databaseWith(t, three)).First
	want := "deep/rows.db:t: a row is missing, first at row 3\n  got   nothing more\n  want  block_number=3 name=\"c\"\n  in all of it: 1 rows missing, 0 too many"
	if got := d.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheStateIsHowMuchThereIsAndHowFar(t *testing.T) {
	dir := databaseWith(t, three)
	if err := os.WriteFile(filepath.Join(dir, "rows.jsonl"), []byte("{\"block_number\":1}\n{\"block_number\":7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Look(dir)
	want := State{Counts: map[string]int64{"deep/rows.db:t": 3, "rows.jsonl": 38}, Block: 7}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := Look(filepath.Join(dir, "nowhere")); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a directory that is not there: got %v", err)
	}
	if got, err := Look(fileWith(t, "empty.csv", "")); err != nil || got.Block != 0 || len(got.Counts) != 1 {
		t.Errorf("an empty file: got %v, %v", got, err)
	}
}
