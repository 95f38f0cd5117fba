package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// A thousand swaps while rows flow: not one is lost, comes twice or out of order,
// and nothing is left of the plugins that went.
func TestSwapAThousandTimes(t *testing.T) {
	long(t)
	const all, most = 1000, 3 * time.Minute // which is several times what it takes where nothing else runs
	s := newLive(t)
	s.reader = "head = 10\n pause = \"1ms\"\n per_block = 20"
	r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.Checkpoint.Every = 20 * time.Millisecond }))
	v := r.version(s.String(), "next")
	end := r.begin()
	r.waitCommitted(20)
	generation := r.path().Generation
	var pauses []time.Duration
	var before footprint
	began := time.Now()
	steps := []string{"sums", "sums", "sums", "out", "blocks"}
	swaps := 0
	for i := range all {
		if time.Since(began) > most && i > all/10 {
			t.Logf("this machine has too much else to do for all %d swaps", all)
			break
		}
		swaps++
		if i == all/20 {
			before = r.footprint()
		}
		step := steps[i%len(steps)]
		if err := r.swap(v, brief, step); err != nil {
			t.Fatalf("swap %d of step %s: %v", i, step, err)
		}
		if step == "sums" {
			pauses = append(pauses, r.path().Swap.Pause)
		}
	}
	took := time.Since(began)
	if now := r.path().Generation; now != generation {
		t.Errorf("the path began again %d times", now-generation)
	}
	after := r.footprint()
	for deadline := time.Now().Add(patience); len(after.grown(before)) > 0 && time.Now().Before(deadline); after = r.footprint() {
		time.Sleep(100 * time.Millisecond) // what goes may be about to
	}
	t.Logf("%d swaps in %s; before %+v, after %+v", swaps, took.Round(time.Second), before, after)
	for _, what := range after.grown(before) {
		t.Error(what)
	}
	slices.Sort(pauses)
	t.Logf("the edge of the subscriber paused for %s (p50), %s (p99), %s (longest), while %d rows came by",
		pauses[len(pauses)/2], pauses[len(pauses)*99/100], pauses[len(pauses)-1], r.process("sums").RowsIn)
	do(t, "end", end())
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, 1, *r.path().Committed, 20)))
}

// footprint is what this process holds on to.
type footprint struct {
	files, goroutines, sockets, children, zombies int
	heap                                          uint64
}

func (r *rig) footprint() footprint {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.files = len(open)
	}
	for _, dir := range r.runDirs {
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			r.t.Fatal(err)
		}
		f.sockets += len(found)
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		var state string
		var parent int
		if _, err := fmt.Sscanf(string(raw[bytes.LastIndexByte(raw, ')')+1:]), "%s %d", &state, &parent); err != nil || parent != os.Getpid() {
			continue
		}
		f.children++
		if state == "Z" {
			f.zombies++
		}
	}
	return f
}

// grown tells what has grown; a little is what happens to be under way.
func (f footprint) grown(before footprint) (out []string) {
	for what, n := range map[string][2]int{
		"open files": {f.files, before.files + 4}, "goroutines": {f.goroutines, before.goroutines + 8},
		"sockets": {f.sockets, before.sockets}, "children": {f.children, before.children}, "zombies": {f.zombies, 0},
		"bytes of memory": {int(f.heap), int(before.heap) + 16<<20},
	} {
		if n[0] > n[1] {
			out = append(out, fmt.Sprintf("%d %s after the swaps, want at most %d", n[0], what, n[1]))
		}
	}
	return out
}
