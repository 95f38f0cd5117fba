package transit_test

import (
	"bytes"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/transit"
)

// rawBytes is what stands in a binary column.
func rawBytes(b transit.Batch, col, row int) []byte {
	return b.Record.Column(col).(*array.Binary).Value(row)
}

func goldenBatch(t *testing.T) transit.Batch {
	t.Helper()
	e := must(transit.NewEncoder[goldenRow]())(t)
	return must(transit.DecodeBatch(e.Type(), must(e.Append(nil, goldenRows()))(t)))(t)
}

func TestTextIsWhatPeopleExpect(t *testing.T) {
	b := goldenBatch(t)
	want := [][2]string{
		{"19000000", "0"},
		{"0xdAC17F958D2ee523a2206206994597C13D831ec7", "0x0000000000000000000000000000000000000000"},
		{"0x0000000000000000000000000000000000000000000000000000000000000007", "0x0000000000000000000000000000000000000000000000000000000000000000"},
		{"1000000000000000000000", "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
		{"-129", ""},
		{"2024-02-29T12:30:00.000000005Z", "0001-01-01T00:00:00Z"},
		{"0x010203", "0x"},
		{"café", ""},
		{`["0x0100000000000000000000000000000000000000000000000000000000000000","0x0200000000000000000000000000000000000000000000000000000000000000"]`, "[]"},
		{`[{"token":"0x0900000000000000000000000000000000000000","fee":3000},{"token":"0x0000000000000000000000000000000000000000","fee":null}]`, "[]"},
		{"0xa9059cbb", "0x00000000"},
		{"0.5", "0"},
		{"true", "false"},
	}
	for col, rows := range want {
		for row, text := range rows {
			if got := b.Text(col, row); got != text {
				t.Errorf("%s of row %d: got %s, want %s", b.Record.ColumnName(col), row, got, text)
			}
		}
	}
}

func TestValueIsWhatGoKnows(t *testing.T) {
	b := goldenBatch(t)
	value, _ := new(big.Int).SetString("1000000000000000000000", 10)
	want := []any{
		uint64(19_000_000), common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7"),
		common.Hash{31: 7},
		value, big.NewInt(-129),
		time.Date(2024, 2, 29, 12, 30, 0, 5, time.UTC),
		[]byte{1, 2, 3},
		"café",
		[]any{common.Hash{1}, common.Hash{2}},
		[]any{map[string]any{"token": common.Address{9}, "fee": uint64(3000)}, map[string]any{"token": common.Address{}, "fee": nil}},
		[]byte{0xa9, 0x05, 0x9c, 0xbb},
		0.5, true,
	}
	for col, v := range want {
		if diff := cmp.Diff(v, b.Value(col, 0), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b.Record.ColumnName(col), diff)
		}
	}
	if got := b.Value(4, 1); got != nil {
		t.Errorf("a nil *big.Int arrives as %v, want nil", got)
	}
}

type plainRow struct {
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Float32 float32
	Floats  []float64
	Texts   []string
	Bigs    []*big.Int
}

func (plainRow) TransitType() string { return "test.plain" }

func TestNumbersAndTextInBatches(t *testing.T) {
	e := must(transit.NewEncoder[plainRow]())(t)
	row := plainRow{
		-1, -2, -3, math.MinInt64, 1, 2, 3, math.MaxUint64, 0.1,
		[]float64{1.5, math.NaN(), math.Inf(-1)},
		[]string{`a"b`, "<&>\n"},
		[]*big.Int{big.NewInt(7), nil},
	}
	b := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, []plainRow{row}))(t)))(t)
	texts := []string{"-1", "-2", "-3", "-9223372036854775808", "1", "2", "3", "18446744073709551615", "0.1", `[1.5,"NaN","-Inf"]`, `["a\"b","<&>\n"]`, `["7",null]`}
	values := []any{int64(-1), int64(-2), int64(-3), int64(math.MinInt64), uint64(1), uint64(2), uint64(3), uint64(math.MaxUint64), float64(float32(0.1))}
	for col, want := range texts {
		if got := b.Text(col, 0); got != want {
			t.Errorf("%s: got %s, want %s", b.Record.ColumnName(col), got, want)
		}
	}
	for col, want := range values {
		if got := b.Value(col, 0); got != want {
			t.Errorf("%s: got %v (%T), want %v", b.Record.ColumnName(col), got, got, want)
		}
	}
}

func TestBatchesAtAnyAddress(t *testing.T) {
	e := must(transit.NewEncoder[goldenRow]())(t)
	message := must(e.Append(nil, goldenRows()))(t)
	for shift := range 8 {
		moved := append(bytes.Repeat([]byte{0}, shift), message...)[shift:]
		b := must(transit.DecodeBatch(e.Type(), moved))(t)
		if !array.RecordEqual(goldenBatch(t).Record, b.Record) {
			t.Errorf("moved by %d bytes the batch is another", shift)
		}
	}
}

func TestBatchOfNoRows(t *testing.T) {
	e := must(transit.NewEncoder[allRow]())(t)
	b := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, nil))(t)))(t)
	if b.Record.NumRows() != 0 || int(b.Record.NumCols()) != e.Type().Schema.NumFields() {
		t.Errorf("got %d rows of %d columns", b.Record.NumRows(), b.Record.NumCols())
	}
}
