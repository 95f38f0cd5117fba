package api_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/host/internal/api"
)

func TestSocketIsForOneUser(t *testing.T) {
	w := begin(t)
	path := filepath.Join(w.dir, "control.sock")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() != fs.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %s, want a socket with 0600", info.Mode())
	}
	w.stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after the end: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(w.dir, "run")); err != nil || len(left) > 0 {
		t.Errorf("something is left where the socket was made: %v, %v", left, err)
	}
}

// A socket that lets everybody in by its mode still lets nobody else in.
func TestOtherUsersAreRefused(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root can become somebody else, and only Linux tells who that is")
	}
	w := begin(t)
	for _, path := range []string{w.dir, filepath.Join(w.dir, "control.sock")} {
		if err := os.Chmod(path, 0o777); err != nil { //nolint:gosec // that is the point
			t.Fatal(err)
		}
	}
	program := filepath.Join(w.dir, "program")
	content, err := os.ReadFile(os.Args[0])
	if err := errors.Join(err, os.WriteFile(program, content, 0o755)); err != nil { //nolint:gosec // the other user runs it
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir = w.dir
	cmd.Env = []string{"API_TEST_DIAL=" + w.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "this host belongs to user 0: only that user may control it") {
		t.Errorf("another user got: %v: %s", err, out)
	}
}

// dialAsOther is what another user runs.
func dialAsOther(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := api.Dial(ctx, dir)
	if err == nil {
		defer c.Close()
		_, _, err = c.Status(ctx, "")
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("it was let in")
	return 0
}

// A host that was killed leaves its socket behind.
func TestStaleSocketIsReplaced(t *testing.T) {
	dir := dataDir(t)
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "control.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	_ = old.Close()
	if _, err := api.Dial(t.Context(), dir); !errors.As(err, new(*api.NoHostError)) {
		t.Errorf("Dial: got %v, want a *NoHostError", err)
	}
	l, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := api.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestSomethingElseInPlaceOfTheSocket(t *testing.T) {
	dir := dataDir(t)
	path := filepath.Join(dir, "control.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err == nil || !strings.Contains(err.Error(), "control.sock is there and is no socket: move it away") {
		t.Errorf("Listen: got %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
}

// Where a path is too long for a socket the socket is elsewhere, also for those
// who know the directory by another name, and nothing of it stays behind.
func TestLongPath(t *testing.T) {
	elsewhere, short := dataDir(t), dataDir(t)
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 60), strings.Repeat("e", 60))
	t.Setenv("TMPDIR", elsewhere)
	run := filepath.Join(long, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(short, "link")
	if err := os.Symlink(long, link); err != nil {
		t.Fatal(err)
	}
	made := func() []string {
		found, err := filepath.Glob(filepath.Join(elsewhere, "penstock-*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	l, err := api.Listen(long, run)
	if err != nil {
		t.Fatal(err)
	}
	if got := made(); len(got) != 1 {
		t.Fatalf("the socket is not elsewhere: %v", got)
	}
	if info, err := os.Stat(made()[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	for _, dir := range []string{long, link} {
		c, err := api.Dial(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}

	// As if that host had been killed: the next one clears up after it.
	left := made()[0]
	again, err := api.Listen(long, run)
	if err != nil {
		t.Fatal(err)
	}
	if got := made(); len(got) != 1 || got[0] == left {
		t.Errorf("a second host leaves %v", got)
	}
	_ = l.Close()
	_ = again.Close()
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) != 1 { // run
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if entries, err := os.ReadDir(long); err != nil || len(entries) != 1 { // run
		t.Errorf("left behind: %v, %v", entries, err)
	}

	t.Setenv("TMPDIR", long)
	if _, err := api.Listen(long, run); err == nil || !strings.Contains(err.Error(), "set TMPDIR to a directory with a shorter name") {
		t.Errorf("Listen with nothing short: got %v", err)
	}
}

func TestDialWithoutAHost(t *testing.T) {
	dir := dataDir(t)
	wants := func(dir, want string) {
		t.Helper()
		if _, err := api.Dial(t.Context(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dial(%s): got %v, want %s", dir, err, want)
		}
	}
	wants(filepath.Join(dir, "none"), "none: there is no such directory; start one with penstock run")
	wants(dir, dir+": start one with penstock run, or name the data directory of another with --data-dir")
	if err := os.WriteFile(filepath.Join(dir, "penstock.pid"), []byte("12345\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(dir, "its last one, process 12345, was killed, and "+filepath.Join(dir, "penstock.pid")+" is stale; penstock run goes on from its last checkpoint")
	if os.Geteuid() == 0 {
		return // root may enter everywhere
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	wants(dir, "only the user who runs its host may control it")
}

// A directory that others may enter, or that is none, is no place for the socket.
func TestDirectoryOfSomebodyElse(t *testing.T) {
	dir := dataDir(t)
	run := filepath.Join(dir, "run")
	refuses := func(want string) {
		t.Helper()
		l, err := api.Listen(dir, run)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen: got %v, want %q", err, want)
		}
	}
	if err := os.Chmod(run, 0o755); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	refuses("others may enter " + run + ": run chmod 700")
	if err := os.Chmod(run, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(run, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		refuses(run + " was made by another user")
	}
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), run); err != nil {
		t.Fatal(err)
	}
	refuses(run + " is no directory: remove it")
}
