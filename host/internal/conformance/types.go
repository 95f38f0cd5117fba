package conformance

import (
	"encoding/hex"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/penstock-io/penstock/sdk/transit"
)

// kinded is a column with a kind.
func kinded(name, kind string, typ arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Metadata: arrow.NewMetadata([]string{"penstock.kind"}, []string{kind})}
}

func plain(name string, typ arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: typ} }

// The Arrow types of kinds.
func bytes20() arrow.DataType { return &arrow.FixedSizeBinaryType{ByteWidth: 20} }
func bytes32() arrow.DataType { return &arrow.FixedSizeBinaryType{ByteWidth: 32} }
func nanoseconds() arrow.DataType {
	return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
}

// allKinds is a type with a column of everything that travels, for registers
// that take everything.
func allKinds() transit.Type {
	maybe := kinded("maybe", "uint256", bytes32())
	maybe.Nullable = true
	return transit.Type{Name: "conformance.all_kinds", Schema: arrow.NewSchema([]arrow.Field{
		plain("block_number", arrow.PrimitiveTypes.Uint64),
		kinded("block_hash", "hash", bytes32()),
		kinded("at", "timestamp", nanoseconds()),
		kinded("who", "address", bytes20()),
		kinded("amount", "uint256", bytes32()),
		kinded("balance", "bigint", arrow.BinaryTypes.Binary),
		plain("yes", arrow.FixedWidthTypes.Boolean),
		plain("small", arrow.PrimitiveTypes.Int8),
		plain("large", arrow.PrimitiveTypes.Uint64),
		plain("rate", arrow.PrimitiveTypes.Float64),
		plain("name", arrow.BinaryTypes.String),
		plain("data", arrow.BinaryTypes.Binary),
		plain("selector", &arrow.FixedSizeBinaryType{ByteWidth: 4}),
		maybe,
		plain("topics", arrow.ListOfField(kinded("item", "hash", bytes32()))),
		plain("pair", arrow.StructOf(kinded("token", "address", bytes20()), plain("decimals", arrow.PrimitiveTypes.Uint8))),
	}, nil)}
}

// logs is eth.log, as the readers of chains give it.
func logs() transit.Type {
	return transit.Type{Name: "eth.log", Schema: arrow.NewSchema([]arrow.Field{
		plain("block_number", arrow.PrimitiveTypes.Uint64),
		kinded("block_hash", "hash", bytes32()),
		kinded("timestamp", "timestamp", nanoseconds()),
		plain("transaction_index", arrow.PrimitiveTypes.Uint64),
		kinded("transaction_hash", "hash", bytes32()),
		plain("log_index", arrow.PrimitiveTypes.Uint64),
		kinded("address", "address", bytes20()),
		plain("topics", arrow.ListOfField(kinded("item", "hash", bytes32()))),
		plain("data", arrow.BinaryTypes.Binary),
	}, nil)}
}

// shape is an event that contracts emit: its hash, how many addresses follow it
// as topics, and how many words its data has.
type shape struct {
	hash          string
	topics, words int
}

// shapes are the events that most logs of a chain are of.
var shapes = []shape{
	{"ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", 2, 1}, // Transfer(address,address,uint256)
	{"d78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822", 2, 4}, // Swap, of Uniswap V2
	{"1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1", 0, 2}, // Sync(uint112,uint112)
	{"8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925", 2, 1}, // Approval(address,address,uint256)
	{"0d3648bd0f6ba80134a33ba9275ac585d9d315f0ad8355cddefde31afa28d0e9", 2, 2}, // PairCreated(address,address,address,uint256)
}

// madeLog is what belongs together in a log: topics and data.
type madeLog struct {
	topics [][]byte
	data   []byte
}

// log makes one up as contracts emit it, as what is made of luck alone would be
// passed over by most who read logs.
func (p place) log() madeLog {
	s := shapes[p.luck.IntN(len(shapes))]
	hash, _ := hex.DecodeString(s.hash) // it is one
	l := madeLog{topics: [][]byte{hash}}
	for range s.topics {
		l.topics = append(l.topics, slices.Concat(make([]byte, 12), p.address()))
	}
	for range s.words {
		l.data = append(l.data, p.amount().FillBytes(make([]byte, 32))...)
	}
	return l
}

// fill appends the column, where it is one of them.
func (l madeLog) fill(name string, to array.Builder) bool {
	switch b := to.(type) {
	case *array.ListBuilder:
		items, ok := b.ValueBuilder().(*array.FixedSizeBinaryBuilder)
		if name != "topics" || !ok {
			return false
		}
		b.Append(true)
		for _, topic := range l.topics {
			items.Append(topic)
		}
		return true
	case *array.BinaryBuilder:
		if name != "data" {
			return false
		}
		b.Append(l.data)
		return true
	}
	return false
}

// strangers are columns that nobody asks for.
func strangers() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{plain("stranger", arrow.BinaryTypes.String), plain("danger", arrow.PrimitiveTypes.Float32)}, nil)
}
