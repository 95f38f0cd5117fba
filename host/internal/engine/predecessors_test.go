package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk"
)

// These are the mistakes of the systems that this one follows, each as the case
// in which it showed. The number of each case stands in its name.

// whole tells of every tuple whether it is complete.
type whole struct{}

func (whole) Aggregate(_ context.Context, in pairs, emit func(number) error) error {
	n := number{BlockNumber: in.Span.End}
	if in.Span.Complete {
		n.Value = 1
	}
	return emit(n)
}

var _ sdk.Aggregating[pairs, number] = whole{}

const epochs = `
pipeline "p" {
  network = "n"
  from    = 1
  epoch {
    size   = 10
    offset = 2
  }
  reader "test.chain" "blocks" {
    head  = 40
    pause = "1ms"
    until = 122
    mark  = %[1]q
    %[2]s
  }
  aggregator "test.merge" "epochs" {
    inputs = { left = blocks, right = blocks }
    mark   = %[1]q
    policy "epoch" {}
    %[3]s
  }
  loader "test.file" "out" {
    input = epochs
    path  = %[4]q
  }
}`

// wantEpochs checks that the epochs of ten blocks from 1 to 120 are there, each
// once and made of the blocks that are on the chain.
func wantEpochs(t *testing.T, dir, path string) {
	t.Helper()
	var want []record
	for end := uint64(10); end <= 120; end += 10 {
		r := record{BlockNumber: end, Value: end / 10}
		for _, row := range rowsOf(t, dir, end-9, end, 3) {
			r.Value += 4 * row.Value * mergeWeight
		}
		want = append(want, r)
	}
	wantAll(t, lines(t, path), want)
}

// newest is the block of the last whole row of a file, 0 if there is none.
func newest(path string) uint64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	var r record
	for line := range strings.Lines(string(raw)) {
		if json.Unmarshal([]byte(line), &r) != nil {
			break
		}
	}
	return r.BlockNumber
}

// runEpochs runs the pipeline of epochs until its last epoch is loaded.
func runEpochs(t *testing.T, reader, aggregator string) (r *rig, dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "out")
	r = newRig(t, fmt.Sprintf(epochs, dir, reader, aggregator, path), nil)
	end := r.begin()
	waitFor(t, "the epoch that ends at block 120", func() bool {
		return newest(path) == 120
	})
	if err := end(); err != nil {
		t.Fatal(err)
	}
	return r, dir, path
}

func TestPredecessor01ReaderThatEndsWithAnErrorIsSeen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, "at = 250\n how = \"outage\"", "", path, ""), func(c *engine.Config) { c.Restart.Max = 2 })
	if err := r.run(t.Context()); err == nil || !strings.Contains(err.Error(), "last in step numbers") {
		t.Errorf("got %v, want that step numbers failed", err)
	}
	if s := r.path(); s.State != engine.PathError || !strings.Contains(s.Cause, "the fault that was asked for") {
		t.Errorf("the path is %s because of %q, want error, and why", s.State, s.Cause)
	}
	if n := r.was("numbers", string(engine.ProcessCrashed)); n != 3 {
		t.Errorf("the reader was restarted %d times, want 2 after the first", n-1)
	}
}

func TestPredecessor02EveryBlockOnceFromHistoryToTheHead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	r := newRig(t, fmt.Sprintf(`
pipeline "p" {
  network = "n"
  from    = 100
  reader "test.chain" "blocks" {
    per_block = 1
    head      = 450
    pause     = "1ms"
    mark      = %q
  }
  loader "test.file" "out" {
    input = blocks
    path  = %q
  }
}`, dir, path), nil)
	end := r.begin()
	r.waitState(engine.PathLive)
	r.waitCommitted(470)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	rows := lines(t, path)
	wantAll(t, rows, rowsOf(t, dir, 100, rows[len(rows)-1].BlockNumber, 1))
}

func TestPredecessor03EpochsGoOnAfterAReorganisation(t *testing.T) {
	t.Parallel()
	r, dir, path := runEpochs(t, "forks = [57]\n depth = 3", "")
	wantEpochs(t, dir, path)
	if r.path().Forks != 1 {
		t.Errorf("the path was taken back %d times, want once", r.path().Forks)
	}
}

func TestPredecessor06TwoSubscribersOfOneKindOnOneReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, fmt.Sprintf(`
pipeline "p" {
  network = "n"
  from    = 1
  to      = 200
  reader "test.count" "numbers" {}
  subscriber "test.double" "first"  { input = numbers }
  subscriber "test.double" "second" { input = numbers }
  loader "test.file" "one" {
    input = first
    path  = "%[1]s/one"
  }
  loader "test.file" "two" {
    input = second
    path  = "%[1]s/two"
  }
}`, dir), nil)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		wantRows(t, lines(t, filepath.Join(dir, name)), 1, 200, 3, 2)
	}
}

func TestPredecessor07FailedEpochAndTheNextAreBothDelivered(t *testing.T) {
	t.Parallel()
	_, dir, path := runEpochs(t, "", "at = 50\n how = \"panic\"")
	wantEpochs(t, dir, path)
}

func TestPredecessor08ComputationThatFailsIsRecordedAndTriedAgain(t *testing.T) {
	t.Parallel()
	r, dir, path := runEpochs(t, "", "at = 50\n how = \"error\"")
	wantEpochs(t, dir, path)
	if n := r.was("epochs", string(engine.ProcessCrashed)); n != 1 {
		t.Errorf("%d failures were recorded, want 1", n)
	}
}

func TestPredecessor11PluginThatHangsAtTheEndIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stuck := fmt.Sprintf(live, "", filepath.Join(dir, "stuck"), `slow = "1h"`)
	good := strings.Replace(fmt.Sprintf(live, "", filepath.Join(dir, "good"), ""), `"p"`, `"q"`, 1)
	r := newRig(t, stuck+good, func(c *engine.Config) { c.HardTerminateAfter = 15 * time.Second })
	end := r.begin()
	waitFor(t, "the good path to load 60 blocks and the other to be stuck", func() bool {
		all := r.Status()
		return all[0].Processes[1].RowsIn > 0 && all[1].Committed != nil && *all[1].Committed >= 60
	})
	err := end() // which checks that no process is left
	if err == nil || !strings.Contains(err.Error(), "pipeline p: it did not end within 15s") || strings.Contains(err.Error(), "pipeline q") {
		t.Errorf("got %v, want that p alone was cut off", err)
	}
	rows := lines(t, filepath.Join(dir, "good"))
	wantRows(t, rows, 1, rows[len(rows)-1].BlockNumber, 3, 1)
}

func TestPredecessor24SumWithoutOneOfItsInputsIsNotComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	r := newRig(t, fmt.Sprintf(`
pipeline "p" {
  network = "n"
  from    = 1
  reader "test.chain" "good" {
    head  = 1
    pause = "1ms"
    until = 40
    mark  = %[1]q
  }
  reader "test.chain" "missing" {
    head  = 1
    until = 20
    mark  = %[1]q
  }
  aggregator "test.whole" "sums" {
    inputs = { left = good, right = missing }
    policy "block" {
      timeout = "4s"
    }
  }
  loader "test.file" "out" {
    input = sums
    path  = %[2]q
  }
}`, dir, path), nil)
	end := r.begin()
	waitFor(t, "the sum of block 40", func() bool {
		return newest(path) == 40
	})
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for _, row := range lines(t, path) {
		if complete := row.Value == 1; complete != (row.BlockNumber <= 20) {
			t.Errorf("the sum of block %d says that it is complete: %t", row.BlockNumber, complete)
		}
	}
}

func TestPredecessor26KilledWorkerIsRestartedAlone(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.endsAt(t, 50)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(50)
	before := r.path().Processes
	if before[1].PID == 0 {
		t.Fatal("the worker does not run")
	}
	if err := syscall.Kill(before[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the worker to be restarted", func() bool { return r.path().Processes[1].Restarts == 1 && r.path().Processes[1].PID != 0 })
	for i, p := range r.path().Processes {
		if same := p.PID == before[i].PID; same == (i == 1) {
			t.Errorf("process %s: was %d and is %d", p.Step, before[i].PID, p.PID)
		}
	}
	s.goesOn(t)
	r.waitState(engine.PathStopped)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
}
