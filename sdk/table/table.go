// Package table is what loaders for SQL databases share: which columns a data type becomes, and what has to happen to a table that
// is already there.
//
// A loader turns each Column into a Definition in its database's own words, asks the database what it has, and lets Compare tell the
// columns to add from what nobody can mend but a person.
package table

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Kind is what the values of a column are.
type Kind uint8

// The kinds of columns.
const (
	Shown     Kind = iota // of a type that has no kind here: the text that transit.Batch.Text shows
	Bool                  //
	Int                   // signed, of Bits bits
	Uint                  // unsigned, of Bits bits
	Float                 // of Bits bits
	Text                  // UTF-8, any character
	Bytes                 // of any length, or of Width bytes
	Address               // 20 bytes
	Hash                  // 32 bytes
	Uint256               // 32 bytes, big-endian
	Bigint                // two's complement, big-endian, of any length
	Timestamp             // nanoseconds since 1970, UTC
	JSON                  // a struct, or a list of anything but plain values: JSON text, as transit.Batch.Text shows it
)

var kindNames = [...]string{"shown", "bool", "int", "uint", "float", "text", "bytes", "address", "hash", "uint256", "bigint", "timestamp", "json"}

// String names the kind as its constant is named, in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Column is a column of a data type, as SQL sees it.
type Column struct {
	Name string // letters, digits and _: no quotes are needed but for reserved words and upper case
	// Kind is that of the value or, where List is set, of each of the list's items.
	Kind     Kind
	Bits     int  // of Int, Uint and Float: 8 to 64
	Width    int  // of Bytes: how many there always are; 0: any number
	Nullable bool // the column may be null
	// List says that the value is a list of plain values. A database without lists keeps it as JSON, which is what
	// transit.Batch.Text shows of it.
	List         bool
	ItemNullable bool   // with List: an item may be null
	Type         string // as people read it: uint64, list<hash>
}

// Columns are the columns of a type, in their order: the i-th is the i-th column of the type's batches. The error names a type
// without columns, and columns that differ in case alone, which most databases do not tell apart.
func Columns(t transit.Type) ([]Column, error) {
	if t.Schema == nil || t.Schema.NumFields() == 0 {
		return nil, fmt.Errorf("data type %s has no columns, and a table needs one", t.Name)
	}
	shown := t.Columns()
	columns := make([]Column, len(shown))
	seen := make(map[string]string)
	for i, f := range t.Schema.Fields() {
		if other, ok := seen[fold(f.Name)]; ok {
			return nil, fmt.Errorf("data type %s has columns %s and %s, which SQL does not tell apart: rename one", t.Name, other, f.Name)
		}
		seen[fold(f.Name)] = f.Name
		columns[i] = columnOf(f)
		columns[i].Type = shown[i].Type
	}
	return columns, nil
}

func columnOf(f arrow.Field) Column {
	c := Column{Name: f.Name, Nullable: f.Nullable || f.Type.ID() == arrow.NULL}
	list, ok := f.Type.(*arrow.ListType)
	if !ok {
		c.plain(f)
		return c
	}
	item := list.ElemField()
	c.plain(item)
	if c.Kind == JSON || c.Kind == Shown {
		c.Kind = JSON
		return c
	}
	c.List, c.ItemNullable = true, item.Nullable
	return c
}

// plain says what a value is that is not a list.
func (c *Column) plain(f arrow.Field) {
	kind, _ := f.Metadata.GetValue("penstock.kind")
	switch kind {
	case "address":
		c.Kind, c.Width = Address, 20
	case "hash":
		c.Kind, c.Width = Hash, 32
	case "uint256":
		c.Kind = Uint256
	case "bigint":
		c.Kind = Bigint
	case "timestamp":
		c.Kind = Timestamp
	default:
		c.byType(f.Type)
	}
}

func (c *Column) byType(dt arrow.DataType) {
	switch dt.ID() {
	case arrow.BOOL:
		c.Kind = Bool
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64:
		c.Kind, c.Bits = Int, bits(dt)
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		c.Kind, c.Bits = Uint, bits(dt)
	case arrow.FLOAT32, arrow.FLOAT64:
		c.Kind, c.Bits = Float, bits(dt)
	case arrow.STRING, arrow.LARGE_STRING:
		c.Kind = Text
	case arrow.BINARY, arrow.LARGE_BINARY:
		c.Kind = Bytes
	case arrow.FIXED_SIZE_BINARY:
		c.Kind, c.Width = Bytes, dt.(*arrow.FixedSizeBinaryType).ByteWidth
	case arrow.STRUCT, arrow.LIST:
		c.Kind = JSON
	default:
		c.Kind = Shown
	}
}

func bits(dt arrow.DataType) int { return dt.(arrow.FixedWidthDataType).BitWidth() }
