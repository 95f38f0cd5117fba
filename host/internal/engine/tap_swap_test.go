package engine_test

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk"
)

// Whoever looks is told that another plugin has taken over, and misses nothing for
// it; what is recorded ends there, since it is of one plugin.
func TestTapAndRecordingAcrossASwap(t *testing.T) {
	long(t)
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(20)
	tap := openTap(t, r, "sums", "")
	var w watched
	w.until(t, tap, "rows", func() bool { return len(w.rows) >= 30 })
	swapped := make(chan error, 1)
	path, ended := recorded(t, r, "sums", engine.RecordLimits{For: time.Hour}, func() {
		go func() { swapped <- r.swap(r.version(s.String(), "next"), brief, "sums") }()
	})
	do(t, "swap", <-swapped)
	if ended == nil || ended.Error() != "another plugin has taken over" {
		t.Errorf("the recording ended with %v", ended)
	}
	if said := complains(t, sdk.Subscriber("test.running", &running{}), path); said != "" {
		t.Error(said)
	}
	w.until(t, tap, "the swap and rows after it", func() bool { return len(w.news) > 0 && len(w.rows) > w.at[0]+3 })
	if n := w.news[0]; len(w.news) != 1 || n.Kind != engine.NewsSwapped || n.Generation != r.path().Generation {
		t.Errorf("news: %+v", w.news)
	}
	if next := w.first[w.at[0]]; w.missed == 0 && next != uint64(w.at[0]) {
		t.Errorf("the first row after the swap has number %d, want %d", next, w.at[0])
	}
	do(t, "end", end())
}
