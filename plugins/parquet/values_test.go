package main

import (
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
	"github.com/parquet-go/parquet-go"

	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// everything has a column of every type.
type everything struct {
	BlockNumber uint64
	Bool        bool
	Int8        int8
	Int16       int16
	Int32       int32
	Int64       int64
	Uint8       uint8
	Uint16      uint16
	Uint32      uint32
	Uint64      uint64
	Float32     float32
	Float64     float64
	String      string
	Bytes       []byte
	Fixed       [3]byte
	Address     common.Address
	Hash        common.Hash
	Amount      uint256.Int
	Signed      big.Int
	Time        time.Time
	Note        *string
	Maybe       *uint256.Int
	To          *common.Address
	Hashes      []common.Hash
	Payments    []payment
}

type payment struct {
	Index  uint64
	To     common.Address
	Amount uint256.Int
	Keys   []common.Hash
}

func (everything) TransitType() string { return "test.everything" }

// fileOf is the only file that a loader makes of rows.
func fileOf[T transit.Row](tb testing.TB, change func(*loader), rows ...T) string {
	tb.Helper()
	dir := tb.TempDir()
	l := loaderIn(dir)
	change(l)
	started(tb, l, startOf[T](tb, 1, 0))
	half := len(rows) / 2
	load(tb, l, 0, rows[:half]...)
	commit(tb, l, 1)
	load(tb, l, 0, rows[half:]...)
	commitAt(tb, l, 2, 1000)
	final(tb, l, 2)
	closed(tb, l)
	files := manifestOf(tb, dir, "events").Files
	if len(files) != 1 {
		tb.Fatalf("%d files, want 1", len(files))
	}
	return filepath.Join(dir, files[0].File)
}

func extremes() []everything {
	most := *new(uint256.Int).SetAllOne()
	address, hash := common.HexToAddress("0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc"), common.HexToHash("0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060")
	rows := []everything{
		{},
		{
			BlockNumber: 1, Bool: true, Int8: math.MinInt8, Int16: math.MinInt16, Int32: math.MinInt32, Int64: math.MinInt64,
			Uint8: math.MaxUint8, Uint16: math.MaxUint16, Uint32: math.MaxUint32, Uint64: math.MaxUint64,
			Float32: 0.1, Float64: 1e300, String: "é😀", Bytes: []byte{0, 0xff}, Fixed: [3]byte{1, 2, 3}, Address: address, Hash: hash,
			Amount: most, Time: time.Unix(1_700_000_000, 123_456_789).UTC(), Note: new(""), Maybe: &most, To: &address,
			Hashes: []common.Hash{hash, {}, hash},
			Payments: []payment{
				{Index: 7, To: address, Amount: most, Keys: []common.Hash{hash}},
				{Index: math.MaxUint64},
				{Keys: []common.Hash{{}, hash}},
			},
		},
		{BlockNumber: 2, Float64: math.Inf(-1), Time: time.Unix(-1, 999_999_999).UTC(), Hashes: []common.Hash{{1}}},
	}
	rows[1].Signed.Neg(new(big.Int).Lsh(big.NewInt(1), 300))
	rows[2].Signed.SetInt64(-5)
	rows[2].Amount.SetUint64(12345678901234567890)
	return rows
}

// wide is extremes as files have it by default.
type wide struct {
	BlockNumber uint64    `parquet:"block_number"`
	Bool        bool      `parquet:"bool"`
	Int8        int8      `parquet:"int8"`
	Int16       int16     `parquet:"int16"`
	Int32       int32     `parquet:"int32"`
	Int64       int64     `parquet:"int64"`
	Uint8       uint8     `parquet:"uint8"`
	Uint16      uint16    `parquet:"uint16"`
	Uint32      uint32    `parquet:"uint32"`
	Uint64      uint64    `parquet:"uint64"`
	Float32     float32   `parquet:"float32"`
	Float64     float64   `parquet:"float64"`
	String      string    `parquet:"string"`
	Bytes       []byte    `parquet:"bytes"`
	Fixed       [3]byte   `parquet:"fixed"`
	Address     [20]byte  `parquet:"address"`
	Hash        [32]byte  `parquet:"hash"`
	Amount      string    `parquet:"amount"`
	Signed      string    `parquet:"signed"`
	Time        int64     `parquet:"time,timestamp(microsecond)"`
	Note        *string   `parquet:"note"`
	Maybe       *string   `parquet:"maybe"`
	To          *[20]byte `parquet:"to"`
	Hashes      [][]byte  `parquet:"hashes,list"`
	Payments    []struct {
		Index  uint64   `parquet:"index"`
		To     [20]byte `parquet:"to"`
		Amount string   `parquet:"amount"`
		Keys   [][]byte `parquet:"keys,list"`
	} `parquet:"payments,list"`
}

// Every value can be read back, by the library's own reader of structs.
func TestValues(t *testing.T) {
	rows := extremes()
	for _, statistics := range []bool{true, false} {
		for _, compression := range []string{"zstd", "lz4", "snappy", "none"} {
			path := fileOf(t, func(l *loader) { l.Compression, l.Statistics = compression, statistics }, rows...)
			got, err := parquet.ReadFile[wide](path)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(rows) {
				t.Fatalf("%d rows, want %d", len(got), len(rows))
			}
			for i, row := range rows {
				if diff := cmp.Diff(shown(row), fmt.Sprintf("%+v", plain(got[i]))); diff != "" {
					t.Errorf("%s, row %d (-want +got):\n%s", compression, i, diff)
				}
			}
		}
	}
}

// shown is a row in the words of plain.
func shown(r everything) string {
	var out wide
	out.BlockNumber, out.Bool, out.Int8, out.Int16, out.Int32, out.Int64 = r.BlockNumber, r.Bool, r.Int8, r.Int16, r.Int32, r.Int64
	out.Uint8, out.Uint16, out.Uint32, out.Uint64, out.Float32, out.Float64 = r.Uint8, r.Uint16, r.Uint32, r.Uint64, r.Float32, r.Float64
	out.String, out.Bytes, out.Fixed, out.Address, out.Hash = r.String, r.Bytes, r.Fixed, r.Address, r.Hash
	out.Amount, out.Signed, out.Time, out.Note, out.To = r.Amount.Dec(), r.Signed.String(), r.Time.UnixMicro(), r.Note, (*[20]byte)(r.To)
	if r.Time.IsZero() {
		out.Time = math.MinInt64/1000 - 1
	}
	if r.Maybe != nil {
		out.Maybe = new(r.Maybe.Dec())
	}
	for _, h := range r.Hashes {
		out.Hashes = append(out.Hashes, h[:])
	}
	for _, p := range r.Payments {
		q := struct {
			Index  uint64   `parquet:"index"`
			To     [20]byte `parquet:"to"`
			Amount string   `parquet:"amount"`
			Keys   [][]byte `parquet:"keys,list"`
		}{Index: p.Index, To: p.To, Amount: p.Amount.Dec()}
		for _, k := range p.Keys {
			q.Keys = append(q.Keys, k[:])
		}
		out.Payments = append(out.Payments, q)
	}
	return fmt.Sprintf("%+v", plain(out))
}

// plain is a row without pointers.
func plain(r wide) any {
	show := func(s *string) string {
		if s == nil {
			return "null"
		}
		return "is " + *s
	}
	to := "null"
	if r.To != nil {
		to = fmt.Sprintf("%x", *r.To)
	}
	note, maybe := show(r.Note), show(r.Maybe)
	r.Note, r.Maybe, r.To = nil, nil, nil
	return struct {
		Row             wide
		Note, Maybe, To string
	}{r, note, maybe, to}
}

func TestLargeIntegersInSeveralColumns(t *testing.T) {
	rows := extremes()
	path := fileOf(t, func(l *loader) {
		l.U256 = []string{asBinary, asString, asFloat, asDecimal}
		l.U256Of = map[string][]string{"maybe": {asFloat}}
	}, rows...)
	show := func(column string) string {
		var all []string
		for _, v := range columnOf(t, path, column) {
			switch {
			case v.IsNull():
				all = append(all, "null")
			case v.Kind() == parquet.Double:
				all = append(all, fmt.Sprint(v.Double()))
			case strings.HasSuffix(column, "_string"):
				all = append(all, string(v.ByteArray()))
			default:
				all = append(all, strings.TrimLeft(fmt.Sprintf("%x", v.ByteArray()), "0"))
			}
		}
		return strings.Join(all, " ")
	}
	most := new(uint256.Int).SetAllOne().Dec()
	for column, want := range map[string]string{
		"amount_string": "0 " + most + " 12345678901234567890",
		"amount_binary": " " + strings.Repeat("f", 64) + " ab54a98ceb1f0ad2",
		"amount_f64":    "0 1.157920892373162e+77 1.2345678901234567e+19",
		"amount_d128":   " null ab54a98ceb1f0ad2", // too large to be one
		"signed_string": "0 -" + new(big.Int).Lsh(big.NewInt(1), 300).String() + " -5",
		"signed_f64":    "0 -2.037035976334486e+90 -5",
		"signed_d128":   " null " + strings.Repeat("f", 31) + "b",
		"maybe":         "null 1.157920892373162e+77 null",
	} {
		if got := show(column); got != want {
			t.Errorf("%s: got %q, want %q", column, got, want)
		}
	}
}

// A decimal alone has nowhere else to go.
func TestDecimalsThatDoNotFitAreRefused(t *testing.T) {
	l := loaderIn(t.TempDir())
	l.U256 = []string{asDecimal}
	started(t, l, startOf[everything](t, 1, 0))
	load(t, l, 0, everything{BlockNumber: 1, Amount: *uint256.NewInt(5)})
	err := l.Load(t.Context(), 0, plugintest.Batch(t, everything{BlockNumber: 2}, everything{BlockNumber: 3, Amount: *new(uint256.Int).SetAllOne()}))
	says(t, err, "column amount", "row 1", "38 digits", `u256_of = { "amount" = ["string", "decimal"] }`)
}

func TestBytesAsText(t *testing.T) {
	rows := extremes()
	path := fileOf(t, func(l *loader) { l.Bytes, l.Times = "hex", "ns" }, rows...)
	if got, want := texts(t, path, "address")[1], "0x"+fmt.Sprintf("%x", rows[1].Address); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := texts(t, path, "bytes")[1], "0x00ff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := columnOf(t, path, "time")[1].Int64(), rows[1].Time.UnixNano(); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestSomeColumns(t *testing.T) {
	for _, change := range []func(l *loader){
		func(l *loader) { l.Columns = []string{"block_number", "amount", "hash"} },
		func(l *loader) {
			for _, c := range plugintest.Batch(t, everything{}).Type.Columns() {
				if c.Name != "block_number" && c.Name != "amount" && c.Name != "hash" {
					l.Exclude = append(l.Exclude, c.Name)
				}
			}
		},
	} {
		path := fileOf(t, change, extremes()...)
		if got, want := names(t, path), "block_number hash amount"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// names are the columns of a file.
func names(tb testing.TB, path string) string {
	tb.Helper()
	var all []string
	for _, c := range opened(tb, path).Schema().Fields() {
		all = append(all, c.Name())
	}
	return strings.Join(all, " ")
}

// What readers skip rows by.
func TestStatisticsFiltersAndOrder(t *testing.T) {
	var rows []everything
	for n := range uint64(350) {
		rows = append(rows, everything{BlockNumber: n / 10, Uint64: n % 10, Address: common.Address{byte(n % 3)}})
	}
	path := fileOf(t, func(l *loader) { l.Bloom, l.SortedBy = []string{"address", "amount"}, []string{"uint64"} }, rows...)
	f := opened(t, path)
	if n := len(f.RowGroups()); n != 4 {
		t.Errorf("%d row groups, want 4", n)
	}
	leaf, _ := f.Schema().Lookup("address")
	first := int64(0)
	for i, g := range f.RowGroups() {
		var order []string
		for _, s := range g.SortingColumns() {
			order = append(order, strings.Join(s.Path(), "."))
		}
		if got := strings.Join(order, " "); got != "block_number uint64" {
			t.Errorf("row group %d is sorted by %q", i, got)
		}
		filter := g.ColumnChunks()[leaf.ColumnIndex].BloomFilter()
		for value, want := range map[byte]bool{0: true, 1: true, 2: true, 77: false} {
			address := common.Address{value}
			if ok, err := filter.Check(parquet.FixedLenByteArrayValue(address[:])); err != nil || ok != want {
				t.Errorf("row group %d, address %d: got %t, %v, want %t", i, value, ok, err, want)
			}
		}
		block, _ := f.Schema().Lookup("block_number")
		index, err := g.ColumnChunks()[block.ColumnIndex].ColumnIndex()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := index.MinValue(0).Int64(), int64(rows[first].BlockNumber); got != want {
			t.Errorf("row group %d begins with block %d, want %d", i, got, want)
		}
		first += g.NumRows()
	}
}

func TestRowsThatAreNotSorted(t *testing.T) {
	l := loaderIn(t.TempDir())
	l.SortedBy = []string{"uint64"}
	started(t, l, startOf[everything](t, 1, 0))
	load(t, l, 0, everything{BlockNumber: 1, Uint64: 5}, everything{BlockNumber: 2, Uint64: 3})
	err := l.Load(t.Context(), 0, plugintest.Batch(t, everything{BlockNumber: 2, Uint64: 2}))
	says(t, err, "not sorted by uint64", "2 comes after 3", "sorted_by")
	err = l.Load(t.Context(), 0, plugintest.Batch(t, everything{BlockNumber: 1, Uint64: 9}))
	says(t, err, "go back from block 2 to block 1", `block_column = ""`)
}
