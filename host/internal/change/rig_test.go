package change_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// files is what the host of a rig runs: numbers that go through plugin math
// twice, and beside it a pipeline that has nothing to do with that.
const files = `
network "n" {
  chain_id = 1
  endpoint "e" { url = "http://127.0.0.1:1" }
}
BLOCKS
pipeline "p" {
  reader "ends.count" "count" {}
  subscriber "math.times" "times" { limit = 7 }
  subscriber "math.plus" "plus" { input = times }
  loader "ends.file" "file" {
    input   = plus
    path    = "DIR/out"
    stop_if = "DIR/stop"
  }
}
pipeline "beside" {
  reader "ends.count" "slow" { pause = "20ms" }
  loader "ends.file" "other" {
    input = slow
    path  = "DIR/beside"
  }
}
`

// rig is a host without its command: an engine that runs, and changes of it.
type rig struct {
	*change.Changes
	t        *testing.T
	dir      string
	engine   *engine.Engine
	store    *store.Store
	graph    *graph.Graph
	project  *project.Project
	end      func() error // stops the host, once
	mu       sync.Mutex
	events   []engine.Event
	finished []change.Record
}

// tuning is what is different in a rig.
type tuning struct {
	dir    string // that an earlier rig has left
	blocks string // more in the file
	watch  bool
	link   bool // the binary in the plugin directory is a link
	tune   func(*engine.Config)
	// networks is told which networks there are.
	networks change.Networks
}

func begin(t *testing.T, with tuning) *rig {
	t.Helper()
	r := &rig{t: t, dir: with.dir}
	if r.dir == "" {
		r.dir = t.TempDir()
		place(t, filepath.Join(r.dir, "plugins", "ends"), "ends")
		if with.link {
			if err := os.Symlink(r.variant("1"), r.installed()); err != nil {
				t.Fatal(err)
			}
		} else {
			place(t, r.installed(), "1")
		}
		text := strings.NewReplacer("DIR", r.dir, "BLOCKS", with.blocks).Replace(files)
		if err := os.WriteFile(r.path("p.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logger := hclog.New(&hclog.LoggerOptions{Name: "test", Level: hclog.Debug, Output: testWriter{t}})
	options := project.Options{Path: r.path("p.hcl"), PluginDir: r.path("plugins"), DataDir: r.path("data"), Check: true, Dev: true, Logger: logger, LogLevel: "debug"}
	var err error
	if r.project, err = project.Load(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if r.project.Diags.HasErrors() {
		t.Fatal(r.project.Diags)
	}
	r.start(options, with)
	return r
}

// start does what penstock run does.
func (r *rig) start(options project.Options, with tuning) {
	t := r.t
	t.Helper()
	var err error
	if r.store, err = store.Open(r.project.DataDir); err != nil {
		t.Fatal(err)
	}
	sockets, err := r.store.RunDir()
	if err != nil {
		t.Fatal(err)
	}
	r.graph, _ = graph.Build(r.project.Model, r.project.Registry, r.store)
	plugins := r.project.Catalog.In(sockets)
	cfg := engine.Config{
		Graph: r.graph, Store: r.store, Logger: options.Logger, Checkpoint: engine.CheckpointConfig{Every: 20 * time.Millisecond},
		Restart: engine.Restart{First: time.Millisecond, Longest: 10 * time.Millisecond},
		Launch: func(ctx context.Context, p *graph.Process) (*remote.Plugin, error) {
			return plugins.Start(ctx, catalog.Start{Plugin: p.Register.Plugin, Step: p.Name(), Register: p.Register, Settings: p.Step.Settings, Logger: options.Logger})
		},
		Events: r.tell,
	}
	if with.tune != nil {
		with.tune(&cfg)
	}
	if r.engine, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.Changes = change.New(change.Config{
		Project: r.project, Options: options, Graph: r.graph, Engine: r.engine, Store: r.store, Catalog: plugins, Watch: with.watch, Networks: with.networks,
		Events: r.tell, Logger: options.Logger,
		Swapped: func(record change.Record) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.finished = append(r.finished, record)
		},
	})
	r.end = r.live()
	t.Cleanup(func() { _ = r.end() })
	waitFor(t, "the first checkpoint", func() bool { return r.engine.Status()[0].Checkpoint != nil })
}

// live runs the engine and its changes until what is returned is called.
func (r *rig) live() (end func() error) {
	ctx, stop := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	changing, refuse := context.WithCancel(ctx)
	beside.Go(func() { r.Run(changing) })
	ended := make(chan error, 1)
	go func() { ended <- r.engine.Run(ctx) }()
	return sync.OnceValue(func() error {
		stop()
		err := <-ended
		refuse()
		beside.Wait()
		r.project.Catalog.Close()
		return errors.Join(err, r.store.Close())
	})
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// installed is the binary of plugin math in the plugin directory.
func (r *rig) installed() string { return r.path("plugins/math") }

func (r *rig) tell(ev engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

// variant makes a binary beside the plugin directory.
func (r *rig) variant(name string) string {
	return place(r.t, r.path("built/math-"+name), name)
}

// quick is a swap to a variant with a short probation.
func (r *rig) quick(name string) change.SwapRequest {
	r.t.Helper()
	return change.SwapRequest{Plugin: "math", Path: r.variant(name), Probation: 50 * time.Millisecond}
}

// swap swaps to a variant, which has to work.
func (r *rig) swap(name string, steps ...string) change.Record {
	r.t.Helper()
	request := r.quick(name)
	request.Steps = steps
	record, err := r.Swap(r.t.Context(), request)
	if err != nil {
		r.t.Fatalf("swap to %s: %v", name, err)
	}
	if record.Outcome != store.SwapCommitted {
		r.t.Fatalf("swap to %s: it is %q, want committed", name, record.Outcome)
	}
	return record
}

// rollback takes the newest swap back, which has to work.
func (r *rig) rollback() change.Record {
	r.t.Helper()
	record, err := r.Rollback(r.t.Context(), change.RollbackRequest{Plugin: "math", Probation: 50 * time.Millisecond})
	if err != nil {
		r.t.Fatalf("roll back: %v", err)
	}
	return record
}

// refused checks that a swap is refused for a reason, that the old bytes run on,
// and that nothing but a record is left of it.
func (r *rig) refused(request change.SwapRequest, want ...string) change.Record {
	r.t.Helper()
	before := r.runs()
	record, err := r.Swap(r.t.Context(), request)
	if err == nil {
		r.t.Fatalf("the swap became %q, want that it is refused", record.Outcome)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			r.t.Errorf("the error does not say %q:\n%v", text, err)
		}
	}
	if record.Plugin != "" && record.Outcome != store.SwapRefused {
		r.t.Errorf("the record says %q, want refused", record.Outcome)
	}
	if now := r.runs(); now != before {
		r.t.Errorf("plugin math runs variant %s, want %s as before", now, before)
	}
	if digest := digestOf(request.Path); slices.Contains(r.kept(), digest) && filepath.Dir(request.Path) != r.path("plugins") {
		r.t.Errorf("the bytes of %s are still in the host's store", request.Path)
	}
	return record
}

// digestOf is the digest of a file in hex, "" if it has none.
func digestOf(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// kept are the names of the binaries in the host's store.
func (r *rig) kept() []string {
	r.t.Helper()
	entries, err := os.ReadDir(r.path("data/plugins/sha256"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// runs waits for a new row and tells which variant has made it.
func (r *rig) runs() (variant string) {
	r.t.Helper()
	before := r.written()
	waitFor(r.t, "another row", func() bool {
		now := r.written()
		if now <= before {
			return false
		}
		last := r.lastRow()
		variant = fmt.Sprint(last.Value % 10)
		return last != number{}
	})
	return variant
}

// written is how much the loader has written.
func (r *rig) written() int64 {
	info, err := os.Stat(r.path("out"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// lastRow is the newest whole row that the loader has written.
func (r *rig) lastRow() (n number) {
	r.t.Helper()
	f, err := os.Open(r.path("out"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	end := make([]byte, 256)
	read, _ := f.ReadAt(end, max(r.written()-int64(len(end)), 0))
	lines := strings.SplitAfter(string(end[:read]), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &n) == nil {
			return n
		}
	}
	return number{}
}

// becomes waits until rows come from a variant.
func (r *rig) becomes(variant string) {
	r.t.Helper()
	waitFor(r.t, "rows of variant "+variant, func() bool { return r.runs() == variant })
}

// rows are all that the loader has written.
func (r *rig) rows() []number {
	r.t.Helper()
	raw, err := os.ReadFile(r.path("out"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	var out []number
	for line := range strings.Lines(string(raw)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var n number
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			r.t.Fatalf("%v in %q", err, line)
		}
		out = append(out, n)
	}
	return out
}

// gapless checks that every row is there, in order and once.
func (r *rig) gapless() {
	r.t.Helper()
	for i, n := range r.rows() {
		want := number{BlockNumber: uint64(i / 3), Value: uint64(i/3)*10 + uint64(i%3)}
		if n.Value /= 10; n != want {
			r.t.Fatalf("row %d: got %+v, want %+v", i, n, want)
		}
	}
}

// phases are those of a swap that was told of.
func (r *rig) phases(number uint64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, ev := range r.events {
		if ev.Kind == engine.EventSwap && ev.Swap == number {
			out = append(out, ev.To)
		}
	}
	return out
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// waitFor polls a condition until it holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
