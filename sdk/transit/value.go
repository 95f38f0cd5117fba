package transit

import (
	"math/big"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"
)

// Value returns a value as Go knows it: nil, bool, int64, uint64, float64, string, []byte, common.Address, common.Hash, *big.Int
// (uint256 and bigint), time.Time, []any for a list, map[string]any for a struct. A column of a type that no Go struct writes,
// such as a date from another language, comes as the string that the Arrow library shows. Bytes and strings are parts of the batch.
func (b Batch) Value(col, row int) any {
	return valueOf(b.Record.Schema().Field(col), b.Record.Column(col), row)
}

func valueOf(f arrow.Field, a arrow.Array, i int) any {
	if isNull(a, i) {
		return nil
	}
	switch a := a.(type) {
	case *array.List:
		begin, end := a.ValueOffsets(i)
		item := a.DataType().(*arrow.ListType).ElemField()
		list := make([]any, 0, end-begin)
		for k := begin; k < end; k++ {
			list = append(list, valueOf(item, a.ListValues(), int(k)))
		}
		return list
	case *array.Struct:
		fields := a.DataType().(*arrow.StructType).Fields()
		object := make(map[string]any, len(fields))
		for k, field := range fields {
			object[field.Name] = valueOf(field, a.Field(k), i)
		}
		return object
	}
	return leafOf(f, a, i)
}

// isNull reports whether a value is null. Columns of Arrow's null type have no bitmap to say so.
func isNull(a arrow.Array, i int) bool {
	return a.IsNull(i) || a.DataType().ID() == arrow.NULL
}

// leafOf is a value without parts, which is not null.
func leafOf(f arrow.Field, a arrow.Array, i int) any {
	if v := numberAt(a, i); v != nil {
		return v
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.LargeString:
		return a.Value(i)
	case *array.LargeBinary:
		return a.Value(i)
	case *array.Binary:
		if kindOf(f) == kindBigint {
			return bigintOf(a.Value(i))
		}
		return a.Value(i)
	case *array.FixedSizeBinary:
		return fixedOf(kindOf(f), a.Value(i))
	case *array.Timestamp:
		if arrow.TypeEqual(a.DataType(), timestampType()) {
			return timeOf(int64(a.Value(i)))
		}
	}
	return strings.ToValidUTF8(a.ValueStr(i), "\uFFFD")
}

func numberAt(a arrow.Array, i int) any {
	switch a := a.(type) {
	case *array.Int8:
		return int64(a.Value(i))
	case *array.Int16:
		return int64(a.Value(i))
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Uint8:
		return uint64(a.Value(i))
	case *array.Uint16:
		return uint64(a.Value(i))
	case *array.Uint32:
		return uint64(a.Value(i))
	case *array.Uint64:
		return a.Value(i)
	case *array.Float32:
		return float64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	}
	return nil
}

func fixedOf(kind string, v []byte) any {
	switch kind {
	case kindAddress:
		return common.Address(v)
	case kindHash:
		return common.Hash(v)
	case kindUint256:
		return new(big.Int).SetBytes(v)
	}
	return v
}

// bigintOf reads a number in two's complement.
func bigintOf(v []byte) *big.Int {
	x := new(big.Int).SetBits(appendWords(nil, v))
	if len(v) > 0 && v[0]&0x80 != 0 {
		x.Neg(x)
	}
	return x
}
