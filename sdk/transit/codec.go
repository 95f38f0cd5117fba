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
	decode  func(b *binding, from, n int, to stretch) error
	follow  follower                              // encode for a view of pointers; nil if there is none
	size    func(c *column, p unsafe.Pointer) int // bytes on the wire beyond fixed; nil if there are none
}

// A view is a column's values before they are written: n values in all, in spans of memory. Within a span one value comes
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

// values are where the values in a span of a view lie, with what the view says of it. A loop over them takes this instead of the view, which
// is too large for registers.
func (sp span) values(off, stride uintptr) stretch {
	if sp.n == 0 {
		return stretch{} // there may be no memory at all
	}
	return stretch{unsafe.Add(sp.p, off), stride}
}

// A stretch is where the values of a column lie in memory, or go when they are read: one every stride bytes.
type stretch struct {
	p      unsafe.Pointer
	stride uintptr
}

func (s stretch) at(i int) unsafe.Pointer {
	return unsafe.Add(s.p, uintptr(i)*s.stride)
}

// sliceHeader is the memory of any slice.
type sliceHeader struct {
	p        unsafe.Pointer
	len, cap int
}
