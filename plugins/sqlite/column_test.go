package main

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// everything has each kind of column once.
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
	Fee         struct{ Bips uint16 }
	Status      *uint64
	To          *common.Address `transit:"to_address"`
}

func (everything) TransitType() string { return "test.everything" }

func everyKind() []everything {
	status, to := uint64(1), common.HexToAddress("0xdac17f958d2ee523a2206206994597c13d831ec7")
	full := everything{
		BlockNumber: 19_000_000, Nonce: math.MaxUint64, Offset: math.MinInt64, Tiny: -128, Small: 255, Short: -32768, Port: 65535,
		Middle: math.MinInt32, Wide: math.MaxUint32, Removed: true, Price: 0.1, Ratio: 0.5, Symbol: "it's \"ETH\"\x00é",
		Pair: to, TxHash: common.Hash{31: 7}, Value: *new(uint256.Int).SetAllOne(), Delta: big.NewInt(-129),
		At:   time.Date(2024, 2, 29, 12, 30, 0, 0, time.UTC),
		Data: []byte{1, 2, 3}, Selector: [4]byte{0xa9, 0x05, 0x9c, 0xbb}, Topics: []common.Hash{{1}}, Status: &status, To: &to,
	}
	full.Fee.Bips = 30
	empty := everything{Nonce: math.MaxInt64, Price: math.NaN(), At: full.At.Add(5 * time.Nanosecond)}
	return []everything{full, empty}
}

// kept is what stands in the file, as SQL would write it, a column a line.
func kept(t *testing.T, path string, row int) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, c := range plugintest.WireFrom[everything](t, "all", "input").Type.Columns() {
		got[c.Name] = query(t, path, fmt.Sprintf(`SELECT quote(%s) FROM "all" ORDER BY rowid LIMIT 1 OFFSET %d`, quote(c.Name), row))
	}
	return got
}

func loadEverything(t *testing.T, hex bool) string {
	t.Helper()
	path := newFile(t)
	l := started(t, newLoader(path).with(func(l *loader) {
		if !hex {
			l.Bytes = inBlob
		}
	}), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}})
	load(t, l, 0, everyKind()...)
	commit(t, l)
	closed(t, l)
	return path
}

func TestColumnsAreKeptAsDocumented(t *testing.T) {
	path := loadEverything(t, true)
	want := map[string]string{
		"block_number": "19000000", "nonce": "X'FFFFFFFFFFFFFFFF'", "offset": "-9223372036854775808", "tiny": "-128", "small": "255",
		"short": "-32768", "port": "65535", "middle": "-2147483648", "wide": "4294967295", "removed": "1", "price": "0.1", "ratio": "0.5",
		"symbol":   `'it''s "ETH"`, // quote ends at the zero byte
		"pair":     "'0xdAC17F958D2ee523a2206206994597C13D831ec7'",
		"tx_hash":  "'0x0000000000000000000000000000000000000000000000000000000000000007'",
		"value":    "'115792089237316195423570985008687907853269984665640564039457584007913129639935'",
		"delta":    "'-129'",
		"at":       "'2024-02-29T12:30:00Z'",
		"data":     "'0x010203'",
		"selector": "'0xa9059cbb'",
		"topics":   `'["0x0100000000000000000000000000000000000000000000000000000000000000"]'`,
		"fee":      `'{"bips":30}'`, "status": "1", "to_address": "'0xdAC17F958D2ee523a2206206994597C13D831ec7'",
	}
	got := kept(t, path, 0)
	got["symbol"] = got["symbol"][:len(want["symbol"])]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := query(t, path, `SELECT hex(symbol) FROM "all" LIMIT 1`); got != "6974277320224554482200C3A9" {
		t.Errorf("the text with a zero byte is kept as %s", got)
	}
}

func TestEmptyValuesAreKeptAsDocumented(t *testing.T) {
	const zero = "0000000000000000000000000000000000000000"
	want := map[string]string{
		"block_number": "0", "nonce": "9223372036854775807", "offset": "0", "tiny": "0", "small": "0", "short": "0", "port": "0",
		"middle": "0", "wide": "0", "removed": "0", "price": "NULL", "ratio": "0.0", "symbol": "''", "pair": "'0x" + zero + "'",
		"tx_hash": "'0x" + zero + "000000000000000000000000'", "value": "'0'", "delta": "NULL", "at": "'2024-02-29T12:30:00.000000005Z'",
		"data": "'0x'", "selector": "'0x00000000'", "topics": "'[]'", "fee": `'{"bips":0}'`, "status": "NULL", "to_address": "NULL",
	}
	if diff := cmp.Diff(want, kept(t, loadEverything(t, true), 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBytesAreBlobsWithoutHex(t *testing.T) {
	path := loadEverything(t, false)
	for row, want := range []map[string]string{
		{
			"pair": "X'DAC17F958D2EE523A2206206994597C13D831EC7'", "data": "X'010203'", "selector": "X'A9059CBB'",
			"tx_hash":    "X'0000000000000000000000000000000000000000000000000000000000000007'",
			"to_address": "X'DAC17F958D2EE523A2206206994597C13D831EC7'",
		},
		{
			"pair": "X'0000000000000000000000000000000000000000'", "data": "X''", "selector": "X'00000000'",
			"tx_hash":    "X'0000000000000000000000000000000000000000000000000000000000000000'",
			"to_address": "NULL",
		},
	} {
		got := kept(t, path, row)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s of row %d: got %s, want %s", name, row, got[name], text)
			}
		}
		if got["value"] != kept(t, loadEverything(t, true), row)["value"] {
			t.Errorf("value of row %d is %s: numbers stay decimal text", row, got["value"])
		}
	}
}

func TestTableIsDeclaredAsDocumented(t *testing.T) {
	path := loadEverything(t, true)
	want := `CREATE TABLE "all" (
  "penstock_row" INTEGER PRIMARY KEY,
  "block_number" INTEGER NOT NULL,
  "nonce" INTEGER NOT NULL,
  "offset" INTEGER NOT NULL,
  "tiny" INTEGER NOT NULL,
  "small" INTEGER NOT NULL,
  "short" INTEGER NOT NULL,
  "port" INTEGER NOT NULL,
  "middle" INTEGER NOT NULL,
  "wide" INTEGER NOT NULL,
  "removed" INTEGER NOT NULL,
  "price" REAL,
  "ratio" REAL,
  "symbol" TEXT NOT NULL,
  "pair" TEXT NOT NULL COLLATE NOCASE,
  "tx_hash" TEXT NOT NULL,
  "value" TEXT NOT NULL,
  "delta" TEXT,
  "at" TEXT NOT NULL,
  "data" TEXT NOT NULL,
  "selector" TEXT NOT NULL,
  "topics" TEXT NOT NULL,
  "fee" TEXT NOT NULL,
  "status" INTEGER,
  "to_address" TEXT COLLATE NOCASE
)
CREATE INDEX "all_block_number" ON "all" ("block_number")`
	if diff := cmp.Diff(want, query(t, path, "SELECT sql FROM sqlite_master WHERE tbl_name = 'all' ORDER BY type DESC")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsKeptCanBeAskedFor(t *testing.T) {
	path := loadEverything(t, true)
	tests := map[string]string{
		`SELECT count(*) FROM "all" WHERE pair = '0xdac17f958d2ee523a2206206994597c13d831ec7'`: "1", // as wallets write it
		`SELECT count(*) FROM "all" WHERE pair = '0xdAC17F958D2ee523a2206206994597C13D831ec7'`: "1",
		`SELECT strftime('%Y-%m-%d %H:%M', at) FROM "all" LIMIT 1`:                             "2024-02-29 12:30",
		`SELECT block_number FROM "all" ORDER BY nonce DESC LIMIT 1`:                           "19000000", // beyond the integers
		`SELECT block_number FROM "all" ORDER BY length(value) DESC, value DESC LIMIT 1`:       "19000000",
		`SELECT topics ->> 0 FROM "all" LIMIT 1`:                                               "0x0100000000000000000000000000000000000000000000000000000000000000",
	}
	for question, want := range tests {
		if got := query(t, path, question); got != want {
			t.Errorf("%s: got %s, want %s", question, got, want)
		}
	}
}

func TestManyAddressesAreAllKept(t *testing.T) {
	var c column
	for i := range mostAddresses + 10 {
		a := common.BigToAddress(big.NewInt(int64(i)))
		if got := c.address(a); got != a.Hex() {
			t.Fatalf("address %d: got %v, want %s", i, got, a.Hex())
		}
	}
	if len(c.addresses) > mostAddresses {
		t.Errorf("%d addresses are remembered, want at most %d", len(c.addresses), mostAddresses)
	}
}
