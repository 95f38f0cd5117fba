package attach_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk/internal/attach"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is a plugin that nobody asks anything.
type silent struct{}

func (silent) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{}, nil
}

func (silent) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	return &pluginv1.ConfigureResponse{}, nil
}
func (silent) Process(context.Context, wire.Stream) error { return nil }

// hosted is a data directory whose host answers as it is told.
func hosted(t *testing.T, answer http.HandlerFunc) (dir string) {
	t.Helper()
	dir = short(t)
	serve(t, filepath.Join(dir, "control.sock"), answer)
	return dir
}

func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func serve(t *testing.T, path string, answer http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer, ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served //nolint:errcheck // it was closed, which is the error
	})
}

// tells answers with messages, the last of which ends the stream.
func tells(messages ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/connect+json")
		for i, m := range messages {
			flag := byte(0)
			if i == len(messages)-1 {
				flag = 2
			}
			_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(m))), m...))
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// run attaches to the host of a directory and returns what the person reads.
func run(ctx context.Context, dir string) (text string, err error) {
	var out strings.Builder
	p := attach.Plugin{Service: silent{}, SDKVersion: "1", Out: &out}
	err = p.Run(ctx, attach.Options{Dir: dir, Name: "whale"})
	return out.String(), err
}

func TestPersonIsToldWhatHappens(t *testing.T) {
	question := make(chan string, 1)
	dir := hosted(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		question <- r.URL.Path + " " + string(body[5:])
		tells(
			`{"phase":{"pipeline":"transfers","step":"whales","to":"validated"}}`,
			`{"phase":{"to":"committed"}}`,
			`{"attached":{"steps":[{"step":"transfers/whales","checkpoint":"12","block":"1900"},{"step":"transfers/more","checkpoint":"3"}]}}`,
			`{"unknown":{"is":"left out"}}`,
			`{}`,
		)(w, r)
	})
	text, err := run(t.Context(), dir)
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(text, "committed") {
		t.Errorf("it speaks of what is not about it:\n%s", text)
	}
	for _, want := range []string{
		"whale asks the host of " + dir, "  transfers/whales: validated\n",
		"attached to transfers/whales at checkpoint 12 (block 1900) and to transfers/more at checkpoint 3\n",
		"Ctrl-C", "the host has ended the attachment",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing from\n%s", want, text)
		}
	}
	asked := <-question
	for _, want := range []string{"/penstock.host.v1.PluginService/Attach", `"plugin":"whale"`, `"protocol":1`, `plugin.sock"`} {
		if !strings.Contains(asked, want) {
			t.Errorf("%q is missing from what was asked: %s", want, asked)
		}
	}
}

// Where the person ends it, the host's end of the call is no error.
func TestPersonEndsIt(t *testing.T) {
	attached, hungUp := make(chan struct{}), make(chan struct{})
	dir := hosted(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/connect+json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		close(attached)
		<-r.Context().Done()
		close(hungUp)
	})
	ctx, end := context.WithCancel(t.Context())
	go func() {
		<-attached
		end()
	}()
	text, err := run(ctx, dir)
	if err != nil || !strings.Contains(text, "whale has ended; the host goes back") {
		t.Errorf("got %v and\n%s", err, text)
	}
	<-hungUp
}

func TestAttachFails(t *testing.T) {
	empty := short(t)
	stale := short(t)
	if l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(stale, "control.sock"), Net: "unix"}); err != nil {
		t.Fatal(err)
	} else {
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	tests := []struct {
		name, dir, says string
	}{
		{"no directory", filepath.Join(empty, "none"), "there is no data directory " + filepath.Join(empty, "none")},
		{"no host", empty, "no host runs on " + empty + ": start one with `penstock run`"},
		{"a host that was killed", stale, "no host runs on"},
		{"a host that is too old", hosted(t, http.NotFound), "does not know how to let a plugin attach (404 Not Found): update penstock"},
		{"refused", hosted(t, tells(`{"error":{"code":"not_found","message":"there is no plugin \"whale\""}}`)), `there is no plugin "whale"`},
		{"a host that dies", hosted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/connect+json")
			_, _ = w.Write([]byte{0, 0, 0, 0, 9})
		}), "is gone, and nobody takes the rows"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := run(t.Context(), test.dir)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q; it printed\n%s", err, test.says, text)
			}
		})
	}
}

// Where a data directory's path is long, its host listens elsewhere.
func TestSocketElsewhere(t *testing.T) {
	dir, elsewhere := short(t), filepath.Join(short(t), "control.sock")
	serve(t, elsewhere, tells(`{}`))
	if err := os.WriteFile(filepath.Join(dir, "control.sock.path"), []byte(elsewhere+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := run(t.Context(), dir); err != nil {
		t.Errorf("got %v and\n%s", err, text)
	}
}

func (silent) Host(context.Context, wire.HostStream) error { return nil }

func (silent) Digest(context.Context, *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	return &pluginv1.DigestResponse{}, nil
}
