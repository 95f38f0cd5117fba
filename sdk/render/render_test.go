package render_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// everything has a column of every type.
type everything struct {
	Bool    bool
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Float32 float32
	Float64 float64
	String  string
	Bytes   []byte
	Fixed   [3]byte
	Address common.Address
	Hash    common.Hash
	Uint256 uint256.Int
	Bigint  big.Int
	Time    time.Time
	Null    *uint64
	Note    *string
	Hashes  []common.Hash
	Nested  struct {
		Amount uint256.Int
		Text   string
	}
}

func (everything) TransitType() string { return "test.everything" }

// extremes are the values that numbers have to be exact at.
func extremes() []everything {
	word := func(n uint64) uint256.Int { return *uint256.NewInt(n) }
	power := func(n int) uint256.Int {
		return *new(uint256.Int).Exp(uint256.NewInt(10), uint256.NewInt(uint64(n)))
	}
	rows := []everything{
		{},
		{
			Bool: true, Int8: math.MinInt8, Int16: math.MinInt16, Int32: math.MinInt32, Int64: math.MinInt64,
			Uint8: math.MaxUint8, Uint16: math.MaxUint16, Uint32: math.MaxUint32, Uint64: math.MaxUint64,
			Float32: 0.1, Float64: 1e300, Uint256: *new(uint256.Int).SetAllOne(), Time: time.Unix(1_700_000_000, 5).UTC(),
		},
		{Float32: float32(math.Inf(-1)), Float64: math.NaN(), Time: time.Unix(1_700_000_000, 0).UTC()},
		{Uint256: word(math.MaxUint64), Uint64: 1 << 53},
	}
	rows[1].Bigint.Neg(new(big.Int).Lsh(big.NewInt(1), 300))
	for n := range 78 {
		rows = append(rows, everything{Uint256: power(n)})
		less := power(n)
		rows = append(rows, everything{Uint256: *less.Sub(&less, uint256.NewInt(1))})
	}
	return rows
}

var words = []string{
	"", "plain", `a "quoted" <b> & \`, "a\nb\tc\x00", "\x1b[2J", "\u202eleft", "ä€😀", "\u2028", "tag\U000e0041", "del\x7f", "soft\u00adhyphen",
}

func random(r *rand.Rand) everything {
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	row := everything{
		Bool: r.IntN(2) == 0, Int8: int8(r.Uint32()), Int16: int16(r.Uint32()), Int32: int32(r.Uint32()), Int64: int64(r.Uint64()),
		Uint8: uint8(r.Uint32()), Uint16: uint16(r.Uint32()), Uint32: r.Uint32(), Uint64: r.Uint64(),
		Float32: math.Float32frombits(r.Uint32()), Float64: math.Float64frombits(r.Uint64()),
		String: words[r.IntN(len(words))], Bytes: bytesOf(r.IntN(40)), Fixed: [3]byte(bytesOf(3)),
		Address: common.Address{byte(r.IntN(3))}, Hash: common.Hash(bytesOf(32)),
		Time: time.Unix(int64(r.Uint32()), int64(r.IntN(2))).UTC(),
	}
	row.Uint256.SetBytes(bytesOf(r.IntN(33)))
	row.Bigint.SetBytes(bytesOf(r.IntN(50)))
	if r.IntN(2) == 0 {
		row.Null, row.Note = &row.Uint64, &row.String
	}
	for range r.IntN(3) {
		row.Hashes = append(row.Hashes, common.Hash(bytesOf(32)))
	}
	row.Nested.Amount, row.Nested.Text = row.Uint256, words[r.IntN(len(words))]
	return row
}

func someRows() []everything {
	r := rand.New(rand.NewPCG(1, 2))
	rows := extremes()
	for range 500 {
		rows = append(rows, random(r))
	}
	return rows
}

// Every value is written as transit shows it.
func TestTextIsThatOfTransit(t *testing.T) {
	batch := plugintest.Batch(t, someRows()...)
	layout := render.New(batch.Type)
	for row := range int(batch.Record.NumRows()) {
		for i, name := range layout.Names() {
			text, null := layout.AppendText([]byte("before "), batch, i, row)
			if got, want := string(text), "before "+batch.Text(i, row); got != want || null != (batch.Value(i, row) == nil) {
				t.Fatalf("row %d, %s: got %q (null: %t), want %q", row, name, got, null, want)
			}
		}
	}
}

// Bare are only values that JSON has a form for; the rest is the text in quotes.
func TestMembersAreJSON(t *testing.T) {
	batch := plugintest.Batch(t, someRows()...)
	layout := render.New(batch.Type)
	for row := range int(batch.Record.NumRows()) {
		line := append(layout.AppendMembers([]byte("{"), batch, row), '}')
		var got map[string]json.RawMessage
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if len(got) != len(layout.Names()) {
			t.Fatalf("%d members, want %d: %s", len(got), len(layout.Names()), line)
		}
		for i, name := range layout.Names() {
			if want := plainly(t, batch, i, row); !sameJSON(t, got[name], want) {
				t.Fatalf("row %d, %s: got %s, want %s", row, name, got[name], want)
			}
		}
	}
}

// plainly is a value in JSON, without regard to cost and characters.
func plainly(t *testing.T, batch transit.Batch, i, row int) []byte {
	t.Helper()
	text := batch.Text(i, row)
	switch v := batch.Value(i, row).(type) {
	case nil:
		return []byte("null")
	case bool, int64, uint64, []any, map[string]any:
		return []byte(text)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return []byte(text)
		}
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return quoted
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	read := func(raw []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return v
	}
	return cmp.Equal(read(a), read(b))
}

func TestSomeColumnsInTheOrderGiven(t *testing.T) {
	batch := plugintest.Batch(t, everything{Uint64: 7, Bool: true})
	layout := render.New(batch.Type, 8, 0)
	if got, want := string(layout.AppendMembers(nil, batch, 0)), `"uint64":7,"bool":true`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAddressesBeyondThoseRemembered(t *testing.T) {
	rows := make([]everything, 1<<14+10)
	for i := range rows {
		rows[i].Address = common.BigToAddress(big.NewInt(int64(i)))
	}
	rows = append(rows, rows[0])
	batch := plugintest.Batch(t, rows...)
	layout := render.New(batch.Type, 14)
	for row := range rows {
		text, _ := layout.AppendText(nil, batch, 0, row)
		if got, want := string(text), rows[row].Address.Hex(); got != want {
			t.Fatalf("row %d: got %s, want %s", row, got, want)
		}
	}
}

func FuzzStringsAreHarmlessAndReadBack(f *testing.F) {
	for _, s := range append(words, "bad\xff\xfeutf8\xc3", "\u009b31m", "private\ue000\U0010ffff") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := render.AppendString(nil, s)
		for _, r := range string(quoted) {
			if r < 0x20 || 0x7f <= r && r < 0xa0 || r == 0xad || 0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e || r >= 0xe0000 {
				t.Fatalf("%U in %q", r, quoted)
			}
		}
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%v: %s", err, quoted)
		}
		if want := strings.Map(func(r rune) rune { return r }, s); back != want {
			t.Errorf("read back %q, want %q", back, want)
		}
	})
}

func BenchmarkMembers(b *testing.B) {
	rows := make([]swap, 1000)
	for i := range rows {
		rows[i] = swap{BlockNumber: uint64(i / 100), Pair: common.Address{byte(i)}, Amount: *uint256.NewInt(uint64(i) << 40)}
	}
	batch := plugintest.Batch(b, rows...)
	layout := render.New(batch.Type)
	var line []byte
	for b.Loop() {
		for row := range rows {
			line = layout.AppendMembers(line[:0], batch, row)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(rows))/b.Elapsed().Seconds(), "rows/s")
}

type swap struct {
	BlockNumber uint64
	Pair        common.Address
	Amount      uint256.Int
}

func (swap) TransitType() string { return "dex.swap" }

// A loader that takes rows of any type has them as a batch.
func ExampleLayout() {
	row := swap{BlockNumber: 7, Pair: common.Address{19: 1}, Amount: *new(uint256.Int).SetAllOne()}
	encoder, err := transit.NewEncoder[swap]()
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := encoder.Append(nil, []swap{row})
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, err := transit.DecodeBatch(encoder.Type(), body)
	if err != nil {
		fmt.Println(err)
		return
	}

	layout := render.New(batch.Type)
	fmt.Printf("{%s}\n", layout.AppendMembers(nil, batch, 0))
	for i, name := range layout.Names() {
		text, _ := layout.AppendText(nil, batch, i, 0)
		fmt.Printf("%s is %s\n", name, text)
	}
	fmt.Printf("%s\n", render.AppendString(nil, "a \"quoted\"\x1b text"))
	// Output:
	// {"block_number":7,"pair":"0x0000000000000000000000000000000000000001","amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935"}
	// block_number is 7
	// pair is 0x0000000000000000000000000000000000000001
	// amount is 115792089237316195423570985008687907853269984665640564039457584007913129639935
	// "a \"quoted\"\u001b text"
}
