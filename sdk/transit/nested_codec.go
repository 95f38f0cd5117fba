package transit

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

func structCodec() codec {
	return codec{encode: encodeStruct, decode: decodeStruct, size: sizeOfStruct}
}

func sizeOfStruct(c *column, p unsafe.Pointer) int { return sizeOfColumns(c.children, p) }

func encodeStruct(s *sink, c *column, v view) error {
	off := v.off
	for _, child := range c.children {
		v.off = off + child.offset
		if err := s.column(child, v); err != nil {
			return err
		}
	}
	return nil
}

func decodeStruct(b *binding, from, n int, to stretch) error {
	for i := range b.children {
		child := &b.children[i]
		if err := child.decode(from, n, stretch{unsafe.Add(to.p, child.column.offset), to.stride}); err != nil {
			return err
		}
	}
	return nil
}

func listCodec(item *column) codec {
	c := codec{buffers: 1, fixed: 4, encode: encodeList, decode: decodeList, size: sizeOfList}
	if item.codec.flat && !item.nullable {
		c.encode = encodeFlatList
	}
	return c
}

func sizeOfList(c *column, p unsafe.Pointer) int {
	list, item := (*sliceHeader)(p), c.children[0]
	if !item.nullable && item.codec.size == nil {
		return list.len * item.codec.fixed
	}
	size := 0
	for i := range list.len {
		size += sizeOf(item, unsafe.Add(list.p, uintptr(i)*item.stride()))
	}
	return size
}

// stride is the distance between elements of the type in a slice.
func (c *column) stride() uintptr {
	if c.nullable {
		return unsafe.Sizeof(uintptr(0))
	}
	return c.goType.Size()
}

// encodeList writes the offsets and hands the elements of all lists to the column below as one view.
func encodeList(s *sink, c *column, v view) error {
	out := s.reserve(4 * (v.n + 1))
	binary.LittleEndian.PutUint32(out, 0)
	mark, total := len(s.spans), 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			list := (*sliceHeader)(values.at(i))
			if list.len > 0 {
				s.spans = append(s.spans, span{list.p, list.len})
			}
			total += list.len
			out = out[4:]
			binary.LittleEndian.PutUint32(out, uint32(total))
		}
	}
	if total > math.MaxInt32 {
		return errTooBig
	}
	item := c.children[0]
	return s.column(item, view{spans: s.spans[mark:], stride: item.stride(), n: total})
}

// encodeFlatList writes lists of byte arrays, which lie in memory as they travel, in one pass.
func encodeFlatList(s *sink, c *column, v view) error {
	size := c.children[0].codec.fixed
	next := s.offsets(v.n)
	start, total := len(s.out), 0
	out := s.out
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			list := (*sliceHeader)(values.at(i))
			out = append(out, unsafe.Slice((*byte)(list.p), list.len*size)...)
			total += list.len
			binary.LittleEndian.PutUint32(out[next:], uint32(total))
			next += 4
		}
	}
	s.out = out
	s.describeNode(total, 0)
	s.describe(start, 0)
	return s.finish(start)
}

// decodeList reads the elements of all lists as one array and cuts it up. The capacity of each slice ends with its length, so
// that appending to one leaves its neighbour alone.
func decodeList(b *binding, from, n int, to stretch) error {
	offsets, limit := b.layout.offsets[4*from:4*(from+n+1)], b.children[0].layout.length
	first, last := binary.LittleEndian.Uint32(offsets), binary.LittleEndian.Uint32(offsets[4*n:])
	if last < first || uint64(last) > uint64(limit) {
		return badOffsets(from, uint64(first), uint64(last), limit)
	}
	item := &b.children[0]
	stride := item.column.stride()
	arena, err := item.elements(int(first), int(last-first))
	if err != nil {
		return err
	}
	begin := first
	for i := range n {
		end := binary.LittleEndian.Uint32(offsets[4*i+4:])
		if end < begin || end > last {
			return badOffsets(from+i, uint64(begin), uint64(end), limit)
		}
		list := sliceHeader{len: int(end - begin), cap: int(end - begin)}
		if end > begin {
			list.p = unsafe.Add(arena, uintptr(begin-first)*stride)
		}
		*(*sliceHeader)(to.at(i)) = list
		begin = end
	}
	return nil
}

// elements reads n elements of a list into one allocation. Byte arrays need none: they lie in the body as in memory, at any address.
func (b *binding) elements(from, n int) (unsafe.Pointer, error) {
	c := b.column
	if n == 0 {
		return nil, nil
	}
	if c.codec.flat && !c.nullable {
		size := c.codec.fixed
		return unsafe.Pointer(unsafe.SliceData(b.layout.values[from*size : (from+n)*size])), nil
	}
	rt := c.goType
	if c.nullable {
		rt = reflect.PointerTo(rt)
	}
	arena := newArray(rt, n, c.nullable || c.pointers)
	return arena, b.decode(from, n, stretch{arena, c.stride()})
}

// newArray allocates n zero values in a row.
func newArray(rt reflect.Type, n int, pointers bool) unsafe.Pointer {
	if !pointers { // words are aligned for everything, and cost one allocation instead of reflection's two
		return unsafe.Pointer(unsafe.SliceData(make([]uint64, (uintptr(n)*rt.Size()+7)/8)))
	}
	return reflect.MakeSlice(reflect.SliceOf(rt), n, n).UnsafePointer()
}

// decodeNullable reads all values into one allocation and lets the pointers of those that are not null point there. Byte arrays need none:
// they lie in the body as in memory.
func decodeNullable(b *binding, from, n int, to stretch) error {
	c, l := b.column, b.layout
	if l.nulls == l.length {
		for i := range n {
			*(*unsafe.Pointer)(to.at(i)) = nil
		}
		return nil
	}
	values := stretch{stride: c.goType.Size()}
	if c.codec.flat {
		values.p = unsafe.Pointer(unsafe.SliceData(l.values[from*c.codec.fixed : (from+n)*c.codec.fixed]))
	} else {
		values.p = newArray(c.goType, n, c.pointers)
		if err := c.codec.decode(b, from, n, values); err != nil {
			return err
		}
	}
	for i := range n {
		if l.nulls > 0 && !isSet(l.validity, from+i) {
			*(*unsafe.Pointer)(to.at(i)) = nil
			continue
		}
		*(*unsafe.Pointer)(to.at(i)) = values.at(i)
	}
	return nil
}

// decode reads n values of a column, beginning with value from. There is at least one.
func (b *binding) decode(from, n int, to stretch) error {
	decode := b.column.codec.decode
	if b.column.nullable {
		decode = decodeNullable
	}
	if err := decode(b, from, n, to); err != nil {
		return fmt.Errorf("%s: %w", b.column.field.Name, err)
	}
	return nil
}
