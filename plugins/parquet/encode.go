package main

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"
)

// encode reads the values of a column, with their levels. They and what they
// point to are good until the next call.
func (l *leaf) encode(record arrow.RecordBatch) ([]parquet.Value, error) {
	l.values, l.space = l.values[:0], l.space[:0]
	if cap(l.space) > mostSpace {
		l.space = nil
	}
	rows, column := int(record.NumRows()), record.Column(l.path[0].child)
	if len(l.path) == 1 && l.quick != nil {
		l.values = l.quick(slices.Grow(l.values, rows), column)
		if l.path[0].nullable {
			l.mark(column)
		}
		return l.values, nil
	}
	read := l.reader(column, 0)
	for row := range rows {
		if err := read(row, 0, 0); err != nil {
			return nil, stopf("column %s, row %d of a batch: %w: keep it as string or binary too, with u256_of = { %q = [\"string\", \"decimal\"] }",
				l.path[0].name, row, err, l.path[0].name)
		}
	}
	return l.values, nil
}

// mark gives values that were read without regard to nulls their levels.
func (l *leaf) mark(column arrow.Array) {
	for i, v := range l.values {
		if column.IsNull(i) {
			l.values[i] = parquet.Value{}.Level(0, 0, l.index)
		} else {
			l.values[i] = v.Level(0, 1, l.index)
		}
	}
}

// mostSpace is how much room a column keeps for texts between batches.
const mostSpace = 4 << 20

// read adds the values below the i-th value of a part.
type read = func(i, rep, def int) error

// reader reads what is below a part of the path.
func (l *leaf) reader(a arrow.Array, at int) read {
	t := l.path[at]
	inner := l.present(a, at)
	if !t.nullable {
		return inner
	}
	if a.NullN() == 0 && a.DataType().ID() != arrow.NULL {
		return func(i, rep, def int) error { return inner(i, rep, def+1) }
	}
	none := a.DataType().ID() == arrow.NULL
	return func(i, rep, def int) error {
		if none || a.IsNull(i) {
			l.null(rep, def)
			return nil
		}
		return inner(i, rep, def+1)
	}
}

func (l *leaf) null(rep, def int) {
	l.values = append(l.values, parquet.Value{}.Level(rep, def, l.index))
}

// present reads what is not null.
func (l *leaf) present(a arrow.Array, at int) read {
	t := l.path[at]
	switch {
	case t.element != nil:
		return l.list(a.(array.ListLike), at)
	case t.fields != nil:
		return l.reader(a.(*array.Struct).Field(l.path[at+1].child), at+1)
	}
	value := l.bind(l, a)
	return func(i, rep, def int) error {
		v, err := value(i)
		if err != nil {
			return err
		}
		if v.IsNull() {
			def-- // it does not fit, and may be missing
		}
		l.values = append(l.values, v.Level(rep, def, l.index))
		return nil
	}
}

func (l *leaf) list(a array.ListLike, at int) read {
	element, again := l.reader(a.ListValues(), at+1), l.path[at].rep
	return func(i, rep, def int) error {
		begin, end := a.ValueOffsets(i)
		if begin == end {
			l.null(rep, def)
			return nil
		}
		for k := begin; k < end; k++ {
			if err := element(int(k), rep, def+1); err != nil {
				return err
			}
			rep = again
		}
		return nil
	}
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// repeats tells whether the values of a column in a batch are worth a
// dictionary: whether each comes twice or more often on average.
func (l *leaf) repeats(record arrow.RecordBatch) (bool, error) {
	const enough = 256
	values, err := l.encode(record)
	if err != nil || len(values) < enough {
		return true, err
	}
	seen := make(map[string]struct{}, len(values))
	whole := 0
	for _, v := range values {
		if !v.IsNull() {
			whole++
			seen[string(v.ByteArray())] = struct{}{}
		}
	}
	return 2*len(seen) <= whole, nil
}

// describeAll shows columns on one line.
func describeAll(columns []column) string {
	var text strings.Builder
	for i, c := range columns {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(c.Name + " " + c.Type)
	}
	return text.String()
}
