package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/remote"
)

// attachAt names the socket at which a plugin that is run by hand listens.
const attachAt = "ATTACH_AT"

// byHand serves the process that has started it, as a plugin does that is to be
// attached. It ends with its standard input.
func byHand() {
	l, err := net.Listen("unix", os.Getenv(attachAt))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := wire.ServeAttached(ctx, service{stdout: os.Stdout}, l, os.Getppid()); err != nil {
		panic(err)
	}
}

// hand is a plugin that a person has started.
type hand struct {
	cmd   *exec.Cmd
	stdin io.Closer
	at    remote.AttachConfig
}

func runByHand(t *testing.T) hand {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	at := remote.AttachConfig{Name: "tested", Address: filepath.Join(privateDir(t), "s"), Protocol: remote.Protocol, HostVersion: "test"}
	cmd := exec.Command(self) //nolint:gosec // this test's own binary
	cmd.Env = []string{roleEnv + "=by hand", attachAt + "=" + at.Address, "GORACE=atexit_sleep_ms=0"}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	at.PID = cmd.Process.Pid
	eventually(t, "nobody listens", func() bool {
		conn, err := net.Dial("unix", at.Address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return hand{cmd: cmd, stdin: stdin, at: at}
}

func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func attach(t *testing.T, at remote.AttachConfig) *remote.Plugin {
	t.Helper()
	p, err := remote.Attach(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// An attached plugin does what a started one does.
func TestAttachedPluginServes(t *testing.T) {
	h := runByHand(t)
	p := attach(t, h.at)
	if p.PID() != h.cmd.Process.Pid || p.Name() != "tested" {
		t.Errorf("got process %d of %s, want %d of tested", p.PID(), p.Name(), h.cmd.Process.Pid)
	}
	if d, err := p.Describe(t.Context()); err != nil || d.Version != "1.2.3" {
		t.Errorf("Describe: got %+v, %v", d, err)
	}
	s := open(t, p, "echo")
	if err := s.Send(batch(10)); err != nil {
		t.Fatal(err)
	}
	f, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	f.Free()
}

// Stop hangs up, and the process lives on to be attached again.
func TestStopLeavesAnAttachedProcessAlone(t *testing.T) {
	h := runByHand(t)
	for range 3 {
		p := attach(t, h.at)
		s := open(t, p, "echo")
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		exit := exitOf(t, s)
		if !exit.Attached || !exit.Requested || !strings.Contains(exit.Error(), "let go by the host") {
			t.Errorf("got %+v, want that the host has let it go", exit)
		}
		select {
		case <-p.Done():
		default:
			t.Error("Done is open after Stop")
		}
	}
	if !alive(h.at.PID) {
		t.Error("the process that was attached has ended")
	}
}

// However it ends, its streams know it at once.
func TestAttachedProcessEnds(t *testing.T) {
	for name, end := range map[string]func(h hand){
		"killed":   func(h hand) { _ = h.cmd.Process.Kill() },
		"in order": func(h hand) { _ = h.stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := runByHand(t)
			p := attach(t, h.at)
			s := open(t, p, "echo")
			end(h)
			exit := exitOf(t, s)
			if !exit.Attached || exit.Requested || !strings.Contains(exit.Error(), "run by hand and has ended") {
				t.Errorf("got %+v, want that it has ended by itself", exit)
			}
			if got := p.Exit(); !errors.Is(got, exit) {
				t.Errorf("Exit: got %v, want %v", got, exit)
			}
		})
	}
}

// A debugger may hold it for longer than any call may take otherwise: nobody
// minds, and it goes on as if nothing had been.
func TestAttachedPluginMayBeStopped(t *testing.T) {
	t.Parallel()
	h := runByHand(t)
	p := attach(t, h.at)
	stop, goOn := syscall.SIGSTOP, syscall.SIGCONT
	if err := h.cmd.Process.Signal(stop); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not stopped", func() bool { return state(h.at.PID) == "T" })
	described := make(chan error, 1)
	go func() {
		_, err := p.Describe(context.Background())
		described <- err
	}()
	patience := time.NewTimer(12 * time.Second) // a call that is bounded takes ten at most
	if testing.Short() {
		patience.Reset(time.Second)
	}
	select {
	case err := <-described:
		t.Errorf("a stopped process has answered: %v", err)
	case <-p.Done():
		t.Error("a stopped process counts as gone")
	case <-patience.C:
	}
	if err := h.cmd.Process.Signal(goOn); err != nil {
		t.Fatal(err)
	}
	if err := <-described; err != nil {
		t.Errorf("Describe, when it went on: %v", err)
	}
}

// Who it is, and what it speaks, is known before anything is said.
func TestAttachErrors(t *testing.T) {
	h := runByHand(t)
	open := privateDir(t)
	if err := os.Chmod(open, 0o755); err != nil { //nolint:gosec // that is the mistake
		t.Fatal(err)
	}
	file := filepath.Join(privateDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(privateDir(t), "link")
	if err := os.Symlink(filepath.Dir(h.at.Address), link); err != nil {
		t.Fatal(err)
	}
	silent := filepath.Join(privateDir(t), "gone")
	if l, err := net.ListenUnix("unix", &net.UnixAddr{Name: silent, Net: "unix"}); err != nil {
		t.Fatal(err)
	} else {
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	tests := []struct {
		name   string
		change func(at *remote.AttachConfig)
		reason error
		says   string
	}{
		{"another protocol", func(at *remote.AttachConfig) { at.Protocol = 2 }, remote.ErrProtocol, "speaks protocol 2, this host protocol 1: build the plugin with the SDK of this host"},
		{"another process", func(at *remote.AttachConfig) { at.PID = os.Getppid() }, remote.ErrPeer, "is process"},
		{"no directory", func(at *remote.AttachConfig) { at.Address = "/no/such/place/s" }, remote.ErrSocket, "there is no directory /no/such/place"},
		{"relative", func(at *remote.AttachConfig) { at.Address = "s" }, remote.ErrSocket, "must run on this machine"},
		{"open to others", func(at *remote.AttachConfig) { at.Address = filepath.Join(open, "s") }, remote.ErrSocket, "made by somebody else"},
		{"behind a link", func(at *remote.AttachConfig) { at.Address = filepath.Join(link, "s") }, remote.ErrSocket, "made by somebody else"},
		{"no socket", func(at *remote.AttachConfig) { at.Address = file }, remote.ErrSocket, "is no socket of this user"},
		{"nobody listens", func(at *remote.AttachConfig) { at.Address = silent }, remote.ErrExited, "does not answer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := h.at
			test.change(&at)
			p, err := remote.Attach(t.Context(), at)
			if err == nil {
				p.Kill()
			}
			if !errors.Is(err, test.reason) || !strings.Contains(err.Error(), "attach plugin tested: ") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

// A directory of another user is refused, whatever its mode says.
func TestAttachToAForeignDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	h := runByHand(t)
	if err := os.Chown(filepath.Dir(h.at.Address), 1234, -1); err != nil {
		t.Fatal(err)
	}
	p, err := remote.Attach(t.Context(), h.at)
	if err == nil {
		p.Kill()
	}
	if !errors.Is(err, remote.ErrSocket) {
		t.Errorf("got %v, want %v", err, remote.ErrSocket)
	}
}

// Nobody but the host that was asked may talk to a plugin that is run by hand.
func TestAttachedPluginRefusesOthers(t *testing.T) {
	h := runByHand(t)
	if got := intruded(t, h.at.Address); got == "<nil>" {
		t.Error("another process was answered")
	}
	attach(t, h.at)
}

// intruded is what another process of the same user gets at a socket.
func intruded(t *testing.T, at string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = []string{roleEnv + "=intrude", "INTRUDE_AT=" + at}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
