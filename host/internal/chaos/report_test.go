package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/chaos/compare"
)

func TestFilesOfLoadersAreFoundByTheirPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"rows.db", "swaps.jsonl", "totals.000001.csv.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"rows.db": true, "{step}.jsonl": true, "totals.csv": true, "{step}.csv": true, "other.db": false, "{step}.parquet": false, "swaps": false,
	} {
		if got := (Loader{Paths: []string{"no such file", path}}).wrote(dir); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestAReportSaysAllThatIsWorthKnowing(t *testing.T) {
	r := Report{
		Seed: 7, Head: 120, Took: 12345 * time.Millisecond, Faults: map[string]int{"plugin killed": 2, "node busy": 1},
		Problems: []string{"the host did not end"}, NotCompared: []string{"swaps.show"}, Ends: []string{"exit code 1: no"},
		Result: compare.Result{
			Sheets: []compare.Sheet{{Name: "a.db:t", Rows: 10}, {Name: "b.jsonl", Rows: 5}},
			First:  &compare.Difference{Sheet: "a.db:t", Kind: compare.Twice, Row: 3, Got: "n=1", Want: "n=2", Foreign: 1},
		},
	}
	want := `seed 7: NOT EQUAL, block 120, 15 rows in 2 tables and files, 3 faults, 12.3s
  the host did not end
  a.db:t: a row is there too often, first at row 3
    got   n=1
    want  n=2
    in all of it: 0 rows missing, 1 too many
  faults: node busy 1, plugin killed 2
  the host ended by itself 1 times and was started again, last with exit code 1: no
  not compared, as they leave no file: swaps.show`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
