package api_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// The test binary is also a client, for the test of other users.
func TestMain(m *testing.M) {
	if dir := os.Getenv("API_TEST_DIAL"); dir != "" {
		if os.Getenv("API_TEST_FILTER") != "" {
			filterCalls()
		}
		if os.Getenv("API_TEST_BELOW") != "" {
			os.Exit(dialBelow())
		}
		os.Exit(dialAsOther(dir))
	}
	goleak.VerifyTestMain(m)
}

// fake is an engine with one pipeline, "swaps", whose deeds do what the test
// says.
type fake struct {
	mu    sync.Mutex
	paths []engine.PathStatus
	do    func(ctx context.Context, what string) error
	asked []string
}

func (f *fake) Status() []engine.PathStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths
}

func (f *fake) deed(ctx context.Context, what, pipeline string) error {
	f.mu.Lock()
	f.asked = append(f.asked, what+" "+pipeline)
	do, known := f.do, f.paths
	f.mu.Unlock()
	if len(known) > 0 && pipeline != known[0].Pipeline && pipeline != api.PathName(known[0]) {
		return &engine.UnknownError{Name: pipeline, Known: []string{known[0].Pipeline}}
	}
	if do == nil {
		return nil
	}
	return do(ctx, what)
}

func (f *fake) Pause(ctx context.Context, p string) error      { return f.deed(ctx, "pause", p) }
func (f *fake) Resume(ctx context.Context, p string) error     { return f.deed(ctx, "resume", p) }
func (f *fake) Stop(ctx context.Context, p string) error       { return f.deed(ctx, "stop", p) }
func (f *fake) Checkpoint(ctx context.Context, p string) error { return f.deed(ctx, "checkpoint", p) }

func (f *fake) Rewind(ctx context.Context, p string, block uint64) error {
	if block == 13 {
		return errors.New("nothing is kept of block 13")
	}
	return f.deed(ctx, "rewind", p)
}

// world is a server over a fake engine, with a client.
type world struct {
	t      *testing.T
	dir    string
	engine *fake
	events *api.Events
	client *api.Client
	end    context.CancelFunc
	done   chan error // what Serve returned
}

func swaps(state engine.PathState) engine.PathStatus {
	return engine.PathStatus{Pipeline: "swaps", State: state, Processes: []engine.ProcessStatus{
		{Step: "logs", Kind: "reader", Type: registry.Reader, State: engine.ProcessLive},
	}}
}

// dataDir is a directory with a short path, as sockets need it, and its
// directory for what lives no longer than a host.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") //nolint:usetesting // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func begin(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: dataDir(t), events: api.NewEvents(), engine: &fake{paths: []engine.PathStatus{swaps(engine.PathLive)}}}
	w.serve()
	c, err := api.Dial(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	w.client = c
	t.Cleanup(func() {
		c.Close()
		w.stop()
	})
	return w
}

func (w *world) serve() {
	w.t.Helper()
	l, err := api.Listen(w.dir, filepath.Join(w.dir, "run"))
	if err != nil {
		w.t.Fatal(err)
	}
	server := api.New(api.Config{Engine: w.engine, Events: w.events, DataDir: w.dir, Version: "v9", Logger: hclog.NewNullLogger()})
	var ctx context.Context
	ctx, w.end = context.WithCancel(context.Background())
	w.done = make(chan error, 1)
	go func() { w.done <- server.Serve(ctx, l) }()
}

// stop ends the server, whoever still watches.
func (w *world) stop() {
	w.t.Helper()
	w.end()
	select {
	case err := <-w.done:
		w.done <- nil // for whoever stops it again
		if err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		w.t.Fatal("the server does not end")
	}
}

func (w *world) tell(to engine.PathState) {
	w.events.Tell(engine.Event{Time: time.Unix(1, 0), Pipeline: "swaps", From: "live", To: string(to)})
}

// patience is longer than anything takes that does not hang.
const patience = 2 * time.Minute

func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: it has not come to that after %s", what, patience)
	}
}
