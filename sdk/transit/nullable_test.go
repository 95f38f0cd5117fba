package transit_test

import (
	"testing"
	"unsafe"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/transit"
)

// maybeRow has a nullable column of each kind that is written straight from behind its pointer.
type maybeRow struct {
	Tiny    *uint8
	Short   *int16
	Half    *float32
	Long    *uint64
	Address *common.Address
	Hash    *common.Hash
	Word    *uint256.Int
	After   uint64 // shows if anything before is as long as it says
	Nested  *struct {
		Hash *common.Hash
		Long *uint64
	}
}

func (maybeRow) TransitType() string { return "test.maybe" }

// someMaybe makes rows of which there says what is not null.
func someMaybe(n int, there func(row, column int) bool) []maybeRow {
	rows := make([]maybeRow, n)
	for i := range rows {
		tiny, short, half, long := uint8(i+1), int16(-i-1), float32(i)+0.5, uint64(i)<<40+1
		address, hash := common.Address{byte(i), 19: 1}, common.Hash{byte(i), 31: 1}
		rows[i].After = uint64(i)
		for column, set := range []func(){
			func() { rows[i].Tiny = &tiny }, func() { rows[i].Short = &short }, func() { rows[i].Half = &half }, func() { rows[i].Long = &long },
			func() { rows[i].Address = &address }, func() { rows[i].Hash = &hash },
			func() { rows[i].Word = &uint256.Int{uint64(i), 2, 3, uint64(i) << 50} },
			func() {
				rows[i].Nested = &struct {
					Hash *common.Hash
					Long *uint64
				}{Hash: rows[i].Hash, Long: rows[i].Long}
			},
		} {
			if there(i, column) {
				set()
			}
		}
	}
	return rows
}

// Numbers of rows on both sides of a byte of the validity bitmap and of its padding, with no nulls, with some, and with nothing else.
func TestNullableColumns(t *testing.T) {
	patterns := map[string]func(row, column int) bool{
		"all":   func(int, int) bool { return true },
		"none":  func(int, int) bool { return false },
		"some":  func(row, column int) bool { return (row*7+column*3)%5 < 3 },
		"last":  func(row, _ int) bool { return row%8 == 7 },
		"first": func(row, _ int) bool { return row == 0 },
	}
	e := must(transit.NewEncoder[maybeRow]())(t)
	d := must(transit.NewDecoder[maybeRow](e.Type()))(t)
	for name, there := range patterns {
		for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 257} {
			rows := someMaybe(n, there)
			dirty := make([]byte, 0, 64<<10)
			for i := range dirty[:cap(dirty)] { // what was in the buffer before must not come out
				dirty[:cap(dirty)][i] = 0xff
			}
			message := must(e.Append(dirty, rows))(t)
			got := must(d.Append(nil, message))(t)
			if diff := cmp.Diff(rows, got); diff != "" {
				t.Fatalf("%s of %d rows (-sent +read):\n%s", name, n, diff)
			}
		}
	}
}

// Whatever is null, other readers of the format find the same values.
func TestNullableColumnsAsBatch(t *testing.T) {
	e := must(transit.NewEncoder[maybeRow]())(t)
	rows := someMaybe(21, func(row, column int) bool { return column%2 == 0 || row%3 == 0 })
	batch := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, rows))(t)))(t)
	for i, row := range rows {
		for column, there := range []bool{row.Tiny != nil, row.Short != nil, row.Half != nil, row.Long != nil, row.Address != nil, row.Hash != nil, row.Word != nil} {
			if got := batch.Record.Column(column).IsValid(i); got != there {
				t.Errorf("row %d, column %d: valid is %t", i, column, got)
			}
		}
		if row.Hash != nil && batch.Text(5, i) != row.Hash.Hex() {
			t.Errorf("row %d has the hash %s, want %s", i, batch.Text(5, i), row.Hash)
		}
	}
}

// Hashes behind pointers are parts of the body, so that reading them costs no memory.
func TestHashesBehindPointersAreInTheBody(t *testing.T) {
	e := must(transit.NewEncoder[maybeRow]())(t)
	d := must(transit.NewDecoder[maybeRow](e.Type()))(t)
	body := must(e.Append(nil, someMaybe(9, func(int, int) bool { return true })))(t)
	rows := must(d.Append(nil, body))(t)
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(body)))
	for i := range rows {
		for _, at := range []uintptr{uintptr(unsafe.Pointer(rows[i].Hash)), uintptr(unsafe.Pointer(rows[i].Address))} {
			if at < begin || at >= begin+uintptr(len(body)) {
				t.Errorf("row %d: a byte array lies outside the body", i)
			}
		}
	}
}
