package conformance

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// world is what rows tell of: a chain whose blocks have the same hashes and
// times wherever they are told of.
type world struct{ seed uint64 }

// hash is different for everything that is named, and always the same.
func (w world) hash(what string, numbers ...uint64) [32]byte {
	h := sha256.New()
	h.Write([]byte(what))
	for _, n := range append([]uint64{w.seed}, numbers...) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], n)
		h.Write(b[:])
	}
	return [32]byte(h.Sum(nil))
}

func (w world) blockHash(block uint64) [32]byte { return w.hash("block", block) }

// place is a row of a block, and the luck that fills a column of it.
type place struct {
	world world
	block uint64
	row   int
	seed  [2]uint64
	luck  *rand.Rand
}

func (w world) place(input string, block uint64, row int) place {
	h := w.hash("row of "+input, block, uint64(row))
	return place{world: w, block: block, row: row, seed: [2]uint64{binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])}}
}

// column is the place of one column, which has what it has whatever other
// columns there are.
func (p place) column(name string) place {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	p.luck = rand.New(rand.NewPCG(p.seed[0], p.seed[1]^h.Sum64()))
	return p
}

// genesis and blockTime are when blocks are made.
const (
	genesis   = 1_438_269_973
	blockTime = 12
)

func (p place) time() time.Time { return time.Unix(genesis+int64(p.block)*blockTime, 0).UTC() }

// words are what strings are made of.
var words = []string{"", "swap", "WETH", "a longer text with spaces", "Zürich", "日本", "line\nbreak", `"quoted"`}

// fill appends a value of a column. Columns whose names say what they mean get
// what belongs to the block, all others what luck has for their type.
func (p place) fill(field arrow.Field, to array.Builder, depth int) {
	if field.Nullable && p.luck.IntN(5) == 0 {
		to.AppendNull()
		return
	}
	if depth == 0 && p.named(field, to) {
		return
	}
	switch b := to.(type) {
	case *array.BooleanBuilder:
		b.Append(p.luck.IntN(2) == 0)
	case *array.StringBuilder:
		b.Append(words[p.luck.IntN(len(words))])
	case *array.LargeStringBuilder:
		b.Append(words[p.luck.IntN(len(words))])
	case *array.BinaryBuilder:
		b.Append(p.binary(kindOf(field)))
	case *array.FixedSizeBinaryBuilder:
		b.Append(p.fixed(kindOf(field), b.Type().(*arrow.FixedSizeBinaryType).ByteWidth))
	case *array.TimestampBuilder:
		b.AppendTime(p.time())
	case *array.ListBuilder:
		b.Append(true)
		for range p.luck.IntN(4) {
			p.fill(b.Type().(*arrow.ListType).ElemField(), b.ValueBuilder(), depth+1)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, inner := range b.Type().(*arrow.StructType).Fields() {
			p.fill(inner, b.FieldBuilder(i), depth+1)
		}
	default:
		if !p.number(to) {
			to.AppendEmptyValue()
		}
	}
}

// named fills the columns whose names say what they mean.
func (p place) named(field arrow.Field, to array.Builder) bool {
	switch b := to.(type) {
	case *array.Uint64Builder:
		switch field.Name {
		case "block_number", "number", "block":
			b.Append(p.block)
		case "log_index", "transaction_index", "index":
			b.Append(uint64(p.row))
		case "chain_id":
			b.Append(1)
		case "timestamp", "time":
			b.Append(uint64(p.time().Unix()))
		default:
			return false
		}
		return true
	case *array.FixedSizeBinaryBuilder:
		hash, ok := p.namedHash(field)
		if ok {
			b.Append(hash[:])
		}
		return ok
	}
	return false
}

func (p place) namedHash(field arrow.Field) (hash [32]byte, ok bool) {
	if kindOf(field) != "hash" {
		return hash, false
	}
	switch field.Name {
	case "block_hash":
		return p.world.blockHash(p.block), true
	case "parent_hash":
		return p.world.blockHash(p.block - 1), true
	case "transaction_hash", "tx_hash":
		return p.world.hash("transaction", p.block, uint64(p.row/3)), true
	}
	return hash, false
}

// number fills columns of numbers. Most numbers are small, some as large as
// there are.
func (p place) number(to array.Builder) bool {
	n := p.luck.Uint64() >> p.luck.IntN(64)
	switch b := to.(type) {
	case *array.Uint8Builder:
		b.Append(uint8(n))
	case *array.Uint16Builder:
		b.Append(uint16(n))
	case *array.Uint32Builder:
		b.Append(uint32(n))
	case *array.Uint64Builder:
		b.Append(n)
	case *array.Int8Builder:
		b.Append(int8(n))
	case *array.Int16Builder:
		b.Append(int16(n))
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(int64(n))
	case *array.Float32Builder:
		b.Append(float32(p.luck.NormFloat64() * 1000))
	case *array.Float64Builder:
		b.Append(p.luck.NormFloat64() * 1e6)
	default:
		return false
	}
	return true
}

// people is how many addresses there are: few, so that they come again.
const people = 24

func (p place) address() []byte {
	h := p.world.hash("address", uint64(p.luck.IntN(people)))
	return h[:20]
}

// amount is a number as amounts of tokens are: of every size up to about 2^96.
func (p place) amount() *big.Int {
	n := new(big.Int).SetUint64(p.luck.Uint64())
	n.Lsh(n, 32).Add(n, new(big.Int).SetUint64(p.luck.Uint64()>>32))
	return n.Rsh(n, uint(p.luck.IntN(96)))
}

func (p place) fixed(kind string, width int) []byte {
	switch kind {
	case "address":
		return p.address()
	case "uint256":
		return p.amount().FillBytes(make([]byte, width))
	}
	b := make([]byte, width)
	for i := range b {
		b[i] = byte(p.luck.Uint32())
	}
	return b
}

func (p place) binary(kind string) []byte {
	if kind == "bigint" {
		n := p.amount().Bytes()
		if len(n) > 0 && n[0]&0x80 != 0 || len(n) == 0 {
			n = slices.Insert(n, 0, 0) // it is not negative
		}
		return n
	}
	return p.fixed("", p.luck.IntN(70))
}

// kindOf is the kind that a column states.
func kindOf(field arrow.Field) string {
	kind, _ := field.Metadata.GetValue("penstock.kind")
	return kind
}
