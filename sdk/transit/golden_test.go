package transit_test

import (
	"encoding/hex"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// goldenRow has every kind and shape once. It must not change: other languages rely on the bytes.
type goldenRow struct {
	BlockNumber uint64
	Address     common.Address
	TxHash      common.Hash
	Value       uint256.Int
	Delta       *big.Int
	Time        time.Time
	Data        []byte
	Memo        *string
	Topics      []common.Hash
	Hops        []struct {
		Token common.Address
		Fee   *uint32
	}
	Selector [4]byte
	Price    float64
	Removed  bool
}

func (goldenRow) TransitType() string { return "test.golden" }

func goldenRows() []goldenRow {
	memo, fee := "café", uint32(3000)
	rows := []goldenRow{
		{
			BlockNumber: 19_000_000, Address: common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7"), TxHash: common.Hash{31: 7},
			Value: *uint256.MustFromDecimal("1000000000000000000000"), Delta: big.NewInt(-129), Time: time.Date(2024, 2, 29, 12, 30, 0, 5, time.UTC),
			Data: []byte{1, 2, 3}, Memo: &memo, Topics: []common.Hash{{1}, {2}}, Selector: [4]byte{0xa9, 0x05, 0x9c, 0xbb}, Price: 0.5, Removed: true,
		},
		{Value: *new(uint256.Int).SetAllOne()},
	}
	rows[0].Hops = append(rows[0].Hops, struct {
		Token common.Address
		Fee   *uint32
	}{common.Address{9}, &fee}, struct {
		Token common.Address
		Fee   *uint32
	}{})
	return rows
}

func TestBytesStayAsTheyAre(t *testing.T) {
	e := must(transit.NewEncoder[goldenRow]())(t)
	schema := e.Type().MarshalSchema()
	checkGolden(t, "type.golden", e.Type().String()+"\n")
	checkGolden(t, "schema.golden", hex.Dump(schema))
	checkGolden(t, "batch.golden", hex.Dump(must(e.Append(nil, goldenRows()))(t)))

	parsed := must(transit.ParseType("test.golden", schema))(t)
	if !parsed.Schema.Equal(e.Type().Schema) || parsed.String() != e.Type().String() {
		t.Errorf("the schema is read as %s", parsed)
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := string(must(os.ReadFile(path))(t))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}
