package wire

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// With the floor the collector leaves much more memory alone than without.
func TestHeapFloor(t *testing.T) {
	floor := heapFloor()
	runtime.GC()
	var with, without runtime.MemStats
	runtime.ReadMemStats(&with)
	runtime.KeepAlive(floor)
	runtime.GC()
	runtime.ReadMemStats(&without)
	if with.NextGC < without.NextGC+floorBytes/2 {
		t.Errorf("the collector begins at %d bytes with the floor and at %d without", with.NextGC, without.NextGC)
	}
}

// A plugin whose memory is bounded gets no floor, which would count.
func TestNoHeapFloorWithinALimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	if n := len(heapFloor()); n > 0 {
		t.Errorf("got a floor of %d bytes", n)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if heapFloor() == nil {
		t.Error("got no floor without a limit")
	}
}
