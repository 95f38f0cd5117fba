package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// rig is an engine over a pipeline written in HCL, with the test binary as the
// plugin of every step.
type rig struct {
	*engine.Engine
	t      *testing.T
	mu     sync.Mutex
	events []engine.Event
	pids   []int
}

func newRig(t *testing.T, source string, tune func(*engine.Config)) *rig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	logger := hclog.New(&hclog.LoggerOptions{Name: "test", Level: hclog.Debug, Output: testWriter{t}})
	env := map[string]string{
		"PENSTOCK_PLUGIN": "1",                 // sent by every host; TestMain looks for it
		"GORACE":          "atexit_sleep_ms=0", // or a plugin takes a second to end
	}
	plugins, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{"test": {Name: "test", Path: self, Env: env}},
		Logger:  logger, RunDir: t.TempDir(), LogLevel: "debug",
	})
	if err != nil {
		t.Fatal(err)
	}
	described := plugins.Describe(t.Context())
	for _, d := range described {
		if d.Err != nil {
			t.Fatal(d.Err)
		}
	}
	known := registry.New()
	if err := catalog.Register(known, described); err != nil {
		t.Fatal(err)
	}
	file, _ := config.Parse([]config.Source{{Name: "test.hcl", Bytes: []byte("network \"n\" {\n chain_id = 1\n endpoint \"e\" { url = \"http://127.0.0.1:1\" }\n}\n" + source)}}, config.Options{})
	model, diags := file.Resolve(known)
	g := (*graph.Graph)(nil)
	if !diags.HasErrors() {
		g, diags = graph.Build(model, known, &registry.MemoryNumbers{})
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	cfg := engine.Config{
		Graph:  g,
		Logger: logger,
		Launch: func(ctx context.Context, p *graph.Process) (*remote.Plugin, error) {
			plugin, err := plugins.Start(ctx, p.Register.Plugin, logger)
			if err == nil {
				r.mu.Lock()
				r.pids = append(r.pids, plugin.PID())
				r.mu.Unlock()
			}
			return plugin, err
		},
		Restart: engine.Restart{First: time.Millisecond, Longest: 10 * time.Millisecond},
		Events: func(ev engine.Event) {
			r.mu.Lock()
			r.events = append(r.events, ev)
			r.mu.Unlock()
		},
	}
	if tune != nil {
		tune(&cfg)
	}
	if cfg.Store == nil {
		cfg.Store = openStore(t, t.TempDir())
	}
	if r.Engine, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// run runs the engine to its end and checks that no plugin process is left.
func (r *rig) run(ctx context.Context) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := r.Run(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.t.Error("the engine did not end within a minute")
	}
	for _, pid := range r.pids {
		if syscall.Kill(pid, 0) == nil {
			r.t.Errorf("plugin process %d is left over", pid)
		}
	}
	return err
}

// was counts events that end in a state.
func (r *rig) was(step, to string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, ev := range r.events {
		if ev.Step == step && ev.To == to {
			n++
		}
	}
	return n
}

// waitFor polls a condition until it holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// lines are the rows that a test.file loader has written.
func lines(t *testing.T, path string) []record {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for line := range strings.Lines(string(raw)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		out = append(out, r)
	}
	return out
}

// wantRows checks that rows are those of blocks from to to, each once, in
// order, with values times factor.
func wantRows(t *testing.T, got []record, from, to, perBlock, factor uint64) {
	t.Helper()
	i := 0
	for b := from; b <= to; b++ {
		for n := range perBlock {
			want := record{BlockNumber: b, Value: (b*1000 + n) * factor}
			if i >= len(got) || got[i] != want {
				t.Fatalf("row %d of %d: got %+v, want %+v", i, len(got), at(got, i), want)
			}
			i++
		}
	}
	if i != len(got) {
		t.Errorf("got %d rows, want %d", len(got), i)
	}
}

func at(rows []record, i int) any {
	if i < len(rows) {
		return rows[i]
	}
	return "none"
}

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
	r := newRig(t, fmt.Sprintf(chain, "", "at = 20\n how = \"error\"", path, ""), func(c *engine.Config) { c.Restart.Max = 3 })
	err := r.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it failed 4 times within 1m0s, last in step doubles") {
		t.Errorf("got %v, want the budget of 3 restarts to be spent", err)
	}
	if n := r.was("doubles", string(engine.ProcessCrashed)); n != 4 {
		t.Errorf("the process crashed %d times, want 4", n)
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
