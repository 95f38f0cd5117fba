package main

import (
	"encoding/hex"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/holiman/uint256"
	"github.com/parquet-go/parquet-go"
)

// value reads one value of a batch.
type value = func(i int) (parquet.Value, error)

func bindBool(_ *leaf, a arrow.Array) value {
	b := a.(*array.Boolean)
	return func(i int) (parquet.Value, error) { return parquet.BooleanValue(b.Value(i)), nil }
}

func bindFloat32(_ *leaf, a arrow.Array) value {
	f := a.(*array.Float32)
	return func(i int) (parquet.Value, error) { return parquet.FloatValue(f.Value(i)), nil }
}

func bindFloat64(_ *leaf, a arrow.Array) value {
	f := a.(*array.Float64)
	return func(i int) (parquet.Value, error) { return parquet.DoubleValue(f.Value(i)), nil }
}

// bindInteger reads whole numbers: those of 64 bits are 64 bits in files too, the
// others 32.
func bindInteger(_ *leaf, a arrow.Array) value {
	switch a := a.(type) {
	case *array.Uint64:
		return func(i int) (parquet.Value, error) { return parquet.Int64Value(int64(a.Value(i))), nil }
	case *array.Int64:
		return func(i int) (parquet.Value, error) { return parquet.Int64Value(a.Value(i)), nil }
	case *array.Uint32:
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(int32(a.Value(i))), nil }
	case *array.Int32:
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(a.Value(i)), nil }
	case *array.Uint16:
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(int32(a.Value(i))), nil }
	case *array.Int16:
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(int32(a.Value(i))), nil }
	case *array.Uint8:
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(int32(a.Value(i))), nil }
	default:
		b := a.(*array.Int8)
		return func(i int) (parquet.Value, error) { return parquet.Int32Value(int32(b.Value(i))), nil }
	}
}

func bindString(_ *leaf, a arrow.Array) value {
	texts := a.(interface{ Value(i int) string })
	return func(i int) (parquet.Value, error) { return parquet.ByteArrayValue(bytesOf(texts.Value(i))), nil }
}

func bindBytes(_ *leaf, a arrow.Array) value {
	if b, ok := a.(*array.Binary); ok {
		return func(i int) (parquet.Value, error) { return parquet.ByteArrayValue(b.Value(i)), nil }
	}
	b := a.(*array.LargeBinary)
	return func(i int) (parquet.Value, error) { return parquet.ByteArrayValue(b.Value(i)), nil }
}

func bindFixed(_ *leaf, a arrow.Array) value {
	b := a.(*array.FixedSizeBinary)
	return func(i int) (parquet.Value, error) { return parquet.FixedLenByteArrayValue(b.Value(i)), nil }
}

func bindLoose(_ *leaf, a arrow.Array) value {
	b := a.(*array.FixedSizeBinary)
	return func(i int) (parquet.Value, error) { return parquet.ByteArrayValue(b.Value(i)), nil }
}

func bindHex(l *leaf, a arrow.Array) value {
	b := a.(interface{ Value(i int) []byte })
	return func(i int) (parquet.Value, error) {
		begin := len(l.space)
		l.space = hex.AppendEncode(append(l.space, "0x"...), b.Value(i))
		return l.text(begin), nil
	}
}

// bindShown reads what has no type of its own in files, as Arrow shows it.
func bindShown(l *leaf, a arrow.Array) value {
	return func(i int) (parquet.Value, error) {
		begin := len(l.space)
		l.space = append(l.space, a.ValueStr(i)...)
		return l.text(begin), nil
	}
}

// text is the value whose text begins there.
func (l *leaf) text(begin int) parquet.Value {
	return parquet.ByteArrayValue(l.space[begin:len(l.space):len(l.space)])
}

func bindLargeText(large bool) func(*leaf, arrow.Array) value {
	if large {
		return func(l *leaf, a arrow.Array) value {
			b := a.(*array.Binary)
			return func(i int) (parquet.Value, error) {
				begin := len(l.space)
				l.space = twosComplement(b.Value(i)).Append(l.space, 10)
				return l.text(begin), nil
			}
		}
	}
	return func(l *leaf, a arrow.Array) value {
		b := a.(*array.FixedSizeBinary)
		var n uint256.Int
		return func(i int) (parquet.Value, error) {
			begin := len(l.space)
			n.SetBytes32(b.Value(i))
			if n.IsUint64() {
				l.space = appendUint(l.space, n.Uint64())
			} else {
				l.space = append(l.space, n.Dec()...)
			}
			return l.text(begin), nil
		}
	}
}

func bindLargeFloat(large bool) func(*leaf, arrow.Array) value {
	return func(_ *leaf, a arrow.Array) value {
		whole := wholes(a, large)
		return func(i int) (parquet.Value, error) {
			f, _ := new(big.Float).SetInt(whole(i)).Float64() // the nearest
			return parquet.DoubleValue(f), nil
		}
	}
}

// wholes reads large integers.
func wholes(a arrow.Array, large bool) func(i int) *big.Int {
	b := a.(interface{ Value(i int) []byte })
	if large {
		return func(i int) *big.Int { return twosComplement(b.Value(i)) }
	}
	return func(i int) *big.Int { return new(big.Int).SetBytes(b.Value(i)) }
}

// twosComplement reads a big-endian integer with a sign.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

// bindDecimal reads large integers as two's complement of 16 bytes.
func bindDecimal(large, nulls bool) func(*leaf, arrow.Array) value {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(decimalDigits), nil)
	return func(l *leaf, a arrow.Array) value {
		whole := wholes(a, large)
		return func(i int) (parquet.Value, error) {
			n := whole(i)
			if n.CmpAbs(limit) >= 0 {
				if nulls {
					return parquet.Value{}, nil
				}
				return parquet.Value{}, errTooLarge
			}
			if n.Sign() < 0 {
				n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
			}
			begin := len(l.space)
			l.space = append(l.space, make([]byte, 16)...)
			n.FillBytes(l.space[begin:])
			return parquet.FixedLenByteArrayValue(l.space[begin:len(l.space):len(l.space)]), nil
		}
	}
}

func quickUint64(values []parquet.Value, a arrow.Array) []parquet.Value {
	for _, v := range a.(*array.Uint64).Uint64Values() {
		values = append(values, parquet.Int64Value(int64(v)))
	}
	return values
}

func quickFixed(values []parquet.Value, a arrow.Array) []parquet.Value {
	b := a.(*array.FixedSizeBinary)
	for i := range b.Len() {
		values = append(values, parquet.FixedLenByteArrayValue(b.Value(i)))
	}
	return values
}

func quickBytes(values []parquet.Value, a arrow.Array) []parquet.Value {
	b, ok := a.(*array.Binary)
	if !ok {
		large := a.(*array.LargeBinary)
		for i := range large.Len() {
			values = append(values, parquet.ByteArrayValue(large.Value(i)))
		}
		return values
	}
	for i := range b.Len() {
		values = append(values, parquet.ByteArrayValue(b.Value(i)))
	}
	return values
}
