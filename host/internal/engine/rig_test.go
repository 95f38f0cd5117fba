package engine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
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

// patience bounds every wait of these tests. Only what hangs takes so long, also
// where the machine has much else to do and the race detector is on.
const patience = 3 * time.Minute

// rig is an engine over a pipeline written in HCL, with the test binary as the
// plugin of every step.
type rig struct {
	*engine.Engine
	t       *testing.T
	store   *store.Store
	memory  *store.Domain // of the first path
	close   func()        // the store, once
	runDirs []string      // where plugins have their sockets
	limit   time.Duration // of a run; 0: three times patience
	mu      sync.Mutex
	events  []engine.Event
	pids    []int
}

func newRig(t *testing.T, source string, tune func(*engine.Config)) *rig {
	t.Helper()
	r, err := tryRig(t, source, tune)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tryRig is newRig where the engine may refuse what an earlier one has left.
func tryRig(t *testing.T, source string, tune func(*engine.Config)) (*rig, error) {
	t.Helper()
	r := &rig{t: t}
	v := r.version(source, "")
	g := v.Graph
	cfg := engine.Config{
		Graph:   g,
		Logger:  v.logger,
		Launch:  v.launch,
		Restart: engine.Restart{First: time.Millisecond, Longest: 10 * time.Millisecond}, OpenTimeout: patience, HangAfter: patience,
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
	r.store = cfg.Store
	var err error
	if r.memory, err = r.store.Domain(g.Domains[0].Name); err != nil {
		t.Fatal(err)
	}
	r.close = sync.OnceFunc(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.close)
	if r.Engine, err = engine.New(cfg); err == nil {
		t.Cleanup(r.explain)
	}
	return r, err
}

// explain says of a test that has failed where its engine was by then.
func (r *rig) explain() {
	if !r.t.Failed() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		r.t.Logf("event: %+v", ev)
	}
	if status, err := json.Marshal(r.Status()); err == nil {
		r.t.Logf("status: %s", status)
	}
}

// version is a pipeline with a version of the test plugin.
type version struct {
	*graph.Graph
	logger hclog.Logger
	launch func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
}

// version resolves a pipeline with the plugin that the test binary is when it is
// told that it is of a version; see registers.
func (r *rig) version(source, name string) version {
	t := r.t
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "test", Level: hclog.Debug, Output: testWriter{t}})
	env := map[string]string{
		"PENSTOCK_PLUGIN": "1",                 // sent by every host; TestMain looks for it
		"GORACE":          "atexit_sleep_ms=0", // or a plugin takes a second to end
		testVersion:       name,
	}
	runDir := t.TempDir()
	r.runDirs = append(r.runDirs, runDir)
	plugins, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{"test": {Name: "test", Path: self, Env: env, Sandbox: config.Sandbox{Write: []string{os.TempDir()}}}},
		Logger:  logger, RunDir: runDir, LogLevel: "debug", StartTimeout: patience,
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
	launch := func(ctx context.Context, p *graph.Process) (*remote.Plugin, error) {
		plugin, err := plugins.Start(ctx, catalog.Start{Plugin: p.Register.Plugin, Step: p.Name(), Register: p.Register, Settings: p.Step.Settings, Logger: logger})
		if err == nil {
			r.mu.Lock()
			r.pids = append(r.pids, plugin.PID())
			r.mu.Unlock()
		}
		return plugin, err
	}
	return version{Graph: g, logger: logger, launch: launch}
}

// on makes a rig keep its checkpoints in a directory, where another one has
// left some or will find them.
func on(t *testing.T, dir string, tune func(*engine.Config)) func(*engine.Config) {
	t.Helper()
	return func(c *engine.Config) {
		c.Store = openStore(t, dir)
		c.Checkpoint.Every = 5 * time.Millisecond
		c.AcceptChanges = true // tests change what readers do
		if tune != nil {
			tune(c)
		}
	}
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// run runs the engine to its end, checks that no plugin process is left, and
// lets go of the store.
func (r *rig) run(ctx context.Context) error {
	r.t.Helper()
	defer r.close()
	limit := cmp.Or(r.limit, 3*patience)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := r.Run(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.t.Errorf("the engine did not end within %s", limit)
	}
	for _, pid := range r.started() {
		if syscall.Kill(pid, 0) == nil {
			r.t.Errorf("plugin process %d is left over", pid)
		}
	}
	return err
}

// begin runs the engine beside the test until end is called, or it ends by
// itself: end then only tells how.
func (r *rig) begin() (end func() error) {
	ctx, stop := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	end = sync.OnceValue(func() error {
		stop()
		return <-ended
	})
	r.t.Cleanup(func() { _ = end() })
	return end
}

// started are the plugin processes that there have been.
func (r *rig) started() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pids)
}

// path is the first one.
func (r *rig) path() engine.PathStatus { return r.Status()[0] }

// waitCommitted waits until the first path has a checkpoint of a block.
func (r *rig) waitCommitted(block uint64) {
	r.t.Helper()
	waitFor(r.t, fmt.Sprintf("a checkpoint of block %d", block), func() bool {
		s := r.path()
		return s.Committed != nil && *s.Committed >= block
	})
}

// waitState waits until the first path is in a state.
func (r *rig) waitState(state engine.PathState) {
	r.t.Helper()
	waitFor(r.t, "the path to become "+string(state), func() bool { return r.path().State == state })
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

// long skips a test where tests are to be short, which they are with the race
// detector: it triples what each start of a plugin costs.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// waitFor polls a condition until it holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s, %s long", what, patience)
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

// wantAll checks that rows are others, one by one.
func wantAll(t *testing.T, got, want []record) {
	t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("row %d of %d: got %+v, want %+v of %d", i, len(got), at(got, i), want[i], len(want))
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d: the first too many is %+v", len(got), len(want), got[len(want)])
	}
}

func at(rows []record, i int) any {
	if i < len(rows) {
		return rows[i]
	}
	return "none"
}
