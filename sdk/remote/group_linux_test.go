package remote

import (
	"os"
	"path/filepath"
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
