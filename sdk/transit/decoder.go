package transit

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"unsafe"
)

// A Decoder reads the record batches of one producer into rows. It is not safe for concurrent use.
type Decoder[T Row] struct {
	core *decoder
}

// NewDecoder compiles a decoder for batches of the producer's type. The producer may have more columns than T, in any order; its error is
// a *Misfit if a column of T is missing or of another type.
func NewDecoder[T Row](producer Type) (*Decoder[T], error) {
	core, err := newDecoder(reflect.TypeFor[T](), producer)
	if err != nil {
		return nil, err
	}
	return &Decoder[T]{core: core}, nil
}

// Type is the type of the rows, not that of the producer.
func (d *Decoder[T]) Type() Type { return d.core.plan.rowType }

// Append appends the rows of one record batch message and returns the longer slice.
//
// Slices of bytes, strings, and byte arrays such as hashes in lists or behind pointers are parts of body: body must not change as long as a
// row is in use, and a row keeps all of body in memory. Other lists and values behind pointers share one allocation per column and batch.
// Fields that are no columns are zero.
//
// A body may come from anywhere: what is broken in it is an error that names the column, never a panic, and no body makes Append
// allocate more than a small multiple of its own size. After an error dst is returned as it was.
func (d *Decoder[T]) Append(dst []T, body []byte) ([]T, error) {
	n, err := d.core.open(body)
	defer d.core.release()
	if err != nil || n == 0 {
		return dst, err
	}
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	rows := dst[start:]
	if !d.core.plan.covered {
		clear(rows)
	}
	if err := d.core.fill(unsafe.Pointer(unsafe.SliceData(rows)), n); err != nil {
		clear(rows)
		return dst[:start], err
	}
	return dst, nil
}

// An AnyDecoder is a Decoder for a row struct known by reflection only. It is not safe for concurrent use.
type AnyDecoder struct {
	core *decoder
}

// NewDecoderOf compiles a decoder for a struct type that implements Row.
func NewDecoderOf(rt reflect.Type, producer Type) (*AnyDecoder, error) {
	core, err := newDecoder(rt, producer)
	if err != nil {
		return nil, err
	}
	return &AnyDecoder{core: core}, nil
}

// Type is the type of the rows, not that of the producer.
func (d *AnyDecoder) Type() Type { return d.core.plan.rowType }

// AppendValue is Append for a slice of rows held in a reflect.Value. It returns the longer slice; the one given stays valid for its length.
func (d *AnyDecoder) AppendValue(slice reflect.Value, body []byte) (reflect.Value, error) {
	if err := checkSlice(slice, d.core.plan); err != nil {
		return slice, fmt.Errorf("decode %s: %w", d.core.plan.rowType.Name, err)
	}
	n, err := d.core.open(body)
	defer d.core.release()
	if err != nil || n == 0 {
		return slice, err
	}
	start := slice.Len()
	longer := growValue(slice, n)
	rows := longer.Slice(start, start+n)
	rows.Clear()
	if err := d.core.fill(rows.UnsafePointer(), n); err != nil {
		rows.Clear()
		return slice, err
	}
	return longer, nil
}

// growValue makes a slice n rows longer, in place if there is room.
func growValue(slice reflect.Value, n int) reflect.Value {
	length := slice.Len() + n
	if length <= slice.Cap() {
		return slice.Slice(0, length)
	}
	longer := reflect.MakeSlice(slice.Type(), length, max(length, min(2*slice.Cap(), length+slice.Cap()/4)))
	reflect.Copy(longer, slice)
	return longer
}

// decoder is what the decoders have in common.
type decoder struct {
	plan           *plan
	columns        []binding
	layouts        []*layout // of the columns that are read
	nodes, buffers int       // of a batch
}

// A binding ties a column of a row to the producer's column that it comes from.
type binding struct {
	column   *column
	layout   *layout
	children []binding
}

func newDecoder(rt reflect.Type, producer Type) (*decoder, error) {
	p, err := newPlan(rt)
	if err != nil {
		return nil, err
	}
	layouts, nodes, buffers, err := layoutOf(producer.Schema)
	if err != nil {
		return nil, fmt.Errorf("transit: type %s: %w", producer.Name, err)
	}
	if err := producer.Fits(p.rowType); err != nil {
		return nil, err
	}
	d := &decoder{plan: p, columns: bind(p.columns, layouts), nodes: nodes, buffers: buffers}
	for _, l := range layouts {
		if !l.unread {
			d.layouts = append(d.layouts, l)
		}
	}
	return d, nil
}

// bind finds for each column the one that it comes from, and marks those that nobody reads. The types are known to fit.
func bind(columns []*column, layouts []*layout) []binding {
	byName := make(map[string]*layout, len(layouts))
	for _, l := range layouts {
		l.unread = true
		byName[l.field.Name] = l
	}
	bound := make([]binding, len(columns))
	for i, c := range columns {
		l := byName[c.field.Name]
		if len(layouts) == 1 && l == nil {
			l = layouts[0] // the element of a list, whatever its name
		}
		l.unread = false
		bound[i] = binding{column: c, layout: l, children: bind(c.children, l.children)}
	}
	return bound
}

// open checks a message's metadata and the sizes of all buffers that are read, and returns the number of rows. Until release the
// layouts refer to the message.
func (d *decoder) open(body []byte) (int, error) {
	m, err := openMessage(body, d.nodes, d.buffers)
	if err != nil {
		return 0, d.wrap(err)
	}
	rows := int(m.header.rows)
	for _, l := range d.layouts {
		if err := m.resolve(l, rows, nil); err != nil {
			return 0, d.wrap(fmt.Errorf("column %w", err))
		}
	}
	return rows, nil
}

// openMessage reads a message's metadata and checks that it describes so many nodes and buffers.
func openMessage(body []byte, nodes, buffers int) (message, error) {
	header, err := parseBatch(body)
	if err != nil {
		return message{}, err
	}
	if header.nodes != nodes || header.counts != buffers {
		return message{}, fmt.Errorf("the batch has %d columns and %d buffers, its type %d and %d: its producer wrote another type than it announced",
			header.nodes, header.counts, nodes, buffers)
	}
	if header.rows > math.MaxInt32 {
		return message{}, fmt.Errorf("the batch claims %d rows: more than 2³¹-1 do not go into one", header.rows)
	}
	return message{header: header, bytes: body, body: body[header.body:]}, nil
}

// fill reads all columns of n rows, at least one, into memory.
func (d *decoder) fill(rows unsafe.Pointer, n int) error {
	stride := d.plan.goType.Size()
	for i := range d.columns {
		b := &d.columns[i]
		if err := b.decode(0, n, stretch{unsafe.Add(rows, b.column.offset), stride}); err != nil {
			return d.wrap(fmt.Errorf("column %w", err))
		}
	}
	return nil
}

func (d *decoder) wrap(err error) error {
	return fmt.Errorf("decode %s: %w", d.plan.rowType.Name, err)
}

func (d *decoder) release() {
	for _, l := range d.layouts {
		l.release()
	}
}
