package remote_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// When the host is killed its plugins go with it.
func TestPluginDiesWithTheHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills children with their parent")
	}
	c := config(t, "good")
	for _, role := range []string{"good", "ignores shutdown"} {
		t.Run(role, func(t *testing.T) {
			dir := t.TempDir()
			host := exec.Command(c.Path)
			host.Env = append(os.Environ(), roleEnv+"=host", "PLUGIN_ROLE="+role, "RUN_DIR="+dir)
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 32)
			n, err := out.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
			if err != nil {
				t.Fatal(err)
			}
			if !alive(pid) {
				t.Fatal("the plugin does not run")
			}
			killLeftOver(t, dir)
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait() // it was killed
			eventually(t, "the plugin runs without its host", func() bool { return !alive(pid) })
		})
	}
}

// A plugin that the kernel does not kill with its host sees the liveness pipe
// end, and goes with all it has started.
func TestPluginSeesTheHostGo(t *testing.T) {
	c := config(t, "sdk parent")
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = theirs.Close() }()
	dir := t.TempDir()
	cmd := exec.Command(c.Path)
	cmd.Env = append(c.Env, "PENSTOCK_PLUGIN="+wire.Handshake().MagicCookieValue, wire.LivenessEnv+"=1", "PLUGIN_UNIX_SOCKET_DIR="+filepath.Join(dir, "p"))
	cmd.ExtraFiles = []*os.File{ours}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := os.Mkdir(filepath.Join(dir, "p"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	if _, err := out.Read(make([]byte, 16)); err != nil { // the handshake
		t.Fatal(err)
	}
	grandchild := sleepIn(t, dir)
	killLeftOver(t, dir)
	_ = theirs.Close()
	_ = cmd.Wait() // it was killed
	eventually(t, "the plugin's child runs on", func() bool { return !alive(grandchild) })
}

// killLeftOver kills, when the test ends, the process that a plugin has
// started: the kernel takes only the plugin with the host.
func killLeftOver(t *testing.T, runDir string) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(runDir, "*", "sleep.pid"))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(raw))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	}
}
