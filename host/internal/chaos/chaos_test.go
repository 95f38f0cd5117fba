//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/host/internal/chaos/compare"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		if err := play(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// brief is how long storms last here.
const brief = 3 * time.Second

// try runs a plan with a host of the test's own.
func try(t *testing.T, how string, seed uint64) Report {
	t.Helper()
	dir := t.TempDir()
	host, err := program(dir, how)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := program(dir, "devchain")
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), Config{
		Penstock: host, Devchain: chain, Env: os.Environ(), Pipelines: 1, Seed: seed, Duration: brief, Blocks: 20, Patience: 10 * time.Second, Dir: dir,
		Loaders: []Loader{{Step: "fake.store", Plugin: filepath.Base(os.Args[0]), Paths: []string{"rows.jsonl"}}, {Step: "fake.show"}},
		Tell:    func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	return report
}

// until runs a plan until what its events are to bring about has come of them, a few
// times at most: where the machine has much else to do, an event may strike a host
// that has only just begun.
func until(t *testing.T, how string, struck func(Report) bool, actors ...Actor) (r Report) {
	t.Helper()
	seed := seedWith(t, actors...)
	for range 4 {
		if r = try(t, how, seed); struck(r) {
			return r
		}
	}
	return r
}

// seedWith finds a seed whose plan has two events of all these actors, not at
// once, and few bad answers. Only with a host killer among them a host is killed.
func seedWith(t *testing.T, actors ...Actor) uint64 {
	t.Helper()
	for seed := range uint64(10_000) {
		p := NewPlan(seed, brief, 20)
		has := func(a Actor) bool {
			return slices.ContainsFunc(p.Events, func(e Event) bool { return e.Actor == a && e.Number > 1 && e.At > brief/3 })
		}
		killed := slices.ContainsFunc(p.Events, func(e Event) bool { return e.Actor == HostKiller })
		if p.Rate < 0.03 && killed == slices.Contains(actors, HostKiller) && !slices.ContainsFunc(actors, func(a Actor) bool { return !has(a) }) {
			return seed
		}
	}
	t.Fatal("no seed has all of that")
	return 0
}

func TestAHostThatKeepsItsWordIsEqual(t *testing.T) {
	t.Parallel()
	kinds := []string{"host killed", "plugin killed", "loader stopped", "reorganisation"}
	r := until(t, "right", func(r Report) bool {
		if !r.Equal || len(r.Problems) > 0 || len(r.Ends) > 0 {
			t.Errorf("got %s", r)
		}
		return !slices.ContainsFunc(kinds, func(kind string) bool { return r.Faults[kind] == 0 })
	}, Brancher, HostKiller, PluginKiller, LoaderDelay)
	if len(r.Sheets) != 1 || r.Sheets[0].Name != "rows.jsonl" || r.Sheets[0].Rows != int(r.Head) {
		t.Errorf("compared %v, want a row for each of %d blocks", r.Sheets, r.Head)
	}
	if !slices.Equal(r.NotCompared, []string{"fake.show"}) {
		t.Errorf("not compared: %v, want the loader without a file", r.NotCompared)
	}
	for _, kind := range kinds {
		if r.Faults[kind] == 0 {
			t.Errorf("there was no %s: %v", kind, r.Faults)
		}
	}
	log, err := os.ReadFile(filepath.Join(r.Dir, "faults.log"))
	if err != nil || !strings.Contains(string(log), "the host is killed") || !strings.Contains(string(log), "not now") || !strings.Contains(string(log), "(process ") {
		t.Errorf("the log does not tell what was done: %v\n%s", err, log)
	}
}

func TestAHostThatWritesTwiceIsFoundOut(t *testing.T) {
	t.Parallel()
	r := until(t, "naive", func(r Report) bool { return !r.Equal }, HostKiller)
	if r.Equal || r.First == nil || r.First.Foreign == 0 || len(r.Problems) == 0 {
		t.Errorf("got %s", r)
	}
}

func TestAHostThatMissesAReorganisationIsFoundOut(t *testing.T) {
	t.Parallel()
	r := until(t, "blind", func(r Report) bool { return !r.Equal }, Brancher)
	if r.Equal || r.First == nil || r.First.Kind != compare.Changed {
		t.Errorf("got %s", r)
	}
}

func TestAHostThatStandsStillIsFoundOut(t *testing.T) {
	for _, how := range []string{"stuck", "restless"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := until(t, how, func(r Report) bool { return !r.Equal }, HostKiller)
			if r.Equal || r.First == nil || r.First.Kind != compare.Lost || len(r.Problems) == 0 || !strings.Contains(r.Problems[0], "stands still") {
				t.Errorf("got %s", r)
			}
		})
	}
}

func TestChildrenAreFoundAndHarmedByTheirParentOnly(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=plugin")
	p, err := start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer p.end(os.Kill, time.Second)
	at := slices.IndexFunc(children(os.Getpid()), func(c child) bool { return c.pid == cmd.Process.Pid })
	if at < 0 {
		t.Fatalf("children %v, want process %d among them", children(os.Getpid()), cmd.Process.Pid)
	}
	c := children(os.Getpid())[at]
	if c.name != filepath.Base(os.Args[0]) {
		t.Errorf("its name is %q, want %q", c.name, filepath.Base(os.Args[0]))
	}
	if harm(1, c, os.Kill) || p.gone() {
		t.Error("a process is harmed that is no child of whose it should be")
	}
	if !harm(os.Getpid(), c, stopSignal) || !harm(os.Getpid(), c, goOnSignal) || !harm(os.Getpid(), c, os.Kill) {
		t.Error("a child cannot be harmed")
	}
	<-p.done
	if harm(os.Getpid(), c, os.Kill) {
		t.Error("a process that is gone is harmed")
	}
}
