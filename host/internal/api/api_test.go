package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// fill sets every field that is reachable from v to something that is not zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*n), 5).UTC()))
			return
		}
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(*n % 200))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("fill: there is a kind of field that it does not know: " + v.Kind().String())
	}
}

// Whatever the engine says of a path arrives, also what it will say one day.
func TestStatusLosesNothing(t *testing.T) {
	w := begin(t)
	var n int
	var path engine.PathStatus
	fill(reflect.ValueOf(&path).Elem(), &n)
	for i := range path.Processes {
		path.Processes[i].Type, path.Processes[i].Kind = registry.Loader, "loader"
	}
	w.engine.paths = []engine.PathStatus{path, {Pipeline: "empty", State: engine.PathInactive}}
	host, got, err := w.client.Status(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.engine.paths, got); diff != "" {
		t.Errorf("Status (-want +got):\n%s", diff)
	}
	if host.Version != "v9" || host.DataDir != w.dir || host.PID == 0 || time.Since(host.Started) > time.Minute {
		t.Errorf("Status: got host %+v", host)
	}
}

func TestStatusOfOne(t *testing.T) {
	w := begin(t)
	other := swaps(engine.PathPaused)
	other.Pipeline = "other"
	w.engine.paths = append(w.engine.paths, other)
	for _, name := range []string{"other", "other/logs"} {
		_, got, err := w.client.Status(t.Context(), name)
		if err != nil || len(got) != 1 || got[0].Pipeline != "other" {
			t.Errorf("Status(%s): got %v, %v", name, got, err)
		}
	}
	if _, _, err := w.client.Status(t.Context(), "swap"); err == nil || !strings.Contains(err.Error(), `this host runs swaps, other; did you mean "swaps"?`) {
		t.Errorf("Status(swap): %v", err)
	}
}

func TestDeeds(t *testing.T) {
	w := begin(t)
	var got []string
	for _, do := range []func() ([]engine.PathStatus, error){
		func() ([]engine.PathStatus, error) { return w.client.Pause(t.Context(), "swaps") },
		func() ([]engine.PathStatus, error) { return w.client.Resume(t.Context(), "swaps") },
		func() ([]engine.PathStatus, error) { return w.client.Stop(t.Context(), "swaps/logs") },
		func() ([]engine.PathStatus, error) { return w.client.Checkpoint(t.Context(), "swaps") },
	} {
		paths, err := do()
		if err != nil || len(paths) != 1 || paths[0].Pipeline != "swaps" {
			t.Errorf("got %v, %v", paths, err)
		}
	}
	got = w.engine.asked
	if diff := cmp.Diff([]string{"pause swaps", "resume swaps", "stop swaps/logs", "checkpoint swaps"}, got); diff != "" {
		t.Errorf("deeds (-want +got):\n%s", diff)
	}
}

// raw is a client without our own words for errors.
func raw(w *world, options ...connect.ClientOption) hostv1connect.ControlServiceClient {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	transport.Protocols.SetHTTP1(len(options) == 0)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.dir, "control.sock"))
	}
	transport.DialContext = dial
	w.t.Cleanup(transport.CloseIdleConnections)
	return hostv1connect.NewControlServiceClient(&http.Client{Transport: transport}, "http://host", options...)
}

func TestErrorsHaveCodes(t *testing.T) {
	w := begin(t)
	c := raw(w)
	w.engine.do = func(_ context.Context, what string) error {
		switch what {
		case "pause":
			return &engine.StateError{Pipeline: "swaps", State: engine.PathStopped, Wanted: "paused"}
		case "resume":
			return errors.Join(fmt.Errorf("wait: %w", context.DeadlineExceeded))
		case "stop":
			return fmt.Errorf("wait: %w", context.Canceled)
		}
		return errors.New("the disk is full")
	}
	for name, test := range map[string]struct {
		do   func(ctx context.Context) error
		code connect.Code
		says string
	}{
		"unknown pipeline": {func(ctx context.Context) error {
			_, err := c.Pause(ctx, connect.NewRequest(&hostv1.PauseRequest{Pipeline: "swap"}))
			return err
		}, connect.CodeNotFound, `there is no pipeline "swap": this host runs swaps; did you mean "swaps"?`},
		"no pipeline": {func(ctx context.Context) error {
			_, err := c.Pause(ctx, connect.NewRequest(&hostv1.PauseRequest{}))
			return err
		}, connect.CodeInvalidArgument, "name a pipeline: this host runs swaps"},
		"wrong state": {func(ctx context.Context) error {
			_, err := c.Pause(ctx, connect.NewRequest(&hostv1.PauseRequest{Pipeline: "swaps"}))
			return err
		}, connect.CodeFailedPrecondition, "pipeline swaps is stopped and cannot be paused"},
		"too long": {func(ctx context.Context) error {
			_, err := c.Resume(ctx, connect.NewRequest(&hostv1.ResumeRequest{Pipeline: "swaps"}))
			return err
		}, connect.CodeDeadlineExceeded, "wait: context deadline exceeded"},
		"given up": {func(ctx context.Context) error {
			_, err := c.Stop(ctx, connect.NewRequest(&hostv1.StopRequest{Pipeline: "swaps"}))
			return err
		}, connect.CodeCanceled, "wait: context canceled"},
		"anything else": {func(ctx context.Context) error {
			_, err := c.Checkpoint(ctx, connect.NewRequest(&hostv1.CheckpointRequest{Pipeline: "swaps"}))
			return err
		}, connect.CodeUnknown, "the disk is full"},
		"not kept": {func(ctx context.Context) error {
			_, err := c.Rewind(ctx, connect.NewRequest(&hostv1.RewindRequest{Pipeline: "swaps", Block: 13}))
			return err
		}, connect.CodeUnknown, "nothing is kept of block 13"},
		"far too much": {func(ctx context.Context) error {
			_, err := c.Status(ctx, connect.NewRequest(&hostv1.StatusRequest{Pipeline: strings.Repeat("x", 1<<20)}))
			return err
		}, connect.CodeResourceExhausted, "message size"},
	} {
		err := test.do(t.Context())
		if connect.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %s: %s", name, err, test.code, test.says)
		}
	}
}

// A call that says nothing about its time has some all the same, and what takes
// longer than it was given is told to go on.
func TestCallsEnd(t *testing.T) {
	w := begin(t)
	left := make(chan time.Duration, 1)
	w.engine.do = func(ctx context.Context, what string) error {
		if what == "pause" {
			<-ctx.Done()
			return ctx.Err()
		}
		at, _ := ctx.Deadline()
		left <- time.Until(at)
		return nil
	}
	if _, err := w.client.Checkpoint(t.Context(), "swaps"); err != nil {
		t.Fatal(err)
	}
	if got := <-left; got <= 0 || got > time.Minute {
		t.Errorf("a call without a deadline has %s, want a minute", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
	defer cancel()
	if _, err := w.client.Checkpoint(ctx, "swaps"); err != nil {
		t.Fatal(err)
	}
	if got := <-left; got > time.Hour {
		t.Errorf("a call has %s, want an hour at most", got)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := w.client.Pause(ctx, "swaps")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "goes on all the same: penstock status tells when it is done") {
		t.Errorf("Pause: got %v", err)
	}
}

// The answer to resume shows paths as they are once they run, however long that
// takes after the engine has said yes.
func TestResumeWaitsUntilItRuns(t *testing.T) {
	w := begin(t)
	w.engine.paths = []engine.PathStatus{swaps(engine.PathError)}
	said := make(chan struct{})
	w.engine.do = func(context.Context, string) error {
		defer close(said)
		return nil
	}
	answered := make(chan []engine.PathStatus, 1)
	go func() {
		paths, err := w.client.Resume(t.Context(), "swaps")
		if err != nil {
			t.Error(err)
		}
		answered <- paths
	}()
	within(t, "resume", said)
	w.events.Tell(engine.Event{Pipeline: "swaps", Step: "logs", To: string(engine.PathBackfill)}) // not the path
	w.tell(engine.PathStopped)                                                                    // not this
	select {
	case <-answered:
		t.Fatal("resume was answered before the path ran")
	case <-time.After(20 * time.Millisecond):
	}
	w.engine.mu.Lock()
	w.engine.paths = []engine.PathStatus{swaps(engine.PathBackfill)}
	w.engine.mu.Unlock()
	w.tell(engine.PathBackfill)
	if got := <-answered; len(got) != 1 || got[0].State != engine.PathBackfill {
		t.Errorf("Resume: got %v, want it in backfill", got)
	}
}

func TestGRPC(t *testing.T) {
	w := begin(t)
	c := raw(w, connect.WithGRPC())
	r, err := c.Status(t.Context(), connect.NewRequest(&hostv1.StatusRequest{}))
	if err != nil || r.Msg.Paths[0].Name != "swaps/logs" {
		t.Errorf("Status over gRPC: got %v, %v", r, err)
	}
}

func (w *world) request(method, path, body string) (int, string) {
	w.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(w.dir, "control.sock"))
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://host"+path, bytes.NewBufferString(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := transport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// What the proto file says to type works.
func TestJSON(t *testing.T) {
	w := begin(t)
	code, text := w.request("POST", "/penstock.host.v1.ControlService/Status", "{}")
	if code != 200 || !strings.Contains(text, `"name":"swaps/logs"`) {
		t.Errorf("got %d: %s", code, text)
	}
	if code, text := w.request("GET", "/healthz", ""); code != 200 || text != "ok\n" {
		t.Errorf("GET /healthz: got %d: %s", code, text)
	}
	if code, _ := w.request("POST", "/metrics", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: got %d", code)
	}
}

// The server ends in time whoever is busy with it, and tells them so.
func TestEnd(t *testing.T) {
	w := begin(t)
	busy := make(chan struct{})
	w.engine.do = func(ctx context.Context, _ string) error {
		close(busy)
		<-ctx.Done()
		return ctx.Err()
	}
	paused, watched := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := w.client.Pause(t.Context(), "swaps")
		paused <- err
	}()
	within(t, "pause", busy)
	begun := make(chan struct{})
	zero := uint64(0)
	w.tell(engine.PathPaused)
	go func() {
		var once sync.Once
		watched <- w.client.Watch(t.Context(), &zero, false, api.Watcher{
			Event: func(api.Event) error {
				once.Do(func() { close(begun) })
				return nil
			},
			Missed: func(uint64) error { return nil },
		})
	}()
	within(t, "watch", begun)
	stuck := watchWithoutReading(w)
	w.stop()
	if err := <-watched; err != nil {
		t.Errorf("Watch: %v, want a clean end", err)
	}
	if err := <-paused; err == nil || !strings.Contains(err.Error(), "the host is ending") {
		t.Errorf("Pause: got %v, want to hear that the host is ending", err)
	}
	stuck()
	if _, _, err := w.client.Status(t.Context(), ""); !errors.As(err, new(*api.GoneError)) {
		t.Errorf("Status after the end: got %v, want a *GoneError", err)
	}
}

// watchWithoutReading fills the socket of a watcher that reads nothing.
func watchWithoutReading(w *world) (hangUp func()) {
	w.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(w.dir, "control.sock"))
	if err != nil {
		w.t.Fatal(err)
	}
	body := "\x00\x00\x00\x00\x0b" + `{"after":0}`
	if _, err := fmt.Fprintf(conn, "POST /penstock.host.v1.ControlService/Watch HTTP/1.1\r\nHost: host\r\nContent-Type: application/connect+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		w.t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		w.t.Fatal(err)
	}
	began := time.Now()
	for range 4000 {
		w.events.Tell(engine.Event{Pipeline: "swaps", Cause: strings.Repeat("x", 1000)})
	}
	if took := time.Since(began); took > patience/2 {
		w.t.Errorf("4000 events took %s: somebody who does not read holds the engine up", took)
	}
	return func() { _ = conn.Close() }
}
