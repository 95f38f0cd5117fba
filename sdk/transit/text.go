package transit

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Text returns a value as people read it: addresses with checksum, bytes and hashes in hexadecimal with 0x, uint256 and bigint as exact
// decimals, times in RFC 3339, lists and structs as JSON, and "" for null. In lists and structs, uint256 and bigint stand in quotes
// like hexadecimals, because readers of JSON round large numbers.
func (b Batch) Text(col, row int) string {
	f, a := b.Record.Schema().Field(col), b.Record.Column(col)
	if isNull(a, row) {
		return ""
	}
	if isNested(a) {
		var text strings.Builder
		writeJSON(&text, f, a, row)
		return text.String()
	}
	return leafText(leafOf(f, a, row), float32Bits(a))
}

func isNested(a arrow.Array) bool {
	switch a.(type) {
	case *array.List, *array.Struct:
		return true
	}
	return false
}

// float32Bits is the precision in which a column's floats are shown: 0.1 as a float32 is 0.1, not 0.10000000149011612.
func float32Bits(a arrow.Array) int {
	if _, ok := a.(*array.Float32); ok {
		return 32
	}
	return 64
}

// leafText shows a value without parts. The bits are those of a float.
func leafText(v any, bits int) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, bits)
	case string:
		return v
	case []byte:
		return hexutil.Encode(v)
	case common.Address:
		return v.Hex()
	case common.Hash:
		return v.Hex()
	case *big.Int:
		return v.String()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return "" // unreachable: leafOf returns nothing else
}

// writeJSON shows a value inside a list or struct, or one of these themselves.
func writeJSON(b *strings.Builder, f arrow.Field, a arrow.Array, i int) {
	if isNull(a, i) {
		b.WriteString("null")
		return
	}
	switch a := a.(type) {
	case *array.List:
		writeList(b, a, i)
	case *array.Struct:
		writeStruct(b, a, i)
	default:
		writeLeaf(b, leafOf(f, a, i), float32Bits(a))
	}
}

func writeList(b *strings.Builder, a *array.List, i int) {
	begin, end := a.ValueOffsets(i)
	item := a.DataType().(*arrow.ListType).ElemField()
	b.WriteByte('[')
	for k := begin; k < end; k++ {
		if k > begin {
			b.WriteByte(',')
		}
		writeJSON(b, item, a.ListValues(), int(k))
	}
	b.WriteByte(']')
}

func writeStruct(b *strings.Builder, a *array.Struct, i int) {
	b.WriteByte('{')
	for k, field := range a.DataType().(*arrow.StructType).Fields() {
		if k > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(field.Name))
		b.WriteByte(':')
		writeJSON(b, field, a.Field(k), i)
	}
	b.WriteByte('}')
}

func writeLeaf(b *strings.Builder, v any, bits int) {
	text := leafText(v, bits)
	switch v := v.(type) {
	case bool, int64, uint64:
		b.WriteString(text)
		return
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			b.WriteString(text)
			return
		}
	}
	b.WriteString(quote(text))
}

// quote writes a string as JSON does, without making <, > and & unreadable.
func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return strconv.Quote(text) // unreachable: every string can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}
