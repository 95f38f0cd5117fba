package transit

import (
	"unsafe"
)

// A codec writes the values of a column into buffers of a batch and reads them back. Validity and nil pointers are not its
// business: it sees values only.
type codec struct {
	buffers int  // beside the validity bitmap, children not counted
	fixed   int  // bytes on the wire of a value's part that is the same for all values
	flat    bool // a value on the wire is its memory, byte by byte
	encode  func(s *sink, c *column, v view) error
	decode  func(b *binding, from, n int, to target) error
	follow  follower                              // encode for a view of pointers; nil if there is none
	size    func(c *column, p unsafe.Pointer) int // bytes on the wire beyond fixed; nil if there are none
}

// A view is a column's values before they are written: n values in all, in stretches of memory. Within a stretch one value comes
// every stride bytes, the first of them off bytes after its beginning.
type view struct {
	spans       []span
	off, stride uintptr
	n           int
}

type span struct {
	p unsafe.Pointer
	n int
}

// at is the address of value i of a stretch.
func (v view) at(sp span, i int) unsafe.Pointer {
	return unsafe.Add(sp.p, v.off+uintptr(i)*v.stride)
}

// A target is where a column's values go when they are read: one every stride bytes.
type target struct {
	p      unsafe.Pointer
	stride uintptr
}

func (t target) at(i int) unsafe.Pointer {
	return unsafe.Add(t.p, uintptr(i)*t.stride)
}

// sliceHeader is the memory of any slice.
type sliceHeader struct {
	p        unsafe.Pointer
	len, cap int
}
