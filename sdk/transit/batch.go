package transit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A Batch is a record batch seen as columns, for those that take rows of any type. Record is garbage-collected: releasing it does nothing.
type Batch struct {
	Type   Type
	Record arrow.RecordBatch
}

// DecodeBatch reads one record batch message of the given type. The columns are parts of body wherever its alignment allows: body must
// not change as long as the batch is in use. Everything is checked once, so that no access to the columns can go astray; what is
// broken is an error that names the column, never a panic.
func DecodeBatch(t Type, body []byte) (b Batch, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, err = Batch{}, fmt.Errorf("decode %s: %v", t.Name, r)
		}
	}()
	columns, nodes, buffers, err := layoutOf(t.Schema)
	if err != nil {
		return Batch{}, fmt.Errorf("transit: type %s: %w", t.Name, err)
	}
	m, err := openMessage(body, nodes, buffers)
	if err != nil {
		return Batch{}, fmt.Errorf("decode %s: %w", t.Name, err)
	}
	arrays := make([]arrow.Array, len(columns))
	for i, l := range columns {
		if err := m.resolve(l, int(m.header.rows), nil); err != nil {
			return Batch{}, fmt.Errorf("decode %s: column %w", t.Name, err)
		}
		if err := l.checkOffsets(); err != nil {
			return Batch{}, fmt.Errorf("decode %s: column %w", t.Name, err)
		}
		arrays[i] = array.MakeFromData(l.data())
	}
	return Batch{Type: t, Record: array.NewRecordBatch(t.Schema, arrays, m.header.rows)}, nil
}

// checkOffsets checks the offsets of a column and of those below it.
func (l *layout) checkOffsets() error {
	if err := l.checkOwnOffsets(); err != nil {
		return fmt.Errorf("%s: %w", l.field.Name, err)
	}
	for _, child := range l.children {
		if err := child.checkOffsets(); err != nil {
			return fmt.Errorf("%s: %w", l.field.Name, err)
		}
	}
	return nil
}

func (l *layout) checkOwnOffsets() error {
	limit := len(l.values)
	switch l.shape {
	case shapeList, shapeLargeList:
		limit = l.children[0].length
	case shapeBytes, shapeLargeBytes:
	default:
		return nil
	}
	if l.length == 0 {
		return nil
	}
	begin := l.offset(0)
	for i := range l.length {
		end := l.offset(i + 1)
		if end < begin || end > uint64(limit) {
			return badOffsets(i, begin, end, limit)
		}
		begin = end
	}
	return nil
}

func (l *layout) offset(i int) uint64 {
	if l.offsetSize() == 8 {
		return binary.LittleEndian.Uint64(l.offsets[8*i:])
	}
	return uint64(binary.LittleEndian.Uint32(l.offsets[4*i:]))
}

// data hands a checked column to the Arrow library.
func (l *layout) data() arrow.ArrayData {
	children := make([]arrow.ArrayData, len(l.children))
	for i, child := range l.children {
		children[i] = child.data()
	}
	if l.nulls == 0 {
		l.validity = nil
	}
	if l.length == 0 {
		l.offsets = make([]byte, 8) // may have been left out
	}
	parts := [][]byte{l.validity, l.offsets, l.values}
	switch l.shape {
	case shapeNull, shapeFixedList, shapeStruct:
		parts = parts[:1]
	case shapeList, shapeLargeList:
		parts = parts[:2]
	case shapeFixed:
		parts = [][]byte{l.validity, l.values}
	case shapeBytes, shapeLargeBytes: // have all three
	}
	buffers := make([]*memory.Buffer, len(parts))
	for i, part := range parts {
		buffers[i] = memory.NewBufferBytes(aligned(part))
	}
	if l.validity == nil {
		buffers[0] = nil
	}
	return array.NewData(l.field.Type, l.length, buffers, children, l.nulls, 0)
}

// aligned returns the bytes at an address that words may have.
func aligned(b []byte) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 == 0 {
		return b
	}
	return bytes.Clone(b)
}
