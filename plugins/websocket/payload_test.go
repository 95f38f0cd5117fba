package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// uniswapSwap has the columns of the rows of uniswap.swaps.
type uniswapSwap struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
	TxHash      common.Hash
	LogIndex    uint64
	Pair        common.Address
	Sender      common.Address
	Recipient   common.Address
	Amount0In   uint256.Int
	Amount1In   uint256.Int
	Amount0Out  uint256.Int
	Amount1Out  uint256.Int
}

func (uniswapSwap) TransitType() string { return "uniswap.swap" }

// mixed has what chain rows rarely have.
type mixed struct {
	Text    string
	Yes     bool
	Small   int8
	Most    uint64
	Least   int64
	Ratio   float64
	Rough   float32
	Debt    big.Int
	Maybe   *big.Int
	Nothing []byte
	When    *time.Time
	Nested  []struct {
		Name string
		Sums []uint256.Int
	}
}

func (mixed) TransitType() string { return "test.mixed" }

var (
	at      = time.Date(2026, 11, 21, 12, 34, 56, 789, time.UTC)
	huge    = *new(uint256.Int).SetAllOne()
	someone = common.HexToAddress("0x4b72F701a28705E438E9cC86C85FeF86cec1b6EE")
	other   = common.HexToAddress("0xF74e033B2fFB77B9022ddE01112084c66d75bBdb")
	digest  = common.HexToHash("0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822")
)

// What is sent is read with encoding/json and compared value by value with what
// went in: nothing is rounded, cut or written in another way.
func TestPayloads(t *testing.T) {
	gas := uint64(21000)
	roundTrip(t, "logs", eth.Log{
		BlockNumber: 1<<64 - 1, BlockHash: digest, Timestamp: at, TransactionIndex: 3, TransactionHash: digest, LogIndex: 7, Address: someone,
		Topics: []common.Hash{digest, common.BytesToHash(other[:])}, Data: bytes.Repeat([]byte{0, 255, 10}, 64),
	}, eth.Log{})
	transaction := eth.Transaction{
		BlockNumber: 5, TransactionHash: digest, From: someone, To: &other, Value: huge, Input: []byte{1, 2}, GasUsed: &gas, Timestamp: at,
		AccessList:        []eth.AccessTuple{{Address: someone, StorageKeys: []common.Hash{digest, {}}}, {}},
		AuthorizationList: []eth.Authorization{{ChainID: huge, Address: other, YParity: 1}},
	}
	roundTrip(t, "blocks", eth.Block{
		Header: eth.Header{BlockNumber: 5, BlockHash: digest, Timestamp: at, Miner: someone, BaseFeePerGas: uint256.NewInt(7), LogsBloom: make([]byte, 256), ExtraData: []byte("\x00\xff\"<script>"), Nonce: [8]byte{7: 9}},
		Uncles: []common.Hash{digest}, Withdrawals: []eth.Withdrawal{{Index: 1<<63 + 1, Address: someone, Amount: 1<<64 - 1}},
		Transactions: []eth.Transaction{transaction, {}},
	}, eth.Block{})
	roundTrip(t, "swaps", uniswapSwap{BlockNumber: 75, BlockHash: digest, Timestamp: at, Pair: someone, Sender: other, Recipient: someone, Amount0In: huge, Amount1Out: *uint256.NewInt(1)}, uniswapSwap{})
	minus := big.NewInt(-1)
	minus.Lsh(minus, 300)
	nested := mixed{
		Text: "a \"quoted\" \\ line\nwith \x1b[31m, \u202e, \x00, <b> & 🦄", Yes: true, Small: -128, Most: 1<<64 - 1, Least: -1 << 63, Ratio: 0.1, Rough: 1e-45, Debt: *minus, Maybe: minus, When: &at,
	}
	nested.Nested = append(nested.Nested, struct {
		Name string
		Sums []uint256.Int
	}{"x\u2028y", []uint256.Int{huge, {}}})
	roundTrip(t, "mixed", nested, mixed{})
}

// roundTrip sends rows and compares what a client reads with them.
func roundTrip[T transit.Row](t *testing.T, name string, rows ...T) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		l := started(t, newTestHouse(t), startAt[T](t, 1, 0, 0, name), nil)
		defer closed(t, l)
		v := visit(t, l)
		v.say(fmt.Sprintf(`{"op":"subscribe","channel":%q}`, name))
		v.hears("subscribed " + name + " 0 missed 0")
		batch := plugintest.Batch(t, rows...)
		if err := l.Load(t.Context(), 0, batch); err != nil {
			t.Fatal(err)
		}
		commit(t, l, 1, 5)
		text := v.read()
		var got struct {
			Rows []struct {
				Number uint64
				Row    map[string]any
			}
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x202e || r == 0x2028 }) {
			t.Errorf("there are characters in it that nobody sees: %q", text)
		}
		if len(got.Rows) != len(rows) {
			t.Fatalf("%d rows came, want %d", len(got.Rows), len(rows))
		}
		for row := range rows {
			for i, c := range batch.Type.Columns() {
				same(t, fmt.Sprintf("%s of row %d", c.Name, row), got.Rows[row].Row[c.Name], expected(batch.Value(i, row)))
			}
			same(t, "columns", len(got.Rows[row].Row), len(batch.Type.Columns()))
		}
	})
}

// expected is how the documentation says that a value is written, as
// encoding/json reads it.
func expected(v any) any {
	switch v := v.(type) {
	case bool, nil, string:
		return v
	case int64, uint64:
		return json.Number(fmt.Sprint(v))
	case float64:
		return json.Number(fmt.Sprint(float(v)))
	case *big.Int:
		return v.String()
	case []byte:
		return fmt.Sprintf("0x%x", v)
	case common.Address:
		return v.Hex()
	case common.Hash:
		return v.Hex()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = expected(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			out[name] = expected(v[name])
		}
		return out
	}
	panic(fmt.Sprintf("a %T", v))
}

// float is a float in its own precision: the only float32 here has one digit.
func float(v float64) any {
	if f := float32(v); float64(f) == v {
		return f
	}
	return v
}
