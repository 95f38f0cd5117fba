package main

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	schema "github.com/penstock-io/penstock/sdk/table"
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
	schema.Column
	form form

	addresses map[common.Address]driver.Value // texts of addresses seen
	second    arrow.Timestamp                 // the time whose text is in shown
	shown     driver.Value
}

// cell reads the value of a row as SQLite takes it.
type cell func(row int) driver.Value

func columnsOf(typ transit.Type, s *settings) ([]column, error) {
	known, err := schema.Columns(typ)
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(known))
	for i, c := range known {
		columns[i] = column{Column: c, form: formOf(c)}
		switch {
		case s.Bytes == inBlob && (columns[i].form == asAddress || columns[i].form == asHex),
			s.Uint256 == inBlob && columns[i].form == asUint256:
			columns[i].form = asBlob
		}
	}
	return columns, nil
}

func formOf(c schema.Column) form {
	if c.List {
		return asShown
	}
	switch c.Kind {
	case schema.Bool, schema.Int, schema.Uint:
		return asInteger
	case schema.Float:
		return asReal
	case schema.Text:
		return asText
	case schema.Bytes, schema.Hash:
		return asHex
	case schema.Address:
		return asAddress
	case schema.Uint256:
		return asUint256
	case schema.Timestamp:
		return asTime
	default: // JSON, bigint, and what has no kind
		return asShown
	}
}

// definition is the column as SQLite tells of it, without its name.
func (c *column) definition() schema.Definition {
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
	if !c.Nullable && c.form != asReal { // not a number is NULL to SQLite
		typ += required
	}
	return schema.Definition{Name: c.Name, Type: typ}
}

const required = " NOT NULL"

// declaration declares the column in a table that is made with it, or in one that
// has rows, where nothing can be required of it.
func (c *column) declaration(first bool) string {
	typ := c.definition().Type
	if !first {
		typ = strings.TrimSuffix(typ, required)
	}
	declared := quote(c.Name) + " " + typ
	if c.form == asAddress {
		declared += " COLLATE NOCASE"
	}
	return declared
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
