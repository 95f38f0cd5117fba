// Package render writes rows as text, for loaders that write files or speak to
// programs in other languages: as members of a JSON object, or value by value
// as in a CSV file.
//
// The text is that of transit.Batch.Text, whole and exact: addresses with
// checksum, bytes and hashes in hexadecimal with 0x, uint256 and bigint as
// decimals, times in RFC 3339, lists and structs as JSON. In JSON, booleans,
// integers of up to 64 bits and floats stand bare and null is null; everything
// else is a string, also uint256 and bigint, which readers of JSON would round,
// and the floats that JSON has no number for.
//
// Text comes from whoever wrote a contract. In JSON, characters that are not
// there to be seen, such as the codes that terminals obey, are written as
// escapes, which mean the same.
package render

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/table"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Layout writes rows of one type. It remembers texts that come again, so it is
// for one goroutine at a time.
type Layout struct{ columns []column }

// New makes a layout of the columns of a type that have the given indexes, in
// the order given, or of all columns if there are none.
func New(typ transit.Type, indexes ...int) *Layout {
	l := &Layout{}
	known := typ.Columns()
	if len(indexes) == 0 {
		for i := range known {
			indexes = append(indexes, i)
		}
	}
	for _, i := range indexes {
		name := known[i].Name
		l.columns = append(l.columns, column{
			index: i, name: name, key: append(AppendString(nil, name), ':'),
			form: formOf(typ, i),
		})
	}
	return l
}

// Names are the columns of the layout, in its order.
func (l *Layout) Names() []string {
	names := make([]string, len(l.columns))
	for i := range l.columns {
		names[i] = l.columns[i].name
	}
	return names
}

// AppendMembers appends a row to dst as the members of a JSON object, without
// the braces around them: the caller may have members of its own.
func (l *Layout) AppendMembers(dst []byte, batch transit.Batch, row int) []byte {
	for i := range l.columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &l.columns[i]
		dst = append(dst, c.key...)
		dst = c.appendJSON(dst, batch, row)
	}
	return dst
}

// AppendText appends the value in the layout's i-th column to dst as plain
// text. It appends nothing for null, and null tells it from an empty string.
func (l *Layout) AppendText(dst []byte, batch transit.Batch, i, row int) (text []byte, null bool) {
	c := &l.columns[i]
	if c.isNull(batch, row) {
		return dst, true
	}
	return c.appendText(dst, batch, row), false
}

// form is how a column is written.
type form uint8

const (
	asShown   form = iota // as transit shows it, in quotes
	asNested              // as transit shows it: JSON already
	asBare                // numbers and booleans
	asFloat               // bare where JSON has a number for it
	asString              // as it is
	asHex                 // 0x and hexadecimal
	asAddress             // hexadecimal with checksum
	asUint256             // decimal
	asTime
)

// formOf is how the i-th column of a type is written.
func formOf(typ transit.Type, i int) form {
	alone := transit.Type{Name: typ.Name, Schema: arrow.NewSchema(typ.Schema.Fields()[i:i+1], nil)} // names do not matter here
	known, err := table.Columns(alone)
	if err != nil || known[0].List {
		return asNested
	}
	switch known[0].Kind {
	case table.Bool, table.Int, table.Uint:
		return asBare
	case table.Float:
		return asFloat
	case table.Text:
		return asString
	case table.Bytes, table.Hash:
		return asHex
	case table.Address:
		return asAddress
	case table.Uint256:
		return asUint256
	case table.Timestamp:
		return asTime
	case table.JSON:
		return asNested
	default: // bigint, and what has no kind
		return asShown
	}
}
