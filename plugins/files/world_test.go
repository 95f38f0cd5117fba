package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

// world is a history of rows, and a host that feeds them to loaders which die.
type world struct {
	Path  string
	CSV   bool
	Size  int64
	Rows  int64
	Gzip  bool
	Seed  uint64
	Moves int // how much there is to do

	Versions   []uint64 // of each move: a reorganisation makes it another one
	Marks      []recorded
	Number     uint64 // of the newest checkpoint
	Generation uint64
}

// recorded is a checkpoint: all moves before one are done.
type recorded struct {
	Checkpoint uint64
	Move       int
}

func newWorld(tb testing.TB, seed uint64) *world {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	w := &world{Seed: seed, CSV: r.IntN(2) == 0, Moves: 100 + r.IntN(100)}
	w.Versions = make([]uint64, w.Moves)
	if r.IntN(2) == 0 {
		w.Rows = 20 + r.Int64N(200)
	}
	if r.IntN(2) == 0 {
		w.Size = 1000 + r.Int64N(20000)
	}
	w.Gzip = r.IntN(3) == 0
	return w.in(tb.TempDir())
}

// in is the same world with its files in another directory, at its beginning.
func (w *world) in(dir string) *world {
	other := *w
	other.Path = filepath.Join(dir, "{step}.rows")
	if w.Gzip {
		other.Path += ".gz"
	}
	other.Marks, other.Number, other.Generation = nil, 0, 0
	other.Versions = slices.Clone(w.Versions)
	return &other
}

func (w *world) loader() *loader {
	l := &loader{Path: w.Path, layout: newLines, patience: 10 * time.Second}
	if w.Size > 0 || w.Rows > 0 {
		l.Rotate = &rotation{Size: gather.Size(w.Size), Rows: w.Rows}
	}
	if w.CSV {
		l.layout = newTable
	}
	return l
}

var names = []string{"", "a", "with, comma", `with "quotes"`, "two\nlines", strings.Repeat("long ", 50), " blank ", "é😀"}

// move is what the i-th move loads: rows of one of the inputs.
func (w *world) move(i int) (input int, rows []event) {
	r := rand.New(rand.NewPCG(w.Seed<<20|uint64(i), w.Versions[i]))
	for range r.IntN(40) {
		row := event{BlockNumber: r.Uint64(), Name: names[r.IntN(len(names))]}
		if r.IntN(2) == 0 {
			row.Note = &row.Name
		}
		rows = append(rows, row)
	}
	return r.IntN(2), rows
}

// open begins a loader at the newest checkpoint that is recorded.
func (w *world) open(tb testing.TB) (l *loader, from int) {
	tb.Helper()
	w.Generation++
	start := sdk.Start{
		Domain: "main", Step: "store", Generation: w.Generation,
		Inputs: []sdk.Input{input[event](tb, "a"), input[event](tb, "b")},
	}
	if n := len(w.Marks); n > 0 {
		start.Checkpoint, from = w.Marks[n-1].Checkpoint, w.Marks[n-1].Move
	}
	l = w.loader()
	if err := l.Start(tb.Context(), start); err != nil {
		tb.Fatal(err)
	}
	return l, from
}

// play makes the moves, with checkpoints in between that are told to record.
func (w *world) play(tb testing.TB, l *loader, from, to int, r *rand.Rand, record func(recorded)) {
	tb.Helper()
	for i := from; i < to; i++ {
		if input, rows := w.move(i); len(rows) > 0 {
			cut := r.IntN(len(rows)) + 1 // batches are cut anywhere
			load(tb, l, input, rows[:cut]...)
			load(tb, l, input, rows[cut:]...)
		}
		switch r.IntN(8) {
		case 0, 1:
			commit(tb, l, 0)
		case 2:
			w.Number += 1 + r.Uint64N(2) // they grow, but not by one always
			commit(tb, l, w.Number)
			record(recorded{w.Number, i + 1})
		}
	}
}

// finish comes to the end, of which all is final.
func (w *world) finish(tb testing.TB, l *loader, from int, r *rand.Rand) map[string]string {
	tb.Helper()
	w.play(tb, l, from, w.Moves, r, func(recorded) {})
	w.Number++
	commit(tb, l, w.Number)
	final(tb, l, w.Number)
	closed(tb, l)
	return kept(tb, filepath.Dir(w.Path))
}

// undisturbed is what the files of a run hold in which nothing fails.
func (w *world) undisturbed(tb testing.TB) map[string]string {
	tb.Helper()
	calm := w.in(tb.TempDir())
	l, from := calm.open(tb)
	return calm.finish(tb, l, from, rand.New(rand.NewPCG(w.Seed, 1)))
}

// forget drops what a host has not recorded when it dies with its loader.
func (w *world) forget(r *rand.Rand, finals int) {
	if len(w.Marks) > finals && r.IntN(3) == 0 {
		w.Marks = w.Marks[:len(w.Marks)-1]
	}
}

// litter leaves what a killed process may leave.
func (w *world) litter(tb testing.TB, r *rand.Rand) {
	tb.Helper()
	dir := filepath.Dir(w.Path)
	if r.IntN(2) == 0 {
		write(tb, booksIn(tb, dir)+".tmp", `{"penstock_fi`)
	}
	newest := map[string]string{} // by input: the others are on the disk
	for _, name := range slices.Sorted(maps.Keys(namesIn(tb, dir))) {
		if (w.Size == 0 && w.Rows == 0) || strings.HasSuffix(name, partial) {
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

// Whatever dies whenever, and however often the chain reorganises, in the end
// the files are those of a run in which nothing has happened.
func TestDeathAtAnyMomentLeavesNoTrace(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			r := rand.New(rand.NewPCG(seed, 2))
			finals := 0 // marks that cannot be undone
			for range 1 + r.IntN(12) {
				l, from := w.open(t)
				w.play(t, l, from, from+r.IntN(w.Moves-from), r, func(m recorded) {
					w.Marks = append(w.Marks, m)
					if r.IntN(3) == 0 {
						finals = max(finals, r.IntN(len(w.Marks))) // never the newest, of which the host may not know
						final(t, l, w.Marks[finals].Checkpoint)
					}
				})
				closed(t, l) // it writes nothing
				w.litter(t, r)
				w.forget(r, finals+1)
				if len(w.Marks) > finals+1 && r.IntN(4) == 0 {
					w.Marks = w.Marks[:finals+1+r.IntN(len(w.Marks)-finals-1)]
					for i := w.Marks[len(w.Marks)-1].Move; i < w.Moves; i++ {
						w.Versions[i]++
					}
				}
			}
			l, from := w.open(t)
			sameFiles(t, w.undisturbed(t), w.finish(t, l, from, r))
		})
	}
}

// worldEnv gives a process the world that it plays until it is killed.
const worldEnv = "PENSTOCK_FILES_TEST_WORLD"

// TestWriter is the process that TestKilledWriters kills.
func TestWriter(t *testing.T) {
	text := os.Getenv(worldEnv)
	if text == "" {
		t.Skip("it is run by another test")
	}
	var w world
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	l, from := w.open(t)
	tell := func(m recorded) {
		if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	w.play(t, l, from, w.Moves, rand.New(rand.NewPCG(w.Seed, w.Generation)), func(m recorded) {
		tell(m)
		if n := len(w.Marks); n > 0 {
			final(t, l, w.Marks[n-1].Checkpoint) // which the host has surely recorded
		}
		w.Marks = append(w.Marks, m)
	})
	w.Number++
	commit(t, l, w.Number)
	tell(recorded{w.Number, w.Moves})
	<-t.Context().Done() // until it is killed
}

// writeUntilKilled runs a process that writes, kills it at some moment after it
// has reached some checkpoints, and records those that it has told of.
func (w *world) writeUntilKilled(t *testing.T, r *rand.Rand) {
	t.Helper()
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	w.Generation++
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWriter$")
	cmd.Env = append(os.Environ(), worldEnv+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := bufio.NewScanner(out)
	for after := r.IntN(5); told.Scan(); after-- {
		var m recorded
		if err := json.Unmarshal(told.Bytes(), &m); err != nil {
			t.Fatalf("the writer says %q: %v", told.Text(), err)
		}
		w.Marks, w.Number = append(w.Marks, m), m.Checkpoint
		if after == 0 || m.Move > w.Moves-20 {
			<-time.After(time.Duration(r.IntN(int(3 * time.Millisecond)))) // anywhere between two checkpoints
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || ctx.Err() != nil {
		t.Fatal("the writer ended by itself")
	}
}

// The same with processes that are killed, anywhere.
func TestKilledWriters(t *testing.T) {
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			r := rand.New(rand.NewPCG(seed, 3))
			for len(w.Marks) == 0 || w.Marks[len(w.Marks)-1].Move < w.Moves-20 {
				w.writeUntilKilled(t, r)
			}
			l, from := w.open(t)
			sameFiles(t, w.undisturbed(t), w.finish(t, l, from, r))
		})
	}
}
