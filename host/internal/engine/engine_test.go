package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

const chain = `
pipeline "p" {
  network = "n"
  from    = 10
  to      = 500
  reader "test.count" "numbers" {
    %s
  }
  subscriber "test.double" "doubles" {
    input = numbers
    %s
  }
  loader "test.file" "out" {
    input = doubles
    path  = %q
    %s
  }
}`

// A backtest ends by itself with every row once, both ends inclusive.
func TestBacktestRunsToItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, "", "", path, ""), nil)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, lines(t, path), 10, 500, 3, 2)
	s := r.Status()[0]
	if s.State != engine.PathStopped || s.Committed == nil || *s.Committed != 500 {
		t.Errorf("the path is %s at %v, want stopped at 500", s.State, s.Committed)
	}
}

// Whatever goes wrong once in a process, the rows are those of a run in which
// nothing did.
func TestEveryRowOnceAfterAFault(t *testing.T) {
	for _, how := range []string{"error", "panic", "kill"} {
		for _, step := range []string{"reader", "subscriber", "loader"} {
			t.Run(step+" "+how, func(t *testing.T) {
				dir := t.TempDir()
				fault := fmt.Sprintf("at = 250\n how = %q\n mark = %q", how, dir)
				faults := map[string]string{step: fault}
				path := filepath.Join(dir, "out")
				r := newRig(t, fmt.Sprintf(chain, faults["reader"], faults["subscriber"], path, faults["loader"]), nil)
				if err := r.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantRows(t, lines(t, path), 10, 500, 3, 2)
				name := map[string]string{"reader": "numbers", "subscriber": "doubles", "loader": "out"}[step]
				if r.was(name, string(engine.ProcessCrashed)) != 1 {
					t.Errorf("%s was not seen to crash once: %v", name, r.events)
				}
			})
		}
	}
}

// What will not mend is not tried again, and the message says what it was.
func TestStopEndsThePathAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, "", "at = 20\n how = \"stop\"", path, ""), nil)
	err := r.run(t.Context())
	failed := (*engine.Failure)(nil)
	if !errors.As(err, &failed) || failed.Step != "doubles" || !strings.Contains(err.Error(), "the fault that was asked for") {
		t.Errorf("got %v, want a failure of step doubles", err)
	}
	if n := r.was("", string(engine.PathError)); n != 1 {
		t.Errorf("the path became error %d times, want once", n)
	}
}

// A process that fails again and again uses up the budget.
func TestRestartBudgetIsSpent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, "", "at = 20\n how = \"outage\"", path, ""), func(c *engine.Config) { c.Restart.Max = 3 })
	err := r.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it failed 4 times within 1m0s, last in step doubles") {
		t.Errorf("got %v, want the budget of 3 restarts to be spent", err)
	}
	if n := r.was("doubles", string(engine.ProcessCrashed)); n < 4 || n > 20 {
		t.Errorf("the process crashed %d times, want 4, and a few to see that no row is to blame", n)
	}
	if n := len(lines(t, path)); n > 30 {
		t.Errorf("%d rows are there, want none of block 20 or later", n)
	}
}

// One dead path does not take another down.
func TestAFailedPathLeavesTheOthersAlone(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	both := fmt.Sprintf(chain, "", "at = 20\n how = \"stop\"", bad, "") +
		strings.Replace(fmt.Sprintf(chain, "", "", good, ""), `"p"`, `"q"`, 1)
	if err := newRig(t, both, nil).run(t.Context()); err == nil {
		t.Error("the failure of p was not told")
	}
	wantRows(t, lines(t, good), 10, 500, 3, 2)
}

// A poison row is put aside and counted; the path goes on.
func TestPoisonIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	dir := t.TempDir()
	r := newRig(t, fmt.Sprintf(chain, "", fmt.Sprintf("at = 20\n how = \"poison\"\n mark = %q", dir), path, ""), nil)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, want := len(lines(t, path)), 491*3-1; n != want {
		t.Errorf("got %d rows, want %d", n, want)
	}
	if n := r.Status()[0].Processes[1].Poisoned; n != 1 {
		t.Errorf("%d rows are counted as poison, want 1", n)
	}
}

const live = `
pipeline "p" {
  network = "n"
  from    = 1
  reader "test.count" "numbers" {
    head  = 50
    pause = "2ms"
    %s
  }
  loader "test.file" "out" {
    input = numbers
    path  = %q
    %s
  }
}`

// Asked to stop, a live path drains: complete blocks only, each once.
func TestDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	ctx, stop := context.WithCancel(t.Context())
	r := newRig(t, fmt.Sprintf(live, "", path, ""), nil)
	ended := make(chan error)
	go func() { ended <- r.run(ctx) }()
	waitFor(t, "the path to be live at block 60", func() bool {
		s := r.Status()[0]
		return s.State == engine.PathLive && s.Committed != nil && *s.Committed >= 60
	})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	rows := lines(t, path)
	wantRows(t, rows, 1, rows[len(rows)-1].BlockNumber, 3, 1)
}

// A loader that does not end is cut off at the deadline, and the message says
// where the next start begins.
func TestDrainDeadline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	ctx, stop := context.WithCancel(t.Context())
	r := newRig(t, fmt.Sprintf(live, "", path, `slow = "1h"`), func(c *engine.Config) { c.HardTerminateAfter = 100 * time.Millisecond })
	ended := make(chan error)
	go func() { ended <- r.run(ctx) }()
	waitFor(t, "rows to reach the loader", func() bool { return r.Status()[0].Processes[1].RowsIn > 0 })
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "did not end within 100ms") {
		t.Errorf("got %v, want it to say that it did not drain", err)
	}
}

// A reorg begins again at the fork: what was retracted is there once.
func TestReorg(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, fmt.Sprintf("reorg_at = 300\n mark = %q", t.TempDir()), "", path, ""), nil)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, lines(t, path), 10, 500, 3, 2)
	if n := r.was("numbers", string(engine.ProcessCrashed)); n != 0 {
		t.Errorf("a reorg was taken for a crash %d times", n)
	}
}

// A slow consumer slows its producer; the host holds no more than an edge does.
func TestAFullEdgeHoldsItsProducerBack(t *testing.T) {
	long(t)
	path := filepath.Join(t.TempDir(), "out")
	ctx, stop := context.WithCancel(t.Context())
	r := newRig(t, strings.Replace(fmt.Sprintf(live, "per_block = 1000", path, `slow = "20ms"`), "50", "100000000", 1), func(c *engine.Config) { c.HardTerminateAfter = 100 * time.Millisecond })
	ended := make(chan error)
	go func() { ended <- r.run(ctx) }()
	waitFor(t, "the producer to be held back", func() bool {
		s := r.Status()[0].Processes[1]
		return len(s.Inputs) == 1 && s.Inputs[0].Breaches > 10
	})
	if in := r.Status()[0].Processes[1].Inputs[0]; in.Depth > in.Threshold || in.Bytes > 16<<20 {
		t.Errorf("the edge holds %d frames of %d bytes, more than it may", in.Depth, in.Bytes)
	}
	stop()
	if err := <-ended; err != nil && !strings.Contains(err.Error(), "did not end") {
		t.Error(err)
	}
}

// Two readers of different speed are joined block by block without piling up.
func TestJoinHoldsTheFasterInputBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(`
pipeline "p" {
  network = "n"
  from    = 1
  to      = 1000
  reader "test.count" "fast" {
    per_block = 100
  }
  reader "test.count" "slow" {
    per_block  = 1
    pause      = "100us"
    safe_every = 7
  }
  aggregator "test.join" "sums" {
    inputs = { left = fast, right = slow }
    policy "block" {
      max = 100000
    }
  }
  subscriber "test.double" "again" {
    input = fast
  }
  loader "test.file" "out" {
    input = again
    path  = %q
  }
}`, path), nil)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Status()[0].Processes {
		if p.Step == "sums" && p.RowsOut != 1000 {
			t.Errorf("%d tuples came out, want one for each of 1000 blocks", p.RowsOut)
		}
	}
	wantRows(t, lines(t, path), 1, 1000, 100, 2)
}
