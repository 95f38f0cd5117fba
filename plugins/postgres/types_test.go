package main

import (
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

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// everything has each kind of column.
type everything struct {
	BlockNumber uint64
	Nonce       uint64
	Offset      int64
	Tiny        int8
	Small       uint8
	Short       int16
	Port        uint16
	Middle      int32
	Wide        uint32
	Removed     bool
	Price       float64
	Ratio       float32
	Symbol      string
	Pair        common.Address
	TxHash      common.Hash
	Value       uint256.Int
	Delta       *big.Int
	At          time.Time
	Data        []byte
	Selector    [4]byte
	Topics      []common.Hash
	Amounts     []uint256.Int
	Counts      []uint64
	Ratios      []float32
	Names       []string
	Maybe       []*int16
	Times       []time.Time
	Deltas      []*big.Int
	Flags       []bool
	Fee         struct {
		Bips  uint16
		Ratio float32
		Rate  float64
		To    common.Address
	}
	Legs   []leg
	Status *uint64
	Note   *string
	To     *common.Address `transit:"to_address"`
	Select string          // a reserved word
	Upper  string          `transit:"Upper_Case"`
}

type leg struct {
	Amount uint256.Int
	Path   []string
	At     time.Time
}

func (everything) TransitType() string { return "test.everything" }

// everyKind are the ends of what values can be.
func everyKind() []everything {
	status, to, note := uint64(1), common.HexToAddress("0xdac17f958d2ee523a2206206994597c13d831ec7"), ""
	seven := int16(-7)
	full := everything{
		BlockNumber: 19_000_000, Nonce: math.MaxUint64, Offset: math.MinInt64, Tiny: -128, Small: 255, Short: -32768, Port: 65535,
		Middle: math.MinInt32, Wide: math.MaxUint32, Removed: true, Price: 0.1, Ratio: 0.1, Symbol: "it's \"ETH\"\\ é😀\n",
		Pair: to, TxHash: common.Hash{31: 7}, Value: *new(uint256.Int).SetAllOne(), Delta: new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 3000)),
		At:   time.Date(2024, 2, 29, 12, 30, 0, 123456000, time.UTC),
		Data: []byte{1, 2, 3}, Selector: [4]byte{0xa9, 0x05, 0x9c, 0xbb}, Topics: []common.Hash{{1}, {31: 2}}, Amounts: []uint256.Int{*uint256.NewInt(10_000), {}},
		Counts: []uint64{math.MaxUint64, 0}, Ratios: []float32{0.5, float32(math.Inf(1))}, Names: []string{"", `a "b" {c}, NULL`}, Maybe: []*int16{nil, &seven},
		Times: []time.Time{time.Unix(-5, 0).UTC()}, Deltas: []*big.Int{big.NewInt(-1), nil}, Flags: []bool{true, false}, Status: &status, To: &to, Note: &note,
		Select: "from", Upper: "U",
	}
	full.Fee.Bips, full.Fee.Ratio, full.Fee.Rate, full.Fee.To = 30, 0.1, 1e300, to
	full.Legs = []leg{{Amount: *uint256.NewInt(5), Path: []string{"x\\u0000y", "\u2028"}, At: full.At}}
	empty := everything{Nonce: math.MaxInt64, Price: math.NaN(), Ratio: float32(math.Inf(-1)), At: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)}
	return []everything{full, empty}
}

func randomRow(r *rand.Rand, block uint64) everything {
	row := everyKind()[r.IntN(2)]
	some := func(n int) []byte {
		b := make([]byte, r.IntN(n+1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	row.BlockNumber, row.Nonce, row.Offset, row.Wide = block, r.Uint64(), int64(r.Uint64()), r.Uint32()
	row.Price, row.Ratio = math.Float64frombits(r.Uint64()), math.Float32frombits(r.Uint32())
	row.Value.SetBytes(some(32))
	row.Delta = new(big.Int).SetBytes(some(60))
	if r.IntN(2) == 0 {
		row.Delta.Neg(row.Delta)
	}
	row.At = time.UnixMicro(int64(r.Uint64()) >> 12).UTC()
	row.Data = some(50)
	for range r.IntN(4) {
		row.Counts = append(row.Counts, r.Uint64()>>r.IntN(64))
		row.Amounts = append(row.Amounts, *new(uint256.Int).SetBytes(some(32)))
	}
	return row
}

// variants are ways to keep rows.
var variants = map[string]func(s *settings){
	"as it comes": nil,
	"hex":         func(s *settings) { s.Bytes = "hex" },
	"jsonb":       func(s *settings) { s.Lists = "jsonb" },
	"other types": func(s *settings) {
		s.Types = map[string]string{
			"at": "int8", "value": "text", "delta": "text", "offset": "numeric", "tiny": "bigint", "wide": "numeric", "ratio": "float8", "pair": "text",
			"fee": "text", "topics": "text[]", "legs": "text", "times": "bigint[]", "counts": "jsonb", "amounts": "numeric[]", "port": "int4",
		}
	},
}

// What stands in the database is what was loaded: the digests of both are the same, for rows of every kind, at both ends and at random.
func TestEveryValueComesThrough(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rows := everyKind()
	for n := range 600 {
		rows = append(rows, randomRow(random, uint64(n)))
	}
	batch := plugintest.Batch(t, rows...)
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			dsn := newDatabase(t)
			start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "Every \"Thing\"", "input")}}
			l := started(t, with(dsn, change), start)
			if err := l.Load(t.Context(), 0, batch); err != nil {
				t.Fatal(err)
			}
			mark(t, l, 1)
			asked := []digest.Range{{From: 0, To: 9}, {From: 10, To: 299}, {From: 300, To: math.MaxUint64}, {From: 1 << 63, To: math.MaxUint64}}
			q := digest.Query{Type: start.Inputs[0].Type, Column: "block_number", Ranges: asked}
			got, err := (&loader{settings: with(dsn, change)}).Digest(t.Context(), start, q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(expected(batch, asked), got); diff != "" {
				t.Errorf("(-loaded +kept):\n%s", diff)
			}
		})
	}
}

func TestDigestsThatCannotBe(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	ask := func(q digest.Query) error {
		_, err := (&loader{settings: with(dsn, nil)}).Digest(t.Context(), start, q)
		return err
	}
	says(t, ask(digest.Query{Column: "block_number"}), "is not there", "run the pipeline first")
	says(t, ask(digest.Query{Column: "height"}), "have no column height")
	says(t, ask(digest.Query{Column: "block_number", Input: 1}), "no input 1")
}

// expected are the digests of what was loaded.
func expected(batch transit.Batch, ranges []digest.Range) []digest.Range {
	var out []digest.Range
	for _, r := range ranges {
		for row := range int(batch.Record.NumRows()) {
			if block := batch.Value(0, row).(uint64); block < r.From || block > r.To {
				continue
			}
			var d digest.Row
			for col := range batch.Type.Columns() {
				d.Value(batch.Value(col, row))
			}
			r.Rows++
			r.Sum.Add(d.Digest())
		}
		out = append(out, r)
	}
	return out
}

// kept is what stands in the row, as PostgreSQL shows it.
func kept(t *testing.T, dsn string, row int) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, c := range plugintest.WireFrom[everything](t, "all", "input").Type.Columns() {
		got[c.Name] = query(t, dsn, fmt.Sprintf(`SET TIME ZONE 'UTC'; SELECT %s::text FROM "all" WHERE penstock_row = %d`, quote(c.Name), row))
	}
	return got
}

func loadEverything(t *testing.T, change func(s *settings)) string {
	t.Helper()
	dsn := newDatabase(t)
	l := started(t, with(dsn, change), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}})
	load(t, l, 0, everyKind()...)
	mark(t, l, 0)
	closed(t, l)
	return dsn
}

func TestValuesAreKeptAsDocumented(t *testing.T) {
	dsn := loadEverything(t, nil)
	want := map[string]string{
		"block_number": "19000000", "nonce": "18446744073709551615", "offset": "-9223372036854775808", "tiny": "-128", "small": "255",
		"short": "-32768", "port": "65535", "middle": "-2147483648", "wide": "4294967295", "removed": "true", "price": "0.1", "ratio": "0.1",
		"symbol":   "it's \"ETH\"\\ é😀\n",
		"pair":     `\xdac17f958d2ee523a2206206994597c13d831ec7`,
		"tx_hash":  `\x0000000000000000000000000000000000000000000000000000000000000007`,
		"value":    "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		"delta":    new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 3000)).String(),
		"at":       "2024-02-29 12:30:00.123456+00",
		"data":     `\x010203`,
		"selector": `\xa9059cbb`,
		"topics":   `{"\\x01` + strings.Repeat("00", 31) + `","\\x` + strings.Repeat("00", 31) + `02"}`,
		"amounts":  "{10000,0}", "counts": "{18446744073709551615,0}", "ratios": "{0.5,Infinity}", "names": `{"","a \"b\" {c}, NULL"}`, "maybe": "{NULL,-7}",
		"times": `{"1969-12-31 23:59:55+00"}`, "deltas": "{-1,NULL}", "flags": "{t,f}",
		"fee":    `{"to": "0xdAC17F958D2ee523a2206206994597C13D831ec7", "bips": 30, "rate": 1` + strings.Repeat("0", 300) + `, "ratio": 0.1}`,
		"legs":   `[{"at": "2024-02-29T12:30:00.123456Z", "path": ["x\\u0000y", "` + "\u2028" + `"], "amount": "5"}]`,
		"status": "1", "note": "", "to_address": `\xdac17f958d2ee523a2206206994597c13d831ec7`, "select": "from", "Upper_Case": "U",
	}
	if diff := cmp.Diff(want, kept(t, dsn, 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty := kept(t, dsn, 2)
	for name, want := range map[string]string{
		"nonce": "9223372036854775807", "price": "NaN", "ratio": "-Infinity", "value": "0", "delta": "NULL", "topics": "{}", "data": `\x`, "at": "1970-01-01 00:00:00+00",
		"legs": "[]", "status": "NULL", "note": "NULL",
	} {
		if empty[name] != want {
			t.Errorf("%s: got %q, want %q", name, empty[name], want)
		}
	}
}

func TestTableIsDeclaredAsDocumented(t *testing.T) {
	dsn := loadEverything(t, func(s *settings) { s.Bytes = "hex" })
	got := query(t, dsn, `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, E'\n' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = '"all"'::regclass AND attnum > 0`)
	want := `penstock_row bigint NOT NULL
block_number bigint NOT NULL
nonce numeric(20,0) NOT NULL
offset bigint NOT NULL
tiny smallint NOT NULL
small smallint NOT NULL
short smallint NOT NULL
port integer NOT NULL
middle integer NOT NULL
wide bigint NOT NULL
removed boolean NOT NULL
price double precision NOT NULL
ratio real NOT NULL
symbol text NOT NULL
pair text NOT NULL
tx_hash text NOT NULL
value numeric(78,0) NOT NULL
delta numeric
at timestamp with time zone NOT NULL
data text NOT NULL
selector text NOT NULL
topics text[] NOT NULL
amounts numeric(78,0)[] NOT NULL
counts numeric(20,0)[] NOT NULL
ratios real[] NOT NULL
names text[] NOT NULL
maybe smallint[] NOT NULL
times timestamp with time zone[] NOT NULL
deltas numeric[] NOT NULL
flags boolean[] NOT NULL
fee jsonb NOT NULL
legs jsonb NOT NULL
status numeric(20,0)
note text
to_address text
select text NOT NULL
Upper_Case text NOT NULL`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := query(t, dsn, `SELECT indexdef FROM pg_indexes WHERE tablename = 'all' ORDER BY indexname`),
		`CREATE INDEX all_block_number_idx ON public."all" USING btree (block_number)
CREATE UNIQUE INDEX all_pkey ON public."all" USING btree (penstock_row)`; got != want {
		t.Errorf("indexes: got %s, want %s", got, want)
	}
	if got := kept(t, dsn, 1)["pair"]; got != "0xdac17f958d2ee523a2206206994597c13d831ec7" {
		t.Errorf("an address is kept as %s, want lower case", got)
	}
}

// Anybody may put anything into the name of a token.
func TestTextThatPostgreSQLCannotHold(t *testing.T) {
	bad := func(change func(e *everything)) everything {
		e := everyKind()[1]
		change(&e)
		return e
	}
	rows := []everything{
		everyKind()[1],
		bad(func(e *everything) { e.Symbol = "zero\x00" }),
		bad(func(e *everything) { e.Names = []string{"x", "\x00"} }),
		bad(func(e *everything) { e.Legs = []leg{{Path: []string{`\`, "\\\x00"}}} }),
		everyKind()[0],
	}
	run := func(change func(s *settings)) string {
		dsn := newDatabase(t)
		l := started(t, with(dsn, change), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}})
		load(t, l, 0, rows...)
		mark(t, l, 0)
		return dsn
	}
	if got := query(t, run(nil), `SELECT count(*), max(penstock_row) FROM "all"`); got != "2|2" {
		t.Errorf("put aside: got %s rows and last number, want 2|2", got)
	}
	replaced := run(func(s *settings) { s.BadText = "replace" })
	got := query(t, replaced, `SELECT symbol, names[2], legs #>> '{0,path,1}' FROM "all" WHERE penstock_row BETWEEN 2 AND 4 ORDER BY penstock_row`)
	if want := "zero\uFFFD|NULL|NULL\n|\uFFFD|NULL\n|NULL|\\\uFFFD"; got != want {
		t.Errorf("replaced: got %q, want %q", got, want)
	}
}

func TestNumbersThatDoNotFitAreSaidSo(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, func(s *settings) { s.Types = map[string]string{"nonce": "bigint"} }), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}})
	_, rows, refused := l.targets[0].layout.Append(nil, plugintest.Batch(t, everyKind()...), 0)
	if rows != 1 || len(refused) != 1 || refused[0].Column != "nonce" {
		t.Fatalf("got %d rows and %v refused, want one of each, for nonce", rows, refused)
	}
	says(t, refused[0].Err, "18446744073709551615", "bigint", "types")
}

// Nanoseconds that a column of times has not are cut off, never rounded up.
func TestTimesAreCutToMicroseconds(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, nil), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}})
	rows := everyKind()
	rows[0].At = time.Unix(1, 999_999_999)
	rows[1].At = time.Unix(-1, 1)
	load(t, l, 0, rows...)
	mark(t, l, 0)
	if got, want := query(t, dsn, `SET TIME ZONE 'UTC'; SELECT at FROM "all" ORDER BY 1`), "1969-12-31 23:59:59+00\n1970-01-01 00:00:01.999999+00"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
