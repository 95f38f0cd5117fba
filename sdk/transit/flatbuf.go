package transit

import (
	"encoding/binary"
	"errors"
)

// errBroken stands for every way in which metadata contradicts itself: an offset that leads outside, a table cut short.
var errBroken = errors.New("the metadata is broken")

// A table is a flatbuffer table in memory that nobody vouches for. Every access is checked; the first that leads outside the buffer
// sets the error of the view, and from then on everything reads as absent.
type table struct {
	*flatView
	at     int // of the table
	fields int // of the first field's entry in the vtable
	count  int // fields in the vtable
}

type flatView struct {
	buf []byte
	err error
}

// rootTable is the table at the root of a flatbuffer.
func rootTable(v *flatView) table {
	return v.tableAt(v.follow(0))
}

func (v *flatView) u16(at int) int {
	if at < 0 || at > len(v.buf)-2 {
		v.err = errBroken
		return 0
	}
	return int(binary.LittleEndian.Uint16(v.buf[at:]))
}

func (v *flatView) u32(at int) uint32 {
	if at < 0 || at > len(v.buf)-4 {
		v.err = errBroken
		return 0
	}
	return binary.LittleEndian.Uint32(v.buf[at:])
}

// follow reads the offset at a position and returns where it leads: always forward, always inside.
func (v *flatView) follow(at int) int {
	step := v.u32(at)
	if v.err != nil || step == 0 || uint64(step) > uint64(len(v.buf)-at) {
		v.err = errBroken
		return 0
	}
	return at + int(step)
}

func (v *flatView) tableAt(at int) table {
	vtable := int64(at) - int64(int32(v.u32(at)))
	if v.err != nil || vtable < 0 || vtable > int64(len(v.buf)-4) {
		v.err = errBroken
		return table{flatView: v}
	}
	size := v.u16(int(vtable))
	if size < 4 || size%2 != 0 || size > len(v.buf)-int(vtable) {
		v.err = errBroken
		return table{flatView: v}
	}
	return table{flatView: v, at: at, fields: int(vtable) + 4, count: (size - 4) / 2}
}

// field is the position of a field's value, or 0 if the table leaves it out.
func (t table) field(i int) int {
	if t.err != nil || i >= t.count {
		return 0
	}
	offset := t.u16(t.fields + 2*i)
	if offset == 0 {
		return 0
	}
	return t.at + offset
}

func (t table) byte(i int) byte {
	at := t.field(i)
	if at == 0 {
		return 0
	}
	if at >= len(t.buf) {
		t.err = errBroken
		return 0
	}
	return t.buf[at]
}

func (t table) int16(i int) int16 {
	at := t.field(i)
	if at == 0 {
		return 0
	}
	return int16(t.u16(at))
}

func (t table) int64(i int) int64 {
	at := t.field(i)
	if at == 0 {
		return 0
	}
	return int64(t.u32(at)) | int64(t.u32(at+4))<<32
}

// table is the table that a field points to, and whether there is one.
func (t table) table(i int) (table, bool) {
	at := t.field(i)
	if at == 0 {
		return table{}, false
	}
	sub := t.tableAt(t.follow(at))
	return sub, t.err == nil
}

// vector is the position and number of a vector's elements of the given size. An absent vector is empty.
func (t table) vector(i, size int) (at, count int) {
	at = t.field(i)
	if at == 0 {
		return 0, 0
	}
	at = t.follow(at)
	n := t.u32(at)
	if t.err != nil || uint64(n)*uint64(size) > uint64(len(t.buf)-at-4) {
		t.err = errBroken
		return 0, 0
	}
	return at + 4, int(n)
}

// text is a string, as bytes of the buffer.
func (t table) text(i int) []byte {
	at, n := t.vector(i, 1)
	return t.buf[at : at+n]
}
