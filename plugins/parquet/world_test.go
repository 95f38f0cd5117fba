package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.ServeSpawned(register(10 * time.Second))
	os.Exit(m.Run())
}

// chapter is what a block holds: rows of one of the inputs.
func chapter(seed, number, version uint64) (input int, rows []event) {
	r := rand.New(rand.NewPCG(seed<<20|number, version))
	for n := range r.IntN(40) {
		row := event{BlockNumber: number, Name: fmt.Sprint(number, " ", version, " ", n)}
		if r.IntN(2) == 0 {
			row.Note = &row.Name
		}
		rows = append(rows, row)
	}
	return r.IntN(2), rows
}

// layoutOf chooses how files are cut, by the seed.
func layoutOf(seed uint64) map[string]any {
	r := rand.New(rand.NewPCG(seed, 0))
	layout := map[string]any{"seal": []string{sealFinal, sealCheckpoint}[seed%2], "every": 5 + r.Uint64N(40), "row_group": 100}
	if r.IntN(2) == 0 {
		layout["rows"] = 20 + r.Int64N(200)
	}
	return layout
}

// shownIn are the files, by name, with their rows. Manifests name all of them,
// and nothing is half done.
func shownIn(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	if left := partsIn(tb, dir); len(left) > 0 {
		tb.Errorf("parts of files are left: %q", left)
	}
	files := map[string]string{}
	listed := map[string]bool{}
	for _, dataset := range []string{"a", "b"} {
		for _, e := range manifestOf(tb, dir, dataset).Files {
			listed[e.File] = true
		}
	}
	for _, name := range visible(tb, dir) {
		if strings.HasPrefix(name, "_") {
			continue
		}
		if !listed[name] {
			tb.Errorf("no manifest names %s", name)
		}
		delete(listed, name)
		files[name] = strings.Join(texts(tb, filepath.Join(dir, name), "name"), "\n")
	}
	if len(listed) > 0 {
		tb.Errorf("manifests name files that are not there: %v", listed)
	}
	return files
}

// litter leaves what a killed process may leave, also where this machine was
// too slow to kill one in the middle of that.
func litter(tb testing.TB, dir string, r *rand.Rand) {
	tb.Helper()
	hidden, err := filepath.Glob(filepath.Join(dir, ".penstock-*"))
	if err != nil || len(hidden) > 1 {
		tb.Fatalf("found %q, %v", hidden, err)
	}
	if len(hidden) == 0 {
		return // it was killed before it had begun
	}
	for _, name := range []string{"books.json.tmp", "file.tmp", "a.000999.000001.piece", "b.000001.000999.tail"} {
		if r.IntN(2) == 0 {
			write(tb, filepath.Join(hidden[0], name), "PAR1 half a fi")
		}
	}
	tails, err := filepath.Glob(filepath.Join(hidden[0], "*.tail"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, tail := range tails {
		if r.IntN(2) == 0 {
			continue
		}
		text, err := os.ReadFile(tail)
		if err != nil {
			tb.Fatal(err)
		}
		write(tb, tail, string(text)+"half a batch")
	}
}

// Whatever is killed whenever, and however often the chain reorganises, in the
// end the files are those of a run in which nothing has happened.
func TestDeathAtAnyMomentLeavesNoTrace(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			plugintest.Storm[event]{
				Register: "parquet",
				Block:    func(number, version uint64) (int, []event) { return chapter(seed, number, version) },
				Shelter: func(plugintest.TB) plugintest.Shelter {
					dir, settings := t.TempDir(), layoutOf(seed)
					settings["path"] = dir
					return plugintest.Shelter{
						Settings: settings,
						Kept:     func() map[string]string { return shownIn(t, dir) },
						Litter:   func(r *rand.Rand) { litter(t, dir, r) },
					}
				},
				Inputs: []string{"a", "b"}, Seed: seed,
			}.Check(t)
		})
	}
}
