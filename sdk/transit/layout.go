package transit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
)

// A layout says where a producer's column lies in its batches, and holds its parts while one batch is read.
type layout struct {
	field        arrow.Field
	shape        shape
	width        int // bits of a value with shape fixed, values per value with shape fixedList
	node, buffer int // numbers of its node and its first buffer
	children     []*layout
	unread       bool // nobody wants this column: its parts are not looked at

	length, nulls             int
	validity, offsets, values []byte
}

// shape is how the values of a column lie in buffers.
type shape uint8

const (
	shapeNull       shape = iota // no buffer at all
	shapeFixed                   // validity, values
	shapeBytes                   // validity, offsets, values
	shapeLargeBytes              // the same with offsets of 64 bits
	shapeList                    // validity, offsets; elements below
	shapeLargeList               // the same with offsets of 64 bits
	shapeFixedList               // validity; elements below
	shapeStruct                  // validity; fields below
)

// buffers is how many a shape has.
func (s shape) buffers() int {
	return [...]int{shapeNull: 0, shapeFixed: 2, shapeBytes: 3, shapeLargeBytes: 3, shapeList: 2, shapeLargeList: 2, shapeFixedList: 1, shapeStruct: 1}[s]
}

// layoutOf lays out the columns of a schema. It refuses what batches cannot carry.
func layoutOf(schema *arrow.Schema) (columns []*layout, nodes, buffers int, err error) {
	if schema == nil {
		return nil, 0, 0, errors.New("it has no schema")
	}
	var at counter
	columns, err = at.fields(schema.Fields())
	return columns, at.nodes, at.buffers, err
}

// counter numbers nodes and buffers in the order of the format: a column before its children, these in turn.
type counter struct {
	nodes, buffers int
}

func (at *counter) fields(fields []arrow.Field) ([]*layout, error) {
	columns := make([]*layout, len(fields))
	seen := make(map[string]bool, len(fields))
	for i, f := range fields {
		if seen[f.Name] {
			return nil, fmt.Errorf("column %s: there are two of this name", f.Name)
		}
		seen[f.Name] = true
		l, err := at.field(f)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		columns[i] = l
	}
	return columns, nil
}

func (at *counter) field(f arrow.Field) (*layout, error) {
	if err := checkKind(f); err != nil {
		return nil, err
	}
	l := &layout{field: f, node: at.nodes, buffer: at.buffers}
	dt := f.Type
	if ext, ok := dt.(arrow.ExtensionType); ok {
		dt = ext.StorageType()
	}
	var err error
	if l.shape, l.width, err = shapeOf(dt); err != nil {
		return nil, err
	}
	at.nodes++
	at.buffers += l.shape.buffers()
	if nested, ok := dt.(arrow.NestedType); ok {
		l.children, err = at.fields(nested.Fields())
	}
	return l, err
}

func shapeOf(dt arrow.DataType) (s shape, width int, err error) {
	switch dt := dt.(type) {
	case *arrow.NullType:
		return shapeNull, 0, nil
	case *arrow.StringType, *arrow.BinaryType:
		return shapeBytes, 0, nil
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return shapeLargeBytes, 0, nil
	case *arrow.ListType, *arrow.MapType:
		return shapeList, 0, nil
	case *arrow.LargeListType:
		return shapeLargeList, 0, nil
	case *arrow.FixedSizeListType:
		if dt.Len() >= 0 {
			return shapeFixedList, int(dt.Len()), nil
		}
	case *arrow.StructType:
		return shapeStruct, 0, nil
	case *arrow.DictionaryType:
		return 0, 0, errors.New("it is dictionary-encoded: send plain values")
	case arrow.FixedWidthDataType:
		if dt.BitWidth() > 0 {
			return shapeFixed, dt.BitWidth(), nil
		}
	}
	return 0, 0, fmt.Errorf("%s does not travel: use plain strings, bytes, lists and structs", dt)
}

// message is a record batch whose columns are being resolved.
type message struct {
	header  batchHeader
	bytes   []byte
	body    []byte
	claimed uint64 // bytes of the body that buffers looked at so far take
}

// anyLength is wanted of the elements of lists: the offsets say how many there are.
const anyLength = -1

// resolve finds the parts of a column and checks that it has the wanted number of values and that its buffers hold them. It
// allocates nothing and looks at no value. outer is the struct whose nulls excuse nulls here, nil for none.
func (m *message) resolve(l *layout, want int, outer *layout) error {
	if l.unread {
		return nil
	}
	if err := m.resolveParts(l, want, outer); err != nil {
		return fmt.Errorf("%s: %w", l.field.Name, err)
	}
	return nil
}

func (m *message) resolveParts(l *layout, want int, outer *layout) error {
	entry := m.bytes[m.header.nodesAt+entrySize*l.node:]
	length, nulls := int64(binary.LittleEndian.Uint64(entry)), int64(binary.LittleEndian.Uint64(entry[8:]))
	switch {
	case want != anyLength && length != int64(want):
		return fmt.Errorf("%d values where %d are wanted", length, want)
	case length < 0 || length > math.MaxInt32:
		return fmt.Errorf("%d values are too many", length)
	case nulls < 0 || nulls > length:
		return fmt.Errorf("%d nulls in %d values", nulls, length)
	}
	l.length, l.nulls = int(length), int(nulls)
	if l.shape == shapeNull {
		return nil
	}
	var err error
	if l.validity, err = m.buffer(l.buffer, "validity bitmap"); err != nil {
		return err
	}
	if l.nulls > 0 {
		if err := m.checkNulls(l, outer); err != nil {
			return err
		}
	}
	if err := m.resolveValues(l); err != nil {
		return err
	}
	return m.resolveChildren(l, outer)
}

// checkNulls refuses nulls without a bitmap, and nulls in a column that has none, but for those where the struct around it is null.
func (m *message) checkNulls(l, outer *layout) error {
	if len(l.validity) < bytesFor(l.length) {
		return fmt.Errorf("the validity bitmap has %d bytes where %d values need %d", len(l.validity), l.length, bytesFor(l.length))
	}
	if l.field.Nullable {
		return nil
	}
	for i := range l.length {
		if !isSet(l.validity, i) && (outer == nil || isSet(outer.validity, i)) {
			return fmt.Errorf("value %d is null in a column without nulls", i)
		}
	}
	return nil
}

// resolveValues finds offsets and values and checks that they are long enough.
func (m *message) resolveValues(l *layout) error {
	var err error
	switch l.shape {
	case shapeFixed:
		if l.values, err = m.buffer(l.buffer+1, "buffer"); err != nil {
			return err
		}
		if need := bitsOf(l.length, l.width); need > uint64(len(l.values))*8 {
			return fmt.Errorf("%d bytes hold fewer than %d values", len(l.values), l.length)
		}
	case shapeBytes, shapeLargeBytes:
		if l.values, err = m.buffer(l.buffer+2, "buffer of values"); err != nil {
			return err
		}
		return m.resolveOffsets(l)
	case shapeList, shapeLargeList:
		return m.resolveOffsets(l)
	case shapeNull, shapeFixedList, shapeStruct: // have neither
	}
	return nil
}

func (m *message) resolveOffsets(l *layout) error {
	var err error
	if l.offsets, err = m.buffer(l.buffer+1, "buffer of offsets"); err != nil {
		return err
	}
	size := uint64(l.offsetSize())
	if l.length == 0 {
		return nil // an empty column may leave its offsets out
	}
	if need := size * (uint64(l.length) + 1); need > uint64(len(l.offsets)) {
		return fmt.Errorf("the offsets have %d bytes where %d values need %d", len(l.offsets), l.length, need)
	}
	return nil
}

func (l *layout) offsetSize() int {
	if l.shape == shapeLargeBytes || l.shape == shapeLargeList {
		return 8
	}
	return 4
}

func (m *message) resolveChildren(l, outer *layout) error {
	want := anyLength
	if l.shape != shapeStruct {
		outer = nil
	}
	switch l.shape {
	case shapeStruct:
		want = l.length
		if l.nulls > 0 {
			outer = l
		}
	case shapeFixedList:
		elements := bitsOf(l.length, l.width)
		if elements > math.MaxInt32 {
			return fmt.Errorf("%d lists of %d are too many", l.length, l.width)
		}
		want = int(elements)
	default: // offsets say how many elements there are
	}
	for _, child := range l.children {
		if err := m.resolve(child, want, outer); err != nil {
			return err
		}
	}
	return nil
}

// buffer is one buffer of the body.
func (m *message) buffer(i int, what string) ([]byte, error) {
	entry := m.bytes[m.header.buffersAt+entrySize*i:]
	at, size := binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint64(entry[8:])
	if size == 0 {
		return nil, nil
	}
	if at > uint64(len(m.body)) || size > uint64(len(m.body))-at {
		return nil, fmt.Errorf("its %s, %d bytes from %d on, lies outside a body of %d", what, size, at, len(m.body))
	}
	if m.claimed += size; m.claimed > uint64(len(m.body)) {
		return nil, fmt.Errorf("its %s overlaps others: all buffers together are larger than the body", what)
	}
	return m.body[at : at+size : at+size], nil
}

// release lets go of the batch.
func (l *layout) release() {
	l.validity, l.offsets, l.values = nil, nil, nil
	for _, child := range l.children {
		child.release()
	}
}

// bytesFor is the size of a bitmap.
func bytesFor(n int) int { return (n + 7) / 8 }

// bitsOf multiplies without overflow: both factors fit into 32 bits, or the product is larger than any buffer.
func bitsOf(n, width int) uint64 {
	if uint64(n) > math.MaxUint32 {
		return math.MaxUint64
	}
	return uint64(n) * uint64(width)
}
