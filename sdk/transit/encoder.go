package transit

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"unsafe"
)

// An Encoder writes rows as Arrow record batches. It is not safe for concurrent use.
type Encoder[T Row] struct {
	core *encoder
}

// NewEncoder compiles an encoder for a row struct. The error names the field that cannot be mapped.
func NewEncoder[T Row]() (*Encoder[T], error) {
	core, err := newEncoder(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Encoder[T]{core: core}, nil
}

// Type is the type of the rows.
func (e *Encoder[T]) Type() Type { return e.core.plan.rowType }

// Append appends one encapsulated record batch message that holds all rows, none included, and returns the longer slice. The
// message refers to nothing: rows may change afterwards. After an error dst is returned as it was. The error names the column.
func (e *Encoder[T]) Append(dst []byte, rows []T) ([]byte, error) {
	return e.core.append(dst, unsafe.Pointer(unsafe.SliceData(rows)), len(rows))
}

// Size estimates what a row adds to a batch, in bytes. It is cheap: it looks at lengths, not at contents.
func (e *Encoder[T]) Size(row *T) int {
	return e.core.plan.size(unsafe.Pointer(row))
}

// An AnyEncoder is an Encoder for a row struct known by reflection only. It is not safe for concurrent use.
type AnyEncoder struct {
	core *encoder
}

// NewEncoderOf compiles an encoder for a struct type that implements Row.
func NewEncoderOf(rt reflect.Type) (*AnyEncoder, error) {
	core, err := newEncoder(rt)
	if err != nil {
		return nil, err
	}
	return &AnyEncoder{core: core}, nil
}

// Type is the type of the rows.
func (e *AnyEncoder) Type() Type { return e.core.plan.rowType }

// AppendValue is Append for a slice of rows held in a reflect.Value.
func (e *AnyEncoder) AppendValue(dst []byte, slice reflect.Value) ([]byte, error) {
	if err := checkSlice(slice, e.core.plan); err != nil {
		return dst, fmt.Errorf("encode %s: %w", e.core.plan.rowType.Name, err)
	}
	out, err := e.core.append(dst, slice.UnsafePointer(), slice.Len())
	runtime.KeepAlive(slice)
	return out, err
}

func checkSlice(slice reflect.Value, p *plan) error {
	if !slice.IsValid() || slice.Kind() != reflect.Slice || slice.Type().Elem() != p.goType {
		got := "nothing"
		if slice.IsValid() {
			got = slice.Type().String()
		}
		return fmt.Errorf("%s given where []%s is wanted", got, p.goType)
	}
	return nil
}

// encoder is what the encoders have in common.
type encoder struct {
	plan     *plan
	template []byte
	header   batchHeader
	sink     sink
	last     int // size of the last message
	perRow   int // bytes per row in it
}

func newEncoder(rt reflect.Type) (*encoder, error) {
	p, err := newPlan(rt)
	if err != nil {
		return nil, err
	}
	nodes, buffers := partsOf(p.columns)
	template, header, err := batchTemplate(nodes, buffers)
	if err != nil {
		return nil, fmt.Errorf("transit: %s: lay out a batch: %w", rt, err) // unreachable: the template is our own
	}
	return &encoder{plan: p, template: template, header: header}, nil
}

// partsOf counts the nodes and buffers that columns have in a batch.
func partsOf(columns []*column) (nodes, buffers int) {
	for _, c := range columns {
		n, b := partsOf(c.children)
		nodes += 1 + n
		buffers += 1 + c.codec.buffers + b
	}
	return nodes, buffers
}

func (e *encoder) append(dst []byte, rows unsafe.Pointer, n int) ([]byte, error) {
	// The last batch says how much room this one takes, within reason: one huge row must not make many small ones reserve gigabytes.
	dst = slices.Grow(dst, len(e.template)+min(n*e.perRow, 2*e.last))
	head := len(dst)
	s := &e.sink
	s.begin(dst, e.template, &e.header, n)
	s.root[0] = span{rows, n}
	err := e.columns(n)
	out := s.end()
	if err != nil {
		return out[:head], fmt.Errorf("encode %s: column %w", e.plan.rowType.Name, err)
	}
	binary.LittleEndian.PutUint64(out[head+e.header.bodyLengthAt:], uint64(len(out)-s.body))
	e.last = len(out) - head
	e.perRow = (e.last + max(n, 1) - 1) / max(n, 1)
	return out, nil
}

func (e *encoder) columns(n int) error {
	stride := e.plan.goType.Size()
	for _, c := range e.plan.columns {
		v := view{spans: e.sink.root[:], off: c.offset, stride: stride, n: n}
		if err := e.sink.column(c, v); err != nil {
			return err
		}
	}
	return nil
}

// size estimates the bytes of a row on the wire. Most columns take the same in every row: only the others are looked at.
func (p *plan) size(row unsafe.Pointer) int {
	size := p.fixed
	for _, c := range p.variable {
		size += sizeOf(c, unsafe.Add(row, c.offset))
	}
	return size
}

// divide finds the columns of different size from row to row, and what the others take together.
func divide(columns []*column) (fixed int, variable []*column) {
	for _, c := range columns {
		if c.codec.size == nil {
			fixed += c.codec.fixed
			continue
		}
		variable = append(variable, c)
	}
	return fixed, variable
}

func sizeOfColumns(columns []*column, p unsafe.Pointer) int {
	size := 0
	for _, c := range columns {
		size += sizeOf(c, unsafe.Add(p, c.offset))
	}
	return size
}

// sizeOf estimates the bytes of a value on the wire.
func sizeOf(c *column, p unsafe.Pointer) int {
	if c.nullable {
		p = *(*unsafe.Pointer)(p)
		if p == nil {
			p = c.zero
		}
	}
	if c.codec.size == nil {
		return c.codec.fixed
	}
	return c.codec.fixed + c.codec.size(c, p)
}
