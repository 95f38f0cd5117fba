package binary

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Header begins a stream of rows, and Trailer ends it.
var (
	header  = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	trailer = []byte{0xff, 0xff}
)

// Header is what a stream begins with.
func Header() []byte { return slices.Clip(header) }

// Trailer is what a stream ends with.
func Trailer() []byte { return slices.Clip(trailer) }

// Layout writes rows of one type. It is for one goroutine at a time.
type Layout struct {
	Columns []Column
	replace bool
	// Cut says that a time was cut to microseconds, which is what PostgreSQL's times have.
	Cut bool
}

// NewLayout is how rows of these columns are written.
func NewLayout(columns []Column, o Options) *Layout {
	return &Layout{Columns: columns, replace: o.Replace}
}

// cell appends the value of a row, with its length before it.
type cell func(dst []byte, row int) ([]byte, error)

// Refusal is a row that PostgreSQL cannot hold.
type Refusal struct {
	Row    int // in the batch
	Column string
	Err    error
}

// Append appends the rows of a batch to dst, each with its number first: last+1
// and so on. Those that PostgreSQL cannot hold are left out, and get no number.
func (l *Layout) Append(dst []byte, batch transit.Batch, last int64) (out []byte, rows int, refused []Refusal) {
	cells := make([]cell, len(l.Columns))
	for i := range l.Columns {
		cells[i] = l.cell(batch, i)
	}
	for row := range int(batch.Record.NumRows()) {
		begin := len(dst)
		dst = binary.BigEndian.AppendUint16(dst, uint16(1+len(cells)))
		dst = append(dst, 0, 0, 0, 8)
		dst = binary.BigEndian.AppendUint64(dst, uint64(last+int64(rows)+1))
		whole, failed, err := appendCells(dst, cells, row)
		if err != nil {
			dst = dst[:begin]
			refused = append(refused, Refusal{row, l.Columns[failed].Name, err})
			continue
		}
		dst = whole
		rows++
	}
	return dst, rows, refused
}

// appendCells appends a row, or says in which of its cells it failed.
func appendCells(dst []byte, cells []cell, row int) (out []byte, failed int, err error) {
	for i, c := range cells {
		if dst, err = c(dst, row); err != nil {
			return nil, i, err
		}
	}
	return dst, 0, nil
}

// cell is the writer of the i-th column of a batch.
func (l *Layout) cell(batch transit.Batch, i int) cell {
	c, a := l.Columns[i], batch.Record.Column(i)
	if a.DataType().ID() == arrow.NULL {
		return func(dst []byte, _ int) ([]byte, error) { return appendNull(dst), nil }
	}
	write := l.writer(c, a, batch, i)
	if a.NullN() == 0 {
		return write
	}
	return func(dst []byte, row int) ([]byte, error) {
		if a.IsNull(row) {
			return appendNull(dst), nil
		}
		return write(dst, row)
	}
}

func appendNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }
