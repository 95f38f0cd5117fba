package transit

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// kindKey is the key of a column's field metadata under which its kind stands.
const kindKey = "penstock.kind"

// Kinds say what a column means where Arrow has no type for it.
const (
	kindAddress   = "address"   // 20 bytes
	kindHash      = "hash"      // 32 bytes
	kindUint256   = "uint256"   // 32 bytes, big-endian
	kindBigint    = "bigint"    // two's complement, big-endian, shortest form
	kindTimestamp = "timestamp" // nanoseconds since 1970, UTC
)

// timestampType is the one Arrow type of time columns.
func timestampType() arrow.DataType {
	return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
}

// kindType is the Arrow type that columns of a kind have; nil for a kind that is not known.
func kindType(kind string) arrow.DataType {
	switch kind {
	case kindAddress:
		return &arrow.FixedSizeBinaryType{ByteWidth: 20}
	case kindHash, kindUint256:
		return &arrow.FixedSizeBinaryType{ByteWidth: 32}
	case kindBigint:
		return arrow.BinaryTypes.Binary
	case kindTimestamp:
		return timestampType()
	}
	return nil
}

// kindOf is the kind that a column states, "" if none.
func kindOf(f arrow.Field) string {
	kind, _ := f.Metadata.GetValue(kindKey)
	return kind
}

func kindMetadata(kind string) arrow.Metadata {
	if kind == "" {
		return arrow.Metadata{}
	}
	return arrow.NewMetadata([]string{kindKey}, []string{kind})
}

// checkKind refuses a column whose kind is unknown or does not go with its Arrow type.
func checkKind(f arrow.Field) error {
	kind := kindOf(f)
	if kind == "" {
		return nil
	}
	want := kindType(kind)
	if want == nil {
		return fmt.Errorf("kind %q is not known here: the kinds are address, hash, uint256, bigint and timestamp", kind)
	}
	if !arrow.TypeEqual(want, f.Type) {
		return fmt.Errorf("kind %s goes with %s, not with %s", kind, want, f.Type)
	}
	return nil
}
