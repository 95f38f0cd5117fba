package binary

import (
	stdbytes "bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/table"
)

// Reader takes a stream of rows apart, as COPY ... TO writes it. It is a
// writer: what it is given may end anywhere.
type Reader struct {
	// Row is called for every row with its cells, nil for null. They are valid until it returns.
	Row func(cells [][]byte) error

	begun bool
	rest  []byte
	cells [][]byte
}

var errStream = errors.New("read rows: this is no binary COPY")

// Write takes the next part of the stream.
func (r *Reader) Write(part []byte) (int, error) {
	data := part
	if len(r.rest) > 0 {
		r.rest = append(r.rest, part...)
		data = r.rest
	}
	if !r.begun {
		if len(data) < len(header) {
			r.rest = append(r.rest[:0], data...)
			return len(part), nil
		}
		if !stdbytes.HasPrefix(data, header[:11]) {
			return 0, errStream
		}
		data, r.begun = data[len(header):], true
	}
	for {
		n, err := r.row(data)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		data = data[n:]
	}
	r.rest = append(r.rest[:0], data...)
	return len(part), nil
}

// row reads one row, and returns how long it is; 0: it is not all there.
func (r *Reader) row(data []byte) (int, error) {
	if len(data) < 2 {
		return 0, nil
	}
	n := int(int16(binary.BigEndian.Uint16(data)))
	if n < 0 {
		return 2, nil // the end
	}
	r.cells = r.cells[:0]
	at := 2
	for range n {
		if len(data) < at+4 {
			return 0, nil
		}
		size := int(int32(binary.BigEndian.Uint32(data[at:])))
		at += 4
		if size < 0 {
			r.cells = append(r.cells, nil)
			continue
		}
		if len(data) < at+size {
			return 0, nil
		}
		r.cells = append(r.cells, data[at:at+size:at+size])
		at += size
	}
	return at, r.Row(r.cells)
}

// Value is a cell that is not null as transit.Batch.Value has it, but that
// large numbers, and bytes that are kept as text, are strings.
func (c Column) Value(cell []byte, field arrow.Field) (any, error) {
	item, isArray := strings.CutSuffix(c.SQL, "[]")
	switch {
	case isArray:
		return c.array(item, cell)
	case c.Kind == table.JSON || c.List:
		if c.SQL == "jsonb" && len(cell) > 0 {
			cell = cell[1:] // the version of the format
		}
		return nested(cell, field)
	default:
		return c.leaf(c.SQL, cell)
	}
}

// leaf reads a value without parts.
func (c Column) leaf(sql string, cell []byte) (any, error) {
	if want := widthOf(sql); want > 0 && len(cell) != want {
		return nil, fmt.Errorf("column %s: %d bytes are no %s", c.Name, len(cell), sql)
	}
	switch sql {
	case "boolean":
		return cell[0] != 0, nil
	case "smallint":
		return int64(int16(binary.BigEndian.Uint16(cell))), nil
	case "integer":
		return int64(int32(binary.BigEndian.Uint32(cell))), nil
	case "bigint":
		v := int64(binary.BigEndian.Uint64(cell))
		if c.Kind == table.Timestamp {
			return time.Unix(0, v).UTC(), nil
		}
		return v, nil
	case "real":
		return float64(math.Float32frombits(binary.BigEndian.Uint32(cell))), nil
	case double:
		return math.Float64frombits(binary.BigEndian.Uint64(cell)), nil
	case timestamptz:
		return time.UnixMicro(int64(binary.BigEndian.Uint64(cell)) + epoch).UTC(), nil
	case "bytea":
		return cell, nil
	case "text":
		return string(cell), nil
	default:
		return c.decimal(cell)
	}
}

// decimal reads a numeric. In JSON, numbers of up to 64 bits stand without quotes.
func (c Column) decimal(cell []byte) (any, error) {
	text, err := DecimalOf(cell)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	if c.Kind == table.Int || c.Kind == table.Uint {
		return json.Number(text), nil
	}
	return text, nil
}

func widthOf(sql string) int {
	switch sql {
	case "boolean":
		return 1
	case "smallint":
		return 2
	case "integer", "real":
		return 4
	case "bigint", double, timestamptz:
		return 8
	}
	return 0
}

// array reads an array of one dimension.
func (c Column) array(sql string, cell []byte) (any, error) {
	broken := fmt.Errorf("column %s: it is no array of one dimension", c.Name)
	if len(cell) < 12 {
		return nil, broken
	}
	list := []any{}
	if binary.BigEndian.Uint32(cell) == 0 {
		return list, nil
	}
	if binary.BigEndian.Uint32(cell) != 1 || len(cell) < 20 {
		return nil, broken
	}
	n, rest := binary.BigEndian.Uint32(cell[12:]), cell[20:]
	for range n {
		if len(rest) < 4 {
			return nil, broken
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			list = append(list, nil)
			continue
		}
		if len(rest) < size {
			return nil, broken
		}
		v, err := c.leaf(sql, rest[:size])
		if err != nil {
			return nil, err
		}
		list, rest = append(list, v), rest[size:]
	}
	return list, nil
}

// nested reads JSON. Floats are read as such: JSON has several ways to write one.
func nested(text []byte, field arrow.Field) (any, error) {
	d := json.NewDecoder(stdbytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("column %s: read JSON: %w", field.Name, err)
	}
	return typed(v, field.Type), nil
}

// typed puts floats in the place of how they are written.
func typed(v any, dt arrow.DataType) any {
	switch dt := dt.(type) {
	case *arrow.ListType:
		list, _ := v.([]any)
		for i := range list {
			list[i] = typed(list[i], dt.Elem())
		}
	case *arrow.StructType:
		object, _ := v.(map[string]any)
		for _, f := range dt.Fields() {
			if member, ok := object[f.Name]; ok {
				object[f.Name] = typed(member, f.Type)
			}
		}
	case *arrow.Float32Type:
		return float(v, 32)
	case *arrow.Float64Type:
		return float(v, 64)
	}
	return v
}

func float(v any, bits int) any {
	text := fmt.Sprint(v)
	if f, err := strconv.ParseFloat(text, bits); v != nil && err == nil {
		return f
	}
	return v
}
