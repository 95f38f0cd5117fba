package transit

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// scalar is how a Go type without parts travels.
type scalar struct {
	arrow arrow.DataType
	kind  string
	codec codec
}

// scalarOf maps a type that is a single value; false if it is none. A kind that a tag asks for must go with the type.
func scalarOf(rt reflect.Type, kind string) (scalar, bool) {
	if s, ok := knownScalar(rt, kind); ok {
		return s, true
	}
	if kind != "" {
		return scalar{}, false
	}
	if s, ok := numberOf(rt); ok {
		return s, true
	}
	switch {
	case rt.Kind() == reflect.Bool:
		return scalar{arrow: arrow.FixedWidthTypes.Boolean, codec: boolCodec()}, true
	case rt.Kind() == reflect.String:
		return scalar{arrow: arrow.BinaryTypes.String, codec: stringCodec()}, true
	case rt.Kind() == reflect.Slice && rt.Elem().Kind() == reflect.Uint8:
		return scalar{arrow: arrow.BinaryTypes.Binary, codec: bytesCodec()}, true
	case isBytes(rt, rt.Size()) && rt.Len() > 0:
		return scalar{arrow: &arrow.FixedSizeBinaryType{ByteWidth: rt.Len()}, codec: fixedCodec(rt.Len())}, true
	}
	return scalar{}, false
}

// knownScalar maps the types that have a kind.
func knownScalar(rt reflect.Type, kind string) (scalar, bool) {
	limbs := rt.Kind() == reflect.Array && rt.Len() == 4 && rt.Elem().Kind() == reflect.Uint64
	var codec codec
	switch {
	case rt == reflect.TypeFor[common.Address]() || kind == kindAddress && isBytes(rt, 20):
		kind, codec = kindAddress, fixedCodec(20)
	case rt == reflect.TypeFor[common.Hash]() || kind == kindHash && isBytes(rt, 32):
		kind, codec = kindHash, fixedCodec(32)
	case rt == reflect.TypeFor[uint256.Int]() || kind == kindUint256 && limbs:
		kind, codec = kindUint256, uint256Codec()
	case isDefinedOver(rt, reflect.TypeFor[big.Int]()):
		kind, codec = kindBigint, bigintCodec()
	case isDefinedOver(rt, reflect.TypeFor[time.Time]()):
		kind, codec = kindTimestamp, timeCodec()
	default:
		return scalar{}, false
	}
	return scalar{arrow: kindType(kind), kind: kind, codec: codec}, true
}

func numberOf(rt reflect.Type) (scalar, bool) {
	types := map[reflect.Kind]arrow.DataType{
		reflect.Int8: arrow.PrimitiveTypes.Int8, reflect.Uint8: arrow.PrimitiveTypes.Uint8,
		reflect.Int16: arrow.PrimitiveTypes.Int16, reflect.Uint16: arrow.PrimitiveTypes.Uint16,
		reflect.Int32: arrow.PrimitiveTypes.Int32, reflect.Uint32: arrow.PrimitiveTypes.Uint32,
		reflect.Int64: arrow.PrimitiveTypes.Int64, reflect.Uint64: arrow.PrimitiveTypes.Uint64,
		reflect.Float32: arrow.PrimitiveTypes.Float32, reflect.Float64: arrow.PrimitiveTypes.Float64,
	}
	if rt.Size() == 8 { // int and uint have 32 bits on some machines
		types[reflect.Int], types[reflect.Uint] = arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Uint64
	}
	dt, ok := types[rt.Kind()]
	if !ok {
		return scalar{}, false
	}
	return scalar{arrow: dt, codec: numberCodec(rt.Size())}, true
}

// isBytes reports whether the type is an array of so many bytes.
func isBytes(rt reflect.Type, n uintptr) bool {
	return rt.Kind() == reflect.Array && rt.Elem().Kind() == reflect.Uint8 && rt.Size() == n
}

// isDefinedOver reports whether rt is a struct with the very fields of base, as after `type rt base`.
func isDefinedOver(rt, base reflect.Type) bool {
	return rt.Kind() == reflect.Struct && rt.ConvertibleTo(base)
}

// isPlainStruct reports whether a type is a struct whose fields are columns.
func isPlainStruct(rt reflect.Type) bool {
	if rt.Kind() != reflect.Struct {
		return false
	}
	_, known := knownScalar(rt, "")
	return !known
}

// hasPointers reports whether the garbage collector finds pointers in a value of the type.
func hasPointers(rt reflect.Type) bool {
	switch rt.Kind() {
	case reflect.Array:
		return rt.Len() > 0 && hasPointers(rt.Elem())
	case reflect.Struct:
		for f := range rt.Fields() {
			if hasPointers(f.Type) {
				return true
			}
		}
		return false
	default:
		return rt.Kind() > reflect.Complex128 // what comes after the numbers holds pointers
	}
}

// refusal says why a type cannot be a column, and what to write instead.
func refusal(rt reflect.Type) error {
	switch rt.Kind() {
	case reflect.Map:
		return fmt.Errorf("%s cannot be a column: use a slice of structs with a key and a value", rt)
	case reflect.Interface:
		return fmt.Errorf("%s cannot be a column: its type must be known beforehand", rt)
	case reflect.Array:
		return fmt.Errorf("%s cannot be a column: use a slice (arrays are for bytes, at least one)", rt)
	case reflect.Int, reflect.Uint:
		return errors.New("int and uint have 32 bits on this machine: use int64 or uint64")
	default:
		return fmt.Errorf("%s cannot be a column: leave it out with a tag `transit:\"-\"`", rt)
	}
}
