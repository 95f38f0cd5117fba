package api_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

type tapped struct{ BlockNumber uint64 }

func (tapped) TransitType() string { return "test.tapped" }

// withTaps is a server over an engine of two steps that has not begun to run.
func withTaps(t *testing.T) *world {
	t.Helper()
	typ, err := transit.TypeOf[tapped]()
	if err != nil {
		t.Fatal(err)
	}
	pipeline := &config.Pipeline{Name: "swaps", Network: &config.Network{Name: "n"}}
	logs := &graph.Process{
		Pipeline: pipeline, Step: &config.Step{Name: "logs"}, Register: registry.Register{Name: "eth.logs", Type: registry.Reader, Output: typ},
	}
	show := &graph.Process{Pipeline: pipeline, Step: &config.Step{Name: "show"}, Register: registry.Register{Name: "show", Type: registry.Loader}}
	edge := &graph.Edge{From: logs, To: show}
	logs.Outputs, show.Inputs = []*graph.Edge{edge}, []*graph.Edge{edge}
	all := []*graph.Process{logs, show}
	s, err := store.Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	e, err := engine.New(engine.Config{
		Graph: &graph.Graph{Processes: all, Domains: []*graph.Domain{{Name: "swaps/logs", Processes: all}}}, Store: s, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dataDir(t), events: api.NewEvents(), engine: &fake{paths: []engine.PathStatus{swaps(engine.PathLive)}}}
	l, err := api.Listen(w.dir, filepath.Join(w.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Engine: w.engine, Taps: e, Events: w.events, DataDir: w.dir, Version: "v9", Logger: hclog.NewNullLogger()})
	var ctx context.Context
	ctx, w.end = context.WithCancel(context.Background())
	w.done = make(chan error, 1)
	go func() { w.done <- server.Serve(ctx, l) }()
	if w.client, err = api.Dial(t.Context(), w.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.client.Close()
		w.stop()
	})
	return w
}

// tap looks at a step until it is told to end; begun is closed when the host has
// said what it shows.
func (w *world) tap(ctx context.Context, step string) (begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}), make(chan error, 1)
	go func() {
		_, _, err := w.client.Tap(ctx, api.TapRequest{Step: step}, api.Tapper{
			Type: func(name string, schema []byte) error {
				if _, err := transit.ParseType(name, schema); err != nil || name != "test.tapped" {
					return errors.Join(err, errors.New("the type is "+name))
				}
				return nil
			},
			News: func(n engine.TapNews) error {
				if n.State != engine.PathInactive {
					return errors.New("the state is " + string(n.State))
				}
				close(begun)
				return nil
			},
			Rows: func(engine.TapRows) error { return errors.New("there are rows") },
		})
		ended <- err
	}()
	return begun, ended
}

// The type of the rows comes first, and what the path does. So many may look, and
// one that has gone makes room at once.
func TestTap(t *testing.T) {
	w := withTaps(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := w.tap(ctx, "logs")
	within(t, "the first tap", begun)
	for range 15 {
		begun, _ := w.tap(t.Context(), "swaps/logs")
		within(t, "a tap", begun)
	}
	_, _, err := w.client.Tap(t.Context(), api.TapRequest{Step: "logs"}, api.Tapper{})
	if err == nil || !strings.Contains(err.Error(), "16 taps and recordings of this host are open") {
		t.Errorf("the seventeenth tap: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a tap that was ended: %v", err)
	}
	deadline := time.Now().Add(patience)
	for {
		begun, ended := w.tap(t.Context(), "logs")
		select {
		case <-begun:
		case err := <-ended:
			if time.Now().After(deadline) {
				t.Fatalf("a tap that has gone makes no room: %v", err)
			}
			continue
		}
		break
	}
	w.stop() // all of them end with the host
}

func TestTapIsRefused(t *testing.T) {
	w := withTaps(t)
	for _, c := range []struct{ step, input, want string }{
		{"lugs", "", `there is no step "lugs": did you mean "logs"?`},
		{"show", "", `step "show" is a loader, and nothing comes out of it`},
		{"logs", "*", `step "logs" is a reader`},
	} {
		_, _, err := w.client.Tap(t.Context(), api.TapRequest{Step: c.step, Input: c.input}, api.Tapper{})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.step, err, c.want)
		}
	}
	err := w.client.Record(t.Context(), "logs", engine.RecordLimits{}, func() {}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `step "logs" is a reader`) {
		t.Errorf("a recording of a reader: %v", err)
	}
	for step, want := range map[string]connect.Code{"lugs": connect.CodeNotFound, "show": connect.CodeFailedPrecondition} {
		stream, err := rawTaps(t, w).Tap(t.Context(), connect.NewRequest(&hostv1.TapRequest{Step: step}))
		if err != nil {
			t.Fatal(err)
		}
		for stream.Receive() {
			t.Errorf("%s: got %v", step, stream.Msg())
		}
		if got := connect.CodeOf(stream.Err()); got != want {
			t.Errorf("%s: code %s, want %s", step, got, want)
		}
		_ = stream.Close()
	}
}

// record records until ctx ends, and tells when it has begun.
func (w *world) record(ctx context.Context) (begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}), make(chan error, 1)
	go func() {
		limits := engine.RecordLimits{For: time.Hour, Rows: 5, Checkpoints: 2}
		ended <- w.client.Record(ctx, "show", limits, func() { close(begun) }, func([]byte) error { return errors.New("there are records") })
	}()
	return begun, ended
}

// A recording waits for a checkpoint, and ends with whoever wants it, or with the
// host. Until then there is no other of the same step.
func TestRecord(t *testing.T) {
	w := withTaps(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := w.record(ctx)
	within(t, "the recording", begun)
	_, refused := w.record(t.Context())
	if err := <-refused; err == nil || err.Error() != `step "show" is being recorded already: wait until that has ended` {
		t.Errorf("a second recording: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("nobody wants it: it ended with %v", err)
	}
	for deadline := time.Now().Add(patience); ; {
		begun, ended = w.record(t.Context())
		select {
		case <-begun:
		case err := <-ended:
			if time.Now().After(deadline) {
				t.Fatalf("a recording that has ended is still there: %v", err)
			}
			continue
		}
		break
	}
	w.stop()
	if err := <-ended; err == nil || strings.Contains(err.Error(), "records") {
		t.Errorf("the host ends: it ended with %v", err)
	}
}

// rawTaps is a client without our own words for errors.
func rawTaps(t *testing.T, w *world) hostv1connect.TapServiceClient {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.dir, "control.sock"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return hostv1connect.NewTapServiceClient(&http.Client{Transport: transport}, "http://host")
}
