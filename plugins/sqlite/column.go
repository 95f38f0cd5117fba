package main

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/transit"
)

// form is how the values of a column are kept.
type form uint8

const (
	asShown   form = iota // as people read them: exact decimals, JSON
	asText                // as they are
	asInteger             // of 64 bits
	asReal
	asUint256 // decimal
	asAddress // with checksum
	asHex     // 0x and hexadecimal
	asBlob
	asTime
)

// column is one column of a table.
type column struct {
	name     string
	form     form
	nullable bool

	addresses map[common.Address]driver.Value // texts of addresses seen
	second    arrow.Timestamp                 // the time whose text is in shown
	shown     driver.Value
}

// cell reads the value of a row as SQLite takes it.
type cell func(row int) driver.Value

func columnsOf(typ transit.Type, hex bool) []column {
	columns := make([]column, 0, typ.Schema.NumFields())
	for i, c := range typ.Columns() {
		f := formOf(c.Type, typ.Schema.Field(i).Type.ID())
		if !hex && (f == asAddress || f == asHex) {
			f = asBlob
		}
		columns = append(columns, column{name: c.Name, form: f, nullable: c.Nullable})
	}
	return columns
}

func formOf(kind string, id arrow.Type) form {
	switch kind {
	case "address":
		return asAddress
	case "uint256":
		return asUint256
	case "bigint":
		return asShown
	case "timestamp":
		return asTime
	}
	switch id {
	case arrow.BOOL, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return asInteger
	case arrow.FLOAT32, arrow.FLOAT64:
		return asReal
	case arrow.STRING, arrow.LARGE_STRING:
		return asText
	case arrow.FIXED_SIZE_BINARY, arrow.BINARY, arrow.LARGE_BINARY:
		return asHex
	default:
		return asShown
	}
}

// declaration is the column as SQLite tells of it.
func (c *column) declaration() string {
	typ := "TEXT"
	switch c.form {
	case asInteger:
		typ = "INTEGER"
	case asReal:
		typ = "REAL"
	case asBlob:
		typ = "BLOB"
	default: // TEXT
	}
	return declare(c.name, typ, !c.nullable && c.form != asReal) // not a number is NULL to SQLite
}

func declare(name, typ string, notNull bool) string {
	d := quote(name) + " " + typ
	if notNull {
		d += " NOT NULL"
	}
	return d
}

// cell is the reader of the column in a batch, where it is the i-th.
func (c *column) cell(batch transit.Batch, i int) cell {
	a := batch.Record.Column(i)
	read := c.reader(batch, i, a)
	if a.NullN() == 0 && a.DataType().ID() != arrow.NULL {
		return read
	}
	return func(row int) driver.Value {
		if batch.Value(i, row) == nil {
			return nil
		}
		return read(row)
	}
}

func (c *column) reader(batch transit.Batch, i int, a arrow.Array) cell {
	switch c.form {
	case asInteger:
		return integers(a)
	case asReal:
		if f, ok := a.(*array.Float32); ok {
			return func(row int) driver.Value { return float64(f.Value(row)) }
		}
		return func(row int) driver.Value { return a.(*array.Float64).Value(row) }
	case asText:
		texts := a.(interface{ Value(row int) string })
		return func(row int) driver.Value { return texts.Value(row) }
	case asUint256, asAddress, asHex, asBlob:
		return c.bytes(a.(interface{ Value(row int) []byte }))
	case asTime:
		times := a.(*array.Timestamp)
		return func(row int) driver.Value { return c.time(times.Value(row), batch, i, row) }
	default:
		return func(row int) driver.Value { return batch.Text(i, row) }
	}
}

// bytes reads what travels as bytes.
func (c *column) bytes(a interface{ Value(row int) []byte }) cell {
	switch c.form {
	case asUint256:
		return func(row int) driver.Value { return new(uint256.Int).SetBytes32(a.Value(row)).Dec() }
	case asAddress:
		return func(row int) driver.Value { return c.address(common.Address(a.Value(row))) }
	case asHex:
		var last []byte
		var text driver.Value
		return func(row int) driver.Value { // often what the row before has: the hash of a block, of a transaction
			if v := a.Value(row); text == nil || string(v) != string(last) {
				last, text = v, hexText(v)
			}
			return text
		}
	default:
		return func(row int) driver.Value { return append([]byte{}, a.Value(row)...) } // nil would be null
	}
}

// integers reads whole numbers and booleans.
func integers(a arrow.Array) cell {
	switch a := a.(type) {
	case *array.Uint64:
		return func(row int) driver.Value { return unsigned(a.Value(row)) }
	case *array.Int64:
		return func(row int) driver.Value { return a.Value(row) }
	case *array.Uint32:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	case *array.Int32:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	case *array.Uint16:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	case *array.Int16:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	case *array.Uint8:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	case *array.Int8:
		return func(row int) driver.Value { return int64(a.Value(row)) }
	default:
		return func(row int) driver.Value { return a.(*array.Boolean).Value(row) }
	}
}

// unsigned is an integer, or big-endian bytes where SQLite has no integers.
func unsigned(v uint64) driver.Value {
	if v > math.MaxInt64 {
		return binary.BigEndian.AppendUint64(nil, v)
	}
	return int64(v)
}

func hexText(b []byte) string {
	text := make([]byte, 2+hex.EncodedLen(len(b)))
	copy(text, "0x")
	hex.Encode(text[2:], b)
	return string(text)
}

// mostAddresses bounds how many texts of addresses a column remembers.
const mostAddresses = 1 << 14

// address is the text of an address. Its checksum is a hash that costs more than everything else about a row, and few addresses make up
// most of a chain's rows.
func (c *column) address(a common.Address) driver.Value {
	if text, ok := c.addresses[a]; ok {
		return text
	}
	if c.addresses == nil || len(c.addresses) == mostAddresses {
		c.addresses = make(map[common.Address]driver.Value)
	}
	text := driver.Value(a.Hex())
	c.addresses[a] = text
	return text
}

// time is the text of a time. Rows of a block follow each other and share theirs.
func (c *column) time(t arrow.Timestamp, batch transit.Batch, i, row int) driver.Value {
	if c.shown == nil || t != c.second {
		c.second, c.shown = t, batch.Text(i, row)
	}
	return c.shown
}
