package table_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/table"
	"github.com/penstock-io/penstock/sdk/transit"
)

type everything struct {
	Flag    bool
	Tiny    int8
	Wide    uint64
	Ratio   float32
	Note    *string
	Data    []byte
	Sel     [4]byte
	Pair    common.Address
	TxHash  common.Hash
	Amount  uint256.Int
	Delta   *big.Int
	At      time.Time
	Topics  []common.Hash
	Maybe   []*uint64
	Deep    [][]uint64
	Fee     struct{ Bips uint16 }
	Fees    []struct{ Bips uint16 }
	Selects [][4]byte
}

func (everything) TransitType() string { return "test.everything" }

func TestEveryKindOfColumn(t *testing.T) {
	typ, err := transit.TypeOf[everything]()
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.Columns(typ)
	if err != nil {
		t.Fatal(err)
	}
	want := []table.Column{
		{Name: "flag", Kind: table.Bool, Type: "bool"},
		{Name: "tiny", Kind: table.Int, Bits: 8, Type: "int8"},
		{Name: "wide", Kind: table.Uint, Bits: 64, Type: "uint64"},
		{Name: "ratio", Kind: table.Float, Bits: 32, Type: "float32"},
		{Name: "note", Kind: table.Text, Nullable: true, Type: "string"},
		{Name: "data", Kind: table.Bytes, Type: "binary"},
		{Name: "sel", Kind: table.Bytes, Width: 4, Type: "binary[4]"},
		{Name: "pair", Kind: table.Address, Width: 20, Type: "address"},
		{Name: "tx_hash", Kind: table.Hash, Width: 32, Type: "hash"},
		{Name: "amount", Kind: table.Uint256, Type: "uint256"},
		{Name: "delta", Kind: table.Bigint, Nullable: true, Type: "bigint"},
		{Name: "at", Kind: table.Timestamp, Type: "timestamp"},
		{Name: "topics", Kind: table.Hash, Width: 32, List: true, Type: "list<hash>"},
		{Name: "maybe", Kind: table.Uint, Bits: 64, List: true, ItemNullable: true, Type: "list<uint64?>"},
		{Name: "deep", Kind: table.JSON, Type: "list<list<uint64>>"},
		{Name: "fee", Kind: table.JSON, Type: "struct<bips uint16>"},
		{Name: "fees", Kind: table.JSON, Type: "list<struct<bips uint16>>"},
		{Name: "selects", Kind: table.Bytes, Width: 4, List: true, Type: "list<binary[4]>"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Rows may come from plugins in other languages, with types that no Go struct writes.
func TestColumnsOfStrangers(t *testing.T) {
	typ := transit.Type{Name: "test.strange", Schema: arrow.NewSchema([]arrow.Field{
		{Name: "day", Type: arrow.FixedWidthTypes.Date32},
		{Name: "days", Type: arrow.ListOf(arrow.FixedWidthTypes.Date32)},
		{Name: "none", Type: arrow.Null},
		{Name: "long", Type: arrow.BinaryTypes.LargeString},
	}, nil)}
	got, err := table.Columns(typ)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, c := range got {
		kinds = append(kinds, fmt.Sprint(c.Name, " ", c.Kind, " ", c.Nullable))
	}
	if got, want := strings.Join(kinds, ", "), "day shown false, days json false, none shown true, long text false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTypesThatAreNoTable(t *testing.T) {
	twice := arrow.NewSchema([]arrow.Field{{Name: "from", Type: arrow.Null}, {Name: "From", Type: arrow.Null}}, nil)
	for words, typ := range map[string]transit.Type{
		"no columns":    {Name: "test.empty"},
		"from and From": {Name: "test.twice", Schema: twice},
	} {
		if _, err := table.Columns(typ); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), typ.Name) {
			t.Errorf("%s: got %v, want an error that says %q", typ.Name, err, words)
		}
	}
}

func TestWhatHasToHappenToATable(t *testing.T) {
	want := []table.Definition{{Name: "block_number", Type: "BIGINT"}, {Name: "amount", Type: "NUMERIC(78,0)"}}
	tests := map[string]struct {
		have      []table.Found
		add       []table.Definition
		different string // the conflict's summary
	}{
		"the same":         {have: []table.Found{{Name: "amount", Type: "numeric(78,0)"}, {Name: "Block_Number", Type: "bigint"}}},
		"one is not there": {have: []table.Found{{Name: "block_number", Type: "bigint"}}, add: want[1:]},
		"one more":         {have: []table.Found{{Name: "block_number", Type: "bigint"}, {Name: "amount", Type: "numeric(78,0)"}, {Name: "note", Type: "text"}}},
		"another type": {
			have:      []table.Found{{Name: "amount", Type: "text"}},
			different: "column amount is text there and NUMERIC(78,0) in the rows",
		},
		"one that must have a value": {
			have:      []table.Found{{Name: "block_number", Type: "bigint"}, {Name: "note", Type: "text", Required: true}},
			different: "column note must have a value",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			add, err := table.Compare("transfers", want, test.have, nil)
			if diff := cmp.Diff(test.add, add); diff != "" {
				t.Errorf("to add (-want +got):\n%s", diff)
			}
			if test.different == "" && err != nil {
				t.Errorf("got %v, want no conflict", err)
			}
			if conflict := (*table.Conflict)(nil); test.different != "" && (!errors.As(err, &conflict) || !strings.Contains(err.Error(), test.different)) {
				t.Errorf("got %v, want a conflict that says %q", err, test.different)
			}
		})
	}
}

func TestNamesOfTypesThatMeanTheSame(t *testing.T) {
	same := func(want, have string) bool { return want == "BIGINT" && have == "int8" }
	if _, err := table.Compare("t", []table.Definition{{Name: "a", Type: "BIGINT"}}, []table.Found{{Name: "a", Type: "int8"}}, same); err != nil {
		t.Errorf("got %v, want no conflict", err)
	}
}

func ExampleCompare() {
	_, err := table.Compare("transfers",
		[]table.Definition{{Name: "block_number", Type: "bigint"}, {Name: "amount", Type: "numeric(78,0)"}},
		[]table.Found{{Name: "amount", Type: "text"}, {Name: "note", Type: "text"}, {Name: "id", Type: "integer", Required: true}}, nil)
	fmt.Println(err)
	// Output:
	// table transfers does not fit the rows: column amount is text there and numeric(78,0) in the rows; column id must have a value (NOT NULL, no default), and the rows have none: change the columns by hand, rename or drop the table, or give the rows another one
	//   column        in the table  in the rows
	//   block_number  -             bigint
	//   amount        text          numeric(78,0)  <- differs
	//   note          text          -
	//   id            integer       -  <- must have a value
}
