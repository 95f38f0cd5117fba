package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.ServeSpawned(registers(10 * time.Second)...)
	os.Exit(m.Run())
}

// Names that lines and tables have to write with care.
var names = []string{"", "a", "with, comma", `with "quotes"`, "two\nlines", strings.Repeat("long ", 50), " blank ", "é😀"}

// chapter is what a block holds: rows of one of the inputs.
func chapter(seed, number, version uint64) (input int, rows []event) {
	r := rand.New(rand.NewPCG(seed<<20|number, version))
	for range r.IntN(40) {
		row := event{BlockNumber: r.Uint64(), Name: names[r.IntN(len(names))]}
		if r.IntN(2) == 0 {
			row.Note = &row.Name
		}
		rows = append(rows, row)
	}
	return r.IntN(2), rows
}

// layouts of files are chosen by the seed.
type layouts struct {
	register, ending string
	rotate           map[string]any
}

func layoutOf(seed uint64) layouts {
	r := rand.New(rand.NewPCG(seed, 0))
	l := layouts{register: []string{"jsonl", "csv"}[seed%2], rotate: map[string]any{}}
	if r.IntN(2) == 0 {
		l.rotate["rows"] = 20 + r.Int64N(200)
	}
	if r.IntN(2) == 0 {
		l.rotate["size"] = fmt.Sprint(1000+r.Int64N(20000), "B")
	}
	if r.IntN(3) == 0 {
		l.ending = ".gz"
	}
	return l
}

// settings are those of a step that keeps its files in a directory.
func (l layouts) settings(dir string) map[string]any {
	s := map[string]any{"path": filepath.Join(dir, "{step}.rows"+l.ending)}
	if len(l.rotate) > 0 {
		s["rotate"] = l.rotate
	}
	return s
}

// litter leaves what a killed process may leave, also where this machine was
// too slow to kill one in the middle of that.
func (l layouts) litter(tb testing.TB, dir string, r *rand.Rand) {
	tb.Helper()
	if books, err := filepath.Glob(filepath.Join(dir, ".penstock-*.json")); err == nil && len(books) == 1 && r.IntN(2) == 0 {
		write(tb, books[0]+".tmp", `{"penstock_fi`)
	}
	newest := map[string]string{} // by input: the others are on the disk
	for _, name := range slices.Sorted(maps.Keys(namesIn(tb, dir))) {
		if len(l.rotate) == 0 || strings.HasSuffix(name, partial) {
			newest[name[:1]] = name
		}
	}
	for _, name := range newest {
		if r.IntN(2) == 0 {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			tb.Fatal(err)
		}
		_, err = f.WriteString(`half a "li`)
		if err := errors.Join(err, f.Close()); err != nil {
			tb.Fatal(err)
		}
	}
}

// Whatever is killed whenever, and however often the chain reorganises, in the
// end the files are those of a run in which nothing has happened, byte by byte.
func TestDeathAtAnyMomentLeavesNoTrace(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			l := layoutOf(seed)
			plugintest.Storm[event]{
				Register: l.register,
				Block:    func(number, version uint64) (int, []event) { return chapter(seed, number, version) },
				Shelter: func(plugintest.TB) plugintest.Shelter {
					dir := t.TempDir()
					return plugintest.Shelter{
						Settings: l.settings(dir),
						Kept:     func() map[string]string { return kept(t, dir) },
						Litter:   func(r *rand.Rand) { l.litter(t, dir, r) },
					}
				},
				Inputs: []string{"a", "b"}, Seed: seed,
			}.Check(t)
		})
	}
}
