package remote_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/remote"
)

// What plugins of a host that was killed had started runs on, until the next host
// of the same directory begins. The plugins of a host that lives are left alone.
func TestNextHostEndsWhatIsLeft(t *testing.T) {
	c := config(t, "good")
	dir := runDirOf(t)
	host := exec.Command(c.Path)
	host.Env = append(os.Environ(), roleEnv+"=host", "PLUGIN_ROLE=parent", "RUN_DIR="+dir)
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
	plugin, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	left := sleepIn(t, dir)
	killLeftOver(t, dir)

	other := c
	other.RunDir = runDirOf(t)
	neighbour := start(t, other)
	if killed := remote.Sweep(other.RunDir); killed != 0 {
		t.Errorf("%d processes of this host were killed", killed)
	}

	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	eventually(t, "the plugin runs without its host", func() bool { return !alive(plugin) })
	if !alive(left) {
		t.Fatal("what the plugin had started is gone already, and the test shows nothing")
	}
	if killed := remote.Sweep(dir); killed == 0 {
		t.Error("nothing was killed")
	}
	eventually(t, "what the plugin had started runs on", func() bool { return !alive(left) })
	if !alive(neighbour.PID()) {
		t.Error("a plugin of this host was killed")
	}
}
