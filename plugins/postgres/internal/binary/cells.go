package binary

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/table"
	"github.com/penstock-io/penstock/sdk/transit"
)

// writer is the writer of a column whose values are not null.
func (l *Layout) writer(c Column, a arrow.Array, batch transit.Batch, i int) cell {
	if c.List && strings.HasSuffix(c.SQL, "[]") {
		return l.list(c, a.(*array.List))
	}
	if c.List || c.Kind == table.JSON || c.Kind == table.Shown {
		return l.shown(c.SQL, batch, i)
	}
	return l.plain(c, c.SQL, a)
}

// plain is the writer of a column, or of the items of lists, without parts.
func (l *Layout) plain(c Column, sql string, a arrow.Array) cell {
	switch c.Kind {
	case table.Bool:
		return func(dst []byte, row int) ([]byte, error) { return appendBool(dst, a.(*array.Boolean).Value(row)), nil }
	case table.Int:
		return signed(sql, integerOf(a))
	case table.Uint:
		return unsigned(sql, a)
	case table.Float:
		return floats(sql, a)
	case table.Text:
		texts := a.(interface{ Value(row int) string })
		return func(dst []byte, row int) ([]byte, error) { return l.appendText(dst, texts.Value(row)) }
	case table.Timestamp:
		return l.times(sql, a.(*array.Timestamp))
	default:
		return bytes(c.Kind, sql, a.(interface{ Value(row int) []byte }))
	}
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0, 0, 0, 1, 1)
	}
	return append(dst, 0, 0, 0, 1, 0)
}

func append64(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), v)
}

func append32(dst []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), v)
}

func append16(dst []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, 0, 0, 0, 2), v)
}

// integerOf reads integers that an int64 holds.
func integerOf(a arrow.Array) func(row int) int64 {
	switch a := a.(type) {
	case *array.Int8:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Int16:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Int32:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Uint8:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Uint16:
		return func(row int) int64 { return int64(a.Value(row)) }
	case *array.Uint32:
		return func(row int) int64 { return int64(a.Value(row)) }
	default:
		return a.(*array.Int64).Value
	}
}

func signed(sql string, read func(row int) int64) cell {
	switch sql {
	case "smallint":
		return func(dst []byte, row int) ([]byte, error) { return append16(dst, uint16(read(row))), nil }
	case "integer":
		return func(dst []byte, row int) ([]byte, error) { return append32(dst, uint32(read(row))), nil }
	case "bigint":
		return func(dst []byte, row int) ([]byte, error) { return append64(dst, uint64(read(row))), nil }
	default:
		return func(dst []byte, row int) ([]byte, error) {
			if v := read(row); v < 0 {
				return appendBig(dst, binary.BigEndian.AppendUint64(nil, uint64(v)))
			}
			return appendUint64(dst, uint64(read(row))), nil
		}
	}
}

func unsigned(sql string, a arrow.Array) cell {
	wide, ok := a.(*array.Uint64)
	if !ok {
		return signed(sql, integerOf(a))
	}
	values := wide.Uint64Values()
	if sql != "bigint" {
		return func(dst []byte, row int) ([]byte, error) { return appendUint64(dst, values[row]), nil }
	}
	return func(dst []byte, row int) ([]byte, error) {
		v := values[row]
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("%d is more than a bigint holds: keep the column as numeric(20,0), with types", v)
		}
		return append64(dst, v), nil
	}
}

func floats(sql string, a arrow.Array) cell {
	if narrow, ok := a.(*array.Float32); ok {
		if sql == "real" {
			return func(dst []byte, row int) ([]byte, error) {
				return append32(dst, math.Float32bits(narrow.Value(row))), nil
			}
		}
		return func(dst []byte, row int) ([]byte, error) {
			return append64(dst, math.Float64bits(float64(narrow.Value(row)))), nil
		}
	}
	wide := a.(*array.Float64)
	return func(dst []byte, row int) ([]byte, error) {
		return append64(dst, math.Float64bits(wide.Value(row))), nil
	}
}

// bytes writes what travels as bytes.
func bytes(kind table.Kind, sql string, a interface{ Value(row int) []byte }) cell {
	switch {
	case kind == table.Uint256 && sql == "text":
		return func(dst []byte, row int) ([]byte, error) {
			return appendPlain(dst, new(uint256.Int).SetBytes32(a.Value(row)).Dec()), nil
		}
	case kind == table.Uint256:
		return func(dst []byte, row int) ([]byte, error) { return appendUint256(dst, a.Value(row)), nil }
	case kind == table.Bigint:
		return bigs(sql, a)
	case sql == "text":
		return func(dst []byte, row int) ([]byte, error) { return appendHex(dst, a.Value(row)), nil }
	default:
		return func(dst []byte, row int) ([]byte, error) {
			v := a.Value(row)
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
			return append(dst, v...), nil
		}
	}
}

func bigs(sql string, a interface{ Value(row int) []byte }) cell {
	if sql != "text" {
		return func(dst []byte, row int) ([]byte, error) { return appendBig(dst, a.Value(row)) }
	}
	return func(dst []byte, row int) ([]byte, error) {
		number, err := appendBig(nil, a.Value(row))
		if err != nil {
			return nil, err
		}
		text, err := DecimalOf(number[4:])
		return appendPlain(dst, text), err
	}
}

func appendHex(dst, v []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(2+2*len(v)))
	return hex.AppendEncode(append(dst, '0', 'x'), v)
}

func appendPlain(dst []byte, text string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}

// epoch is PostgreSQL's: 2000-01-01, in microseconds since 1970.
const epoch = 946_684_800_000_000

// times writes times. PostgreSQL's have microseconds: what is finer is cut off.
func (l *Layout) times(sql string, a *array.Timestamp) cell {
	if sql == "bigint" {
		return func(dst []byte, row int) ([]byte, error) { return append64(dst, uint64(a.Value(row))), nil }
	}
	return func(dst []byte, row int) ([]byte, error) {
		v := int64(a.Value(row))
		micros, rest := v/1000, v%1000
		if rest != 0 {
			l.Cut = true
			if rest < 0 {
				micros--
			}
		}
		return append64(dst, uint64(micros-epoch)), nil
	}
}

var (
	errNUL  = errors.New("text with a zero byte, which PostgreSQL cannot hold: bad_text = \"replace\" puts U+FFFD in its place")
	errUTF8 = errors.New("text that is not UTF-8, which PostgreSQL cannot hold: bad_text = \"replace\" puts U+FFFD in its place")
)

// appendText appends text that may have anything in it.
func (l *Layout) appendText(dst []byte, text string) ([]byte, error) {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		if !l.replace {
			return nil, errNUL
		}
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	case utf8.ValidString(text):
		return appendPlain(dst, text), nil
	}
	if !utf8.ValidString(text) {
		if !l.replace {
			return nil, errUTF8
		}
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return appendPlain(dst, text), nil
}

// shown writes a value as transit shows it: JSON, or the text of a stranger.
func (l *Layout) shown(sql string, batch transit.Batch, i int) cell {
	return func(dst []byte, row int) ([]byte, error) {
		text := batch.Text(i, row)
		if sql == "text" {
			return l.appendText(dst, text)
		}
		if hasZero(text) {
			if !l.replace {
				return nil, errNUL
			}
			text = withoutZeros(text)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(text)))
		return append(append(dst, 1), text...), nil // the version of the format
	}
}

const jsonZero = `\u0000`

// hasZero tells JSON that has an escaped zero byte in one of its strings.
func hasZero(text string) bool { return zeroIn(text, 0) >= 0 }

// zeroIn is where the next escaped zero byte begins; -1: there is none. A
// backslash that is escaped itself begins nothing.
func zeroIn(text string, from int) int {
	for i := from; ; {
		next := strings.IndexByte(text[i:], '\\')
		if next < 0 || i+next+1 >= len(text) {
			return -1
		}
		i += next
		if strings.HasPrefix(text[i:], jsonZero) {
			return i
		}
		i += 2
	}
}

func withoutZeros(text string) string {
	var b strings.Builder
	for {
		at := zeroIn(text, 0)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at])
		b.WriteString(`\ufffd`)
		text = text[at+len(jsonZero):]
	}
}

// oids are the numbers of types in PostgreSQL, which arrays are written with.
func oidOf(sql string) uint32 {
	switch sql {
	case "boolean":
		return 16
	case "bytea":
		return 17
	case "bigint":
		return 20
	case "smallint":
		return 21
	case "integer":
		return 23
	case "real":
		return 700
	case double:
		return 701
	case timestamptz:
		return 1184
	case "text":
		return 25
	default:
		return 1700 // numeric
	}
}

// list writes lists as arrays of one dimension.
func (l *Layout) list(c Column, a *array.List) cell {
	sql := strings.TrimSuffix(c.SQL, "[]")
	items := a.ListValues()
	item, oid := l.plain(c, sql, items), oidOf(sql)
	return func(dst []byte, row int) ([]byte, error) {
		from, to := a.ValueOffsets(row)
		begin := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dimensions, nulls := uint32(min(to-from, 1)), uint32(0)
		dst = binary.BigEndian.AppendUint32(dst, dimensions)
		dst = binary.BigEndian.AppendUint32(dst, nulls)
		dst = binary.BigEndian.AppendUint32(dst, oid)
		if dimensions > 0 {
			dst = binary.BigEndian.AppendUint32(dst, uint32(to-from))
			dst = binary.BigEndian.AppendUint32(dst, 1)
		}
		for i := int(from); i < int(to); i++ {
			if items.IsNull(i) {
				dst[begin+11] = 1 // there are nulls
				dst = appendNull(dst)
				continue
			}
			var err error
			if dst, err = item(dst, i); err != nil {
				return nil, err
			}
		}
		binary.BigEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-4))
		return dst, nil
	}
}
