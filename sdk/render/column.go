package render

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

// column writes the values of one column.
type column struct {
	index int // in a batch
	name  string
	key   []byte // the name as JSON has it, and a colon
	form  form

	addresses map[common.Address]string // texts of addresses seen
	second    arrow.Timestamp           // the time whose text is in shown
	shown     string
}

func (c *column) isNull(batch transit.Batch, row int) bool {
	a := batch.Record.Column(c.index)
	return a.IsNull(row) || a.DataType().ID() == arrow.NULL
}

// appendJSON appends a value as JSON.
func (c *column) appendJSON(dst []byte, batch transit.Batch, row int) []byte {
	if c.isNull(batch, row) {
		return append(dst, "null"...)
	}
	switch c.form {
	case asBare:
		return c.appendText(dst, batch, row)
	case asFloat:
		if v, ok := batch.Value(c.index, row).(float64); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			return c.appendText(dst, batch, row)
		}
	case asNested:
		return appendHarmless(dst, batch.Text(c.index, row))
	case asString, asShown:
		return AppendString(dst, batch.Text(c.index, row))
	default: // digits and letters, which need no escapes
	}
	dst = append(dst, '"')
	dst = c.appendText(dst, batch, row)
	return append(dst, '"')
}

// appendText appends a value that is not null.
func (c *column) appendText(dst []byte, batch transit.Batch, row int) []byte {
	switch c.form {
	case asBare:
		return appendNumber(dst, batch, c.index, row)
	case asHex:
		return appendHex(dst, c.bytes(batch, row))
	case asAddress:
		return append(dst, c.address(common.Address(c.bytes(batch, row)))...)
	case asUint256:
		return appendUint256(dst, c.bytes(batch, row))
	case asTime:
		return append(dst, c.time(batch, row)...)
	default:
		return append(dst, batch.Text(c.index, row)...)
	}
}

// bytes are those of a column that travels as such.
func (c *column) bytes(batch transit.Batch, row int) []byte {
	return batch.Record.Column(c.index).(interface{ Value(row int) []byte }).Value(row)
}

func appendNumber(dst []byte, batch transit.Batch, col, row int) []byte {
	switch a := batch.Record.Column(col).(type) {
	case *array.Uint64:
		return strconv.AppendUint(dst, a.Value(row), 10)
	case *array.Int64:
		return strconv.AppendInt(dst, a.Value(row), 10)
	case *array.Uint32:
		return strconv.AppendUint(dst, uint64(a.Value(row)), 10)
	case *array.Boolean:
		return strconv.AppendBool(dst, a.Value(row))
	default:
		return append(dst, batch.Text(col, row)...)
	}
}

func appendHex(dst, b []byte) []byte {
	return hex.AppendEncode(append(dst, "0x"...), b)
}

// appendUint256 appends 32 big-endian bytes as a decimal.
func appendUint256(dst, b []byte) []byte {
	const digits, most = 19, 1e19 // as many as a word holds
	var words [4]uint64
	for i := range words {
		words[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	var parts [5]uint64 // of 19 digits each, the lowest first
	n := 0
	for words != [4]uint64{} {
		var rest uint64
		for i := range words {
			words[i], rest = bits.Div64(rest, words[i], most)
		}
		parts[n] = rest
		n++
	}
	if n == 0 {
		return append(dst, '0')
	}
	dst = strconv.AppendUint(dst, parts[n-1], 10)
	for n--; n > 0; n-- {
		begin := len(dst)
		dst = append(dst, "0000000000000000000"...)
		for i, v := begin+digits-1, parts[n-1]; v > 0; i, v = i-1, v/10 {
			dst[i] = '0' + byte(v%10)
		}
	}
	return dst
}

// mostAddresses bounds how many texts of addresses a column remembers.
const mostAddresses = 1 << 14

// address is the text of an address. Its checksum is a hash that costs more
// than everything else about a row, and few addresses make up most of a chain's
// rows.
func (c *column) address(a common.Address) string {
	if text, ok := c.addresses[a]; ok {
		return text
	}
	if c.addresses == nil || len(c.addresses) == mostAddresses {
		c.addresses = make(map[common.Address]string)
	}
	text := a.Hex()
	c.addresses[a] = text
	return text
}

// time is the text of a time. Rows of a block follow each other and share theirs.
func (c *column) time(batch transit.Batch, row int) string {
	t := batch.Record.Column(c.index).(*array.Timestamp).Value(row)
	if c.shown == "" || t != c.second {
		c.second, c.shown = t, batch.Text(c.index, row)
	}
	return c.shown
}
