package wire

import (
	"math"
	"runtime/debug"
)

// floorBytes is what the collector takes every plugin to hold at least.
const floorBytes = 32 << 20

// heapFloor keeps the garbage collector of a plugin that holds little from
// running every few frames: rows live on in the frame they came in, so each
// frame is memory of its own, and the collector begins when the heap has
// doubled. The floor is never written to and takes no memory, but counts as
// held. Where GOMEMLIMIT bounds a plugin there is none, as it would count there
// too.
func heapFloor() []byte {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return nil
	}
	return make([]byte, floorBytes)
}
