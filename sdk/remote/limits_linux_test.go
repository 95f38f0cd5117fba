package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/penstock-io/penstock/sdk/remote"
)

// limited starts a plugin with limits that is in a control group, or not.
func limited(t *testing.T, limits remote.Limits, grouped bool) *remote.Plugin {
	t.Helper()
	c := sandboxedConfig(t, remote.Sandbox{})
	c.Limits = limits
	if !grouped {
		c.RunDir = ""
	}
	return start(t, c)
}

// A plugin that uses more than it may is killed, with all it has started, and the
// error says what for.
func TestLimitsKillWithAReason(t *testing.T) {
	tests := []struct {
		try, with string
		limits    remote.Limits
		says      []string
	}{
		{"eat", "", remote.Limits{Memory: 128 << 20}, []string{"was killed because it used ", "more than its limit of 128 MiB (limits.memory)"}},
		{"multiply", "30", remote.Limits{Processes: 5}, []string{"was killed because it had ", "more than its limit of 5 (limits.processes)"}},
	}
	for _, test := range tests {
		for _, grouped := range []bool{true, false} {
			p := limited(t, test.limits, grouped)
			_, err := p.Configure(t.Context(), "try "+test.try, []byte(test.with))
			var exit *remote.Exit
			if !errors.As(err, &exit) {
				t.Fatalf("%s: got %v, want how the plugin ended", test.try, err)
			}
			t.Log(err)
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %v does not say %q", test.try, err, part)
				}
			}
			if exit.Requested || exit.Overrun == "" {
				t.Errorf("%s: got %+v", test.try, exit)
			}
			if started := family(t, p.PID()); len(started) > 0 {
				t.Errorf("%s: %v run on", test.try, started)
			}
		}
	}
}

// family are the running processes of a plugin's session.
func family(t *testing.T, session int) (pids []string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		stat, _ := os.ReadFile(path) // it may have ended by now
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 3 && fields[3] == strconv.Itoa(session) && fields[0] != "Z" {
			pids = append(pids, path)
		}
	}
	return pids
}

func TestLimitsOfProcesses(t *testing.T) {
	p := limited(t, remote.Limits{OpenFiles: 64, CPU: 1, Memory: 1 << 30}, true)
	works(t, p, "open", "20")
	if got := try(t, p, "open", "100"); !strings.Contains(got, "too many open files") {
		t.Errorf("open: %s", got)
	}
	works(t, p, "core", "")
	environment := strings.Join(ask(t, p, "environment"), " ")
	for _, want := range []string{"GOMAXPROCS=1", "GOMEMLIMIT=966367638", "TMPDIR="} {
		if !strings.Contains(environment, want) {
			t.Errorf("the environment has no %s: %s", want, environment)
		}
	}
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(p.PID(), &cpus); err != nil || cpus.Count() != 1 {
		if limits := p.Confined().Limits; !slices.Contains(limits, remote.Limit{Name: "cpu", Value: "1", By: "cgroup"}) {
			t.Errorf("it may run on %d processors (%v), limits %v", cpus.Count(), err, limits)
		}
	}
}
