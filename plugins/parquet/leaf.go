package main

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// leaf is a column of plain values.
type leaf struct {
	node parquet.Node
	bind func(l *leaf, a arrow.Array) func(i int) (parquet.Value, error) // reads the values of a batch
	// quick reads all values of a batch whose column is not part of another, nulls
	// too, whatever they are; nil: they are read one by one.
	quick func(values []parquet.Value, a arrow.Array) []parquet.Value
	delta bool // whole numbers, of which neighbours are near
	bytes bool // of which a dictionary may be worth it

	overflows bool // a value that does not fit is null, because it stands in another column too
	path      []*tree
	index     int
	space     []byte          // texts of the batch that is being encoded
	values    []parquet.Value // of that batch
}

func (l *leaf) encoding(dictionary bool) encoding.Encoding {
	switch {
	case l.delta:
		return &parquet.DeltaBinaryPacked
	case l.bytes && dictionary:
		return &parquet.RLEDictionary
	case l.bytes && l.node.Type().Kind() == parquet.ByteArray:
		return &parquet.DeltaLengthByteArray
	}
	return &parquet.Plain
}

// plain is the leaf of all but large integers.
func (s *shape) plain(kind string, dt arrow.DataType) (*leaf, error) {
	if kind == "timestamp" {
		return s.times(), nil
	}
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return &leaf{node: parquet.Leaf(parquet.BooleanType), bind: bindBool}, nil
	case *arrow.Float32Type:
		return &leaf{node: parquet.Leaf(parquet.FloatType), bind: bindFloat32}, nil
	case *arrow.Float64Type:
		return &leaf{node: parquet.Leaf(parquet.DoubleType), bind: bindFloat64}, nil
	case *arrow.StringType, *arrow.LargeStringType:
		return &leaf{node: parquet.String(), bytes: true, bind: bindString}, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return s.binary(0), nil
	case *arrow.FixedSizeBinaryType:
		return s.binary(dt.ByteWidth), nil
	}
	if arrow.IsInteger(dt.ID()) {
		return integers(dt), nil
	}
	if dt.ID() == arrow.EXTENSION {
		return nil, fmt.Errorf("%s is a type of another program's: leave the column out with exclude", dt)
	}
	return &leaf{node: parquet.String(), bytes: true, bind: bindShown}, nil
}

func (s *shape) times() *leaf {
	unit, by := parquet.Node(nil), int64(1)
	switch s.Times {
	case "ms":
		unit, by = parquet.Timestamp(parquet.Millisecond), 1_000_000
	case "us":
		unit, by = parquet.Timestamp(parquet.Microsecond), 1_000
	default:
		unit = parquet.Timestamp(parquet.Nanosecond)
	}
	return &leaf{node: unit, delta: true, bind: func(_ *leaf, a arrow.Array) func(int) (parquet.Value, error) {
		times := a.(*array.Timestamp)
		return func(i int) (parquet.Value, error) {
			v := int64(times.Value(i))
			whole := v / by
			if v%by < 0 {
				whole-- // down, also before 1970
			}
			return parquet.Int64Value(whole), nil
		}
	}}
}

// binary is bytes; width 0: of any length.
func (s *shape) binary(width int) *leaf {
	switch {
	case s.Bytes == "hex":
		return &leaf{node: parquet.String(), bytes: true, bind: bindHex}
	case width == 0:
		return &leaf{node: parquet.Leaf(parquet.ByteArrayType), bytes: true, bind: bindBytes, quick: quickBytes}
	}
	return &leaf{node: parquet.Leaf(parquet.FixedLenByteArrayType(width)), bytes: true, bind: bindFixed, quick: quickFixed}
}

func integers(dt arrow.DataType) *leaf {
	bits := dt.(arrow.FixedWidthDataType).BitWidth()
	node := parquet.Int(bits)
	if arrow.IsUnsignedInteger(dt.ID()) {
		node = parquet.Uint(bits)
	}
	l := &leaf{node: node, delta: true, bind: bindInteger}
	if dt.ID() == arrow.UINT64 {
		l.quick = quickUint64
	}
	return l
}

// bounds of DECIMAL(38, 0), the widest that readers have.
const decimalDigits = 38

var errTooLarge = errors.New("it does not fit into a decimal of 38 digits")

// largeLeaf is an integer of 256 bits, or of any number, kept in one way. It may
// be null instead of what does not fit, where an exact column is beside it.
func largeLeaf(kind, way string, exact bool) *leaf {
	big := kind == "bigint"
	switch way {
	case asBinary:
		if big {
			return &leaf{node: parquet.Leaf(parquet.ByteArrayType), bytes: true, bind: bindBytes}
		}
		return &leaf{node: parquet.Leaf(parquet.FixedLenByteArrayType(32)), bytes: true, bind: bindFixed}
	case asDecimal:
		return &leaf{node: parquet.Decimal(0, decimalDigits, parquet.FixedLenByteArrayType(16)), bytes: true, bind: bindDecimal(big, exact)}
	case asFloat:
		return &leaf{node: parquet.Leaf(parquet.DoubleType), bind: bindLargeFloat(big)}
	}
	return &leaf{node: parquet.String(), bytes: true, bind: bindLargeText(big)}
}
