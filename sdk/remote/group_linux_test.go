package remote

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Limits are written as the kernel reads them, and only those that it has taken
// count as its affair. The test is inside of the package because few machines let
// it make control groups with every controller.
func TestGroupBounds(t *testing.T) {
	g := &group{path: t.TempDir(), bounds: map[string]bool{}}
	for _, name := range []string{"memory.max", "memory.oom.group", "cpu.max", "memory.events"} {
		if err := os.WriteFile(filepath.Join(g.path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.bound(Limits{Memory: 512 << 20, CPU: 1.5, Processes: 4})
	for name, want := range map[string]string{"memory.max": "536870912", "memory.oom.group": "1", "cpu.max": "150000 100000"} {
		if got, _ := os.ReadFile(filepath.Join(g.path, name)); string(got) != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if !g.has("memory") || !g.has("cpu") || g.has("pids") {
		t.Errorf("bounds: got %v, want memory and cpu, as there is no pids.max", g.bounds)
	}
	if g.starved() {
		t.Error("it was killed for its memory, says a file that is empty")
	}
	if err := os.WriteFile(filepath.Join(g.path, "memory.events"), []byte("low 0\noom 1\noom_kill 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !g.starved() {
		t.Error("it was not killed for its memory, whatever the kernel says")
	}
}

func TestLimitsTellWhatEnforcesThem(t *testing.T) {
	limits := Limits{Memory: 1 << 30, CPU: 0.5, OpenFiles: 7, Processes: 3}
	for name, can := range map[string]abilities{
		"watchdog": {limits: true},
		"cgroup":   {limits: true, controllers: map[string]bool{"memory": true, "cpu": true}},
	} {
		got := limits.inForce(can, true)
		if got[0] != (Limit{"memory", "1 GiB", name}) || got[2] != (Limit{"open_files", "7", "rlimit"}) || got[3] != (Limit{"processes", "3", "watchdog"}) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// A real kernel takes the limits for its affair and shows them again as they were
// written, where its controllers are those of the second version.
func TestGroupBoundsOfTheKernel(t *testing.T) {
	root, found := groupRoot()
	if len(found) == 0 {
		t.Skipf("this process may make no control groups with a controller for memory, processors or processes (root %q): the kernel gives them "+
			"to the first version, or a service manager keeps them", root)
	}
	can := abilities{limits: true, cgroup: root, controllers: found}
	g := newGroup(can, "bounds", t.TempDir(), Limits{Memory: 512 << 20, CPU: 1.5, Processes: 4})
	if g == nil {
		t.Fatalf("no group could be made in %s", root)
	}
	defer func() {
		if !g.remove() {
			t.Errorf("%s is still there", g.path)
		}
	}()
	for controller, file := range map[string]struct{ name, want string }{
		"memory": {"memory.max", "536870912"}, "cpu": {"cpu.max", "150000 100000"}, "pids": {"pids.max", "256"},
	} {
		if !found[controller] {
			t.Logf("%s is not among the controllers", controller)
			continue
		}
		got, err := os.ReadFile(filepath.Join(g.path, file.name))
		if err != nil || strings.TrimSpace(string(got)) != file.want || !g.has(controller) {
			t.Errorf("%s: got %q and %v, bounded: %v, want %q", file.name, got, err, g.has(controller), file.want)
		}
	}
	if g.starved() {
		t.Error("nothing has run in it, and the kernel has killed it for its memory")
	}
}
