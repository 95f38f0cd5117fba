package api

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-io/penstock/host/internal/store"
)

// pauseBuckets are upper bounds of the pauses that are counted together.
var pauseBuckets = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

var (
	swapsTotal = figure("swaps_total", "Swaps of the plugin since the host began, by what became of them.", "plugin", "outcome")
	swapPause  = figure("swap_pause_seconds", "How long edges paused while the plugin was swapped: the longest of each swap.", "plugin")
)

// swapKey is what swaps are counted by.
type swapKey struct {
	plugin  string
	outcome store.SwapOutcome
}

// pauses are the pauses of one plugin's swaps.
type pauses struct {
	count   uint64
	sum     time.Duration
	buckets map[float64]uint64 // how many there are up to each bound, in seconds
}

// swapFigures count the swaps of one run of a host.
type swapFigures struct {
	mu     sync.Mutex
	swaps  map[swapKey]uint64
	pauses map[string]pauses
}

// Swapped counts a swap that has come to its end.
func (e *Events) Swapped(r store.SwapRecord) {
	f := &e.swaps
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.swaps == nil {
		f.swaps, f.pauses = make(map[swapKey]uint64), make(map[string]pauses)
	}
	f.swaps[swapKey{r.Plugin, r.Outcome}]++
	if r.Pause == 0 {
		return // it has not come to a cut
	}
	p := f.pauses[r.Plugin]
	p.count++
	p.sum += r.Pause
	p.buckets = maps.Clone(p.buckets) // whoever collects has the one before
	if p.buckets == nil {
		p.buckets = make(map[float64]uint64)
	}
	for _, bound := range pauseBuckets {
		within := uint64(0)
		if r.Pause <= bound {
			within = 1
		}
		p.buckets[bound.Seconds()] += within // a bound with none is there too
	}
	f.pauses[r.Plugin] = p
}

// swapped sends what was counted.
func (t teller) swapped(f *swapFigures) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.swaps {
		t.counter(swapsTotal, n, key.plugin, string(key.outcome))
	}
	for plugin, p := range f.pauses {
		t.out <- prometheus.MustNewConstHistogram(swapPause, p.count, p.sum.Seconds(), p.buckets, plugin)
	}
}
