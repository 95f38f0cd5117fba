package main

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write what is printed into the files that it is compared to")

type total struct {
	BlockNumber uint64
	Pair        common.Address
	Volume      uint256.Int
	Note        *string
}

func (total) TransitType() string { return "test.total" }

type block struct {
	BlockNumber uint64
	BlockHash   common.Hash
}

func (block) TransitType() string { return "test.block" }

// everything has a column of every type.
type everything struct {
	Bool      bool
	Int8      int8
	Int64     int64
	Uint8     uint8
	Uint64    uint64
	Float32   float32
	Float64   float64
	String    string
	Bytes     []byte
	Fixed     [3]byte
	Address   common.Address
	Hash      common.Hash
	Uint256   uint256.Int
	Bigint    big.Int
	Time      time.Time
	Null      *uint64
	Hashes    []common.Hash
	Nested    struct{ Amount uint256.Int }
	Sometimes *string
	Step      string
}

func (everything) TransitType() string { return "test.everything" }

// screen is where a test's console prints.
type screen struct {
	bytes.Buffer
	second time.Time
}

func (s *screen) now() time.Time { return s.second }

func (s *screen) next() { s.second = s.second.Add(time.Second) }

func newScreen() *screen { return &screen{second: time.Unix(1_700_000_000, 0)} }

func (s *screen) register() sdk.Register { return register(s, s.now) }

// opened is a console that is ready for rows.
func (s *screen) opened(tb testing.TB, c console, inputs ...sdk.Input) *console {
	tb.Helper()
	c.out, c.now = s, s.now
	if c.Format == "" {
		c.Format = "table"
	}
	if err := errors.Join(c.Validate(), c.Start(tb.Context(), sdk.Start{Inputs: inputs})); err != nil {
		tb.Fatal(err)
	}
	return &c
}

func load[T transit.Row](t *testing.T, c *console, index int, rows ...T) {
	t.Helper()
	if err := c.Load(t.Context(), index, plugintest.Batch(t, rows...)); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func all() *int { n := 0; return &n }

func totals(n int) []total {
	rows := make([]total, n)
	for i := range rows {
		rows[i] = total{BlockNumber: uint64(i), Pair: common.Address{19: byte(i)}, Volume: *uint256.NewInt(uint64(i * i))}
	}
	return rows
}

func rowOfEverything() everything {
	row := everything{
		Bool: true, Int8: -8, Int64: math.MinInt64, Uint8: 255, Uint64: math.MaxUint64, Float32: 0.1, Float64: 1e300,
		String: "a \"quoted\" <b>", Bytes: []byte{0, 0xff}, Fixed: [3]byte{1, 2, 3},
		Address: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Hash: common.Hash{31: 1},
		Uint256: *new(uint256.Int).SetAllOne(), Time: time.Unix(1_700_000_000, 5).UTC(),
		Hashes: []common.Hash{{1}}, Step: "mine",
	}
	row.Bigint.Neg(new(big.Int).Lsh(big.NewInt(1), 100))
	row.Nested.Amount.SetUint64(3)
	return row
}
