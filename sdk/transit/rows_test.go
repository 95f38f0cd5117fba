package transit_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/holiman/uint256"
)

type (
	toggle  bool
	level   int16
	label   string
	blob    []byte
	selectr [4]byte
	token   common.Address
	wei     uint256.Int
	amount  big.Int
	moment  time.Time
)

// allRow has a column of every type, alone, nullable and in a list.
type allRow struct {
	Bool    bool
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Int     int
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Uint    uint
	Float32 float32
	Float64 float64
	String  string
	Bytes   []byte
	Fixed   [5]byte
	Address common.Address
	Hash    common.Hash
	Uint256 uint256.Int
	Bigint  big.Int
	Time    time.Time

	BoolOrNot    *bool
	Int8OrNot    *int8
	Int64OrNot   *int64
	Float64OrNot *float64
	StringOrNot  *string
	BytesOrNot   *[]byte
	FixedOrNot   *[5]byte
	AddressOrNot *common.Address
	HashOrNot    *common.Hash
	Uint256OrNot *uint256.Int
	BigintOrNot  *big.Int
	TimeOrNot    *time.Time
	PairOrNot    *pair
	ListOrNot    *[]uint32

	Bools      []bool
	Int16s     []int16
	Strings    []string
	Blobs      [][]byte
	Fixeds     [][5]byte
	Addresses  []common.Address
	Hashes     []common.Hash
	Uint256s   []uint256.Int
	Bigints    []*big.Int
	Times      []time.Time
	Pairs      []pair
	PairsOrNot []*pair
	HashesOr   []*common.Hash
	Lists      [][]uint64
	Nested     [][][]common.Hash

	Pair pair
	base

	Flag   toggle
	Level  level
	Label  label
	Blob   blob
	Select selectr
	Token  token  `transit:",address"`
	Wei    wei    `transit:"value,uint256"`
	Amount amount `transit:"the_amount"`
	Moment moment
	Labels []label
}

// pair is a nested struct with a bit of everything that matters below the first level.
type pair struct {
	Token common.Address
	Name  string
	Fee   *uint32
	Path  []common.Hash
	Inner struct{ Value uint256.Int }
}

// base is embedded, and not exported, as rows often share their first columns.
type base struct {
	BlockNumber uint64
	ChainID     uint64
}

func (allRow) TransitType() string { return "test.all" }

// sameRows compares rows as a reader does who knows what changes on the way: empty and nil slices are one. It shows what differs.
func sameRows(want, got any) string {
	if same(reflect.ValueOf(want), reflect.ValueOf(got)) {
		return ""
	}
	return "…" + cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmp.Exporter(func(reflect.Type) bool { return true }))
}

// same is quick where cmp.Diff is slow: rows nearly always are.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() || a.Type() == reflect.TypeFor[*time.Location]() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Float32, reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	default:
		return a.Equal(b)
	}
}

// randomRows fills rows with values that are often at an edge.
func randomRows[T any](seed uint64, n int) []T {
	r := rand.New(rand.NewPCG(seed, 42))
	rows := make([]T, n)
	for i := range rows {
		randomize(r, reflect.ValueOf(&rows[i]).Elem())
	}
	return rows
}

func randomize(r *rand.Rand, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *big.Int:
		p.Set(randomBigint(r))
		return
	case *amount:
		(*big.Int)(p).Set(randomBigint(r))
		return
	case *time.Time:
		*p = randomTime(r)
		return
	case *moment:
		*p = moment(randomTime(r))
		return
	}
	randomizeParts(r, v)
}

func randomizeParts(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			randomize(r, v.Elem())
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !f.CanSet() { // embedded without being exported
				f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
			}
			randomize(r, f)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			randomize(r, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			randomize(r, v.Index(i))
		}
	default:
		randomizeLeaf(r, v)
	}
}

func randomizeLeaf(r *rand.Rand, v reflect.Value) {
	bits := randomBits(r)
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(bits&1 == 1)
	case reflect.String:
		v.SetString(strings.Repeat([]string{"", "a", "é", "😀", "\x00"}[r.IntN(5)], r.IntN(5)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), math.Inf(1), math.NaN(), 0.5, r.NormFloat64()}[r.IntN(6)])
		if v.Kind() == reflect.Float32 {
			v.SetFloat(float64(float32(v.Float())))
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(bits) >> (64 - v.Type().Bits()))
	default:
		v.SetUint(bits >> (64 - v.Type().Bits()))
	}
}

func randomBits(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return math.MaxUint64
	case 2:
		return 1 << 63
	}
	return r.Uint64()
}

func randomBigint(r *rand.Rand) *big.Int {
	x := new(big.Int).Lsh(big.NewInt(int64(r.IntN(3)-1)), uint(r.IntN(300)))
	x.Add(x, big.NewInt(int64(r.IntN(3)-1)))
	if r.IntN(2) == 0 {
		x.Mul(x, new(big.Int).SetUint64(r.Uint64()))
	}
	return x
}

func randomTime(r *rand.Rand) time.Time {
	if r.IntN(4) == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(r.Uint64())>>r.IntN(40)).UTC().Add(1)
}
