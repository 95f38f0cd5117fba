package change_test

import (
	"os"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/store"
)

// done waits until some swaps have come to their end, and returns them.
func (r *rig) done(n int) []change.Record {
	r.t.Helper()
	var out []change.Record
	waitFor(r.t, "swaps to end", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		out = append(out[:0], r.finished...)
		return len(out) >= n
	})
	return out
}

// A plugin whose binary changes is swapped. What cannot take its place is told
// and stops nothing, a file that was only touched is nothing, and one that comes
// during a probation waits its turn.
func TestWatchedBinary(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{blocks: `plugin "math" { dev = true }`})
	place(t, r.installed(), "2") // at once, as builds do it
	r.becomes("2")
	place(t, r.installed(), "few")
	if swaps := r.done(2); swaps[1].Outcome != store.SwapRefused {
		t.Fatalf("the second swap was %q, want refused", swaps[1].Outcome)
	}
	if now := r.runs(); now != "2" {
		t.Errorf("variant %s runs, want 2 as before", now)
	}
	place(t, r.installed(), "1")
	waitFor(t, "the probation", func() bool { phases := r.phases(3); return len(phases) > 0 && phases[len(phases)-1] == "probation" })
	place(t, r.installed(), "3")
	swaps := r.done(4)
	if swaps[2].Outcome != store.SwapCommitted || swaps[3].Outcome != store.SwapCommitted || swaps[3].Steps[0].From != swaps[2].Steps[0].To {
		t.Errorf("the newer one did not wait for its turn: %+v", swaps[2:])
	}
	r.becomes("3")
	now := time.Now()
	if err := os.Chtimes(r.installed(), now, now); err != nil {
		t.Fatal(err)
	}
	place(t, r.installed(), "2")
	if swaps := r.done(5); swaps[4].Number != 5 {
		t.Errorf("the swap after a file that was only touched has the number %d, want 5", swaps[4].Number)
	}
}

// Links are followed to where they lead, also when they lead elsewhere. Other
// plugins than those that are to be watched are left alone.
func TestWatchedLink(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{watch: true, link: true})
	r.becomes("1")
	two := r.variant("2")
	fresh := r.path("fresh")
	if err := os.Symlink(two, fresh); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, r.installed()); err != nil {
		t.Fatal(err)
	}
	r.becomes("2")
	place(t, two, "3") // in the directory that the link leads to
	r.becomes("3")
	for _, record := range r.done(2) {
		if record.Plugin != "math" {
			t.Errorf("plugin %s was swapped too", record.Plugin)
		}
	}
}

// Without a word from the user nothing is watched.
func TestBinariesAreNotWatchedUnasked(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	place(t, r.installed(), "2")
	r.swap("3") // takes longer than a watcher would
	if swaps := r.done(1); len(swaps) != 1 {
		t.Errorf("%d swaps, want only the one that was asked for", len(swaps))
	}
	if now := r.runs(); now != "3" {
		t.Errorf("variant %s runs, want 3", now)
	}
}
