package transit_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/transit"
)

// named gives the structs below their TransitType.
type named struct{}

func (named) TransitType() string { return "test.refused" }

type (
	mapRow struct {
		named
		M map[string]int
	}
	chanRow struct {
		named
		C chan int
	}
	funcRow struct {
		named
		F func()
	}
	interfaceRow struct {
		named
		V any
	}
	complexRow struct {
		named
		Z complex128
	}
	arrayRow struct {
		named
		A [3]uint32
	}
	emptyArray struct {
		named
		A [0]byte
	}
	pointers struct {
		named
		P **int64
	}
	hiddenRow struct {
		named
		_ int
	}
	emptyNested struct {
		named
		S struct{}
	}
	skipped struct {
		named
		A int `transit:"-"`
	}
	duplicates struct {
		named
		TxHash int
		Other  int `transit:"tx_hash"`
	}
	embeddedTwin struct {
		named
		base
		ChainID uint64
	}
	recursive struct {
		named
		Children []recursive
	}
	inElement struct {
		named
		Parts []struct{ M map[int]int }
	}
	badName struct {
		named
		A int `transit:"two words"`
	}
	badKind struct {
		named
		A [20]byte `transit:",bigint"`
	}
	wrongKind struct {
		named
		A [32]byte `transit:",address"`
	}
	taggedHidden struct {
		named
		_ int `transit:"a"`
	}
	pointerRow  struct{ A int }
	emptyName   struct{ A int }
	oddName     struct{ A int }
	nilEmbedded struct {
		transit.Row
		A int
	}
)

func (*pointerRow) TransitType() string { return "test.pointer" }
func (emptyName) TransitType() string   { return "" }
func (oddName) TransitType() string     { return "eth..log" }

func TestStructsThatCannotTravel(t *testing.T) {
	cases := []struct {
		row  any
		want string
	}{
		{mapRow{}, "transit_test.mapRow.M: map[string]int cannot be a column: use a slice of structs"},
		{chanRow{}, "transit_test.chanRow.C: chan int cannot be a column"},
		{funcRow{}, "transit_test.funcRow.F: func() cannot be a column"},
		{interfaceRow{}, "transit_test.interfaceRow.V: interface {} cannot be a column: its type must be known"},
		{complexRow{}, "transit_test.complexRow.Z: complex128 cannot be a column"},
		{arrayRow{}, "transit_test.arrayRow.A: [3]uint32 cannot be a column: use a slice"},
		{emptyArray{}, "transit_test.emptyArray.A: [0]uint8 cannot be a column: use a slice (arrays are for bytes, at least one)"},
		{pointers{}, "transit_test.pointers.P: **int64 is a pointer to a pointer"},
		{hiddenRow{}, "transit_test.hiddenRow: no column: export at least one field"},
		{emptyNested{}, "transit_test.emptyNested.S: struct {}: no column"},
		{skipped{}, "transit_test.skipped: no column"},
		{duplicates{}, "transit_test.duplicates: fields TxHash and Other are both column tx_hash"},
		{embeddedTwin{}, "transit_test.embeddedTwin: fields base and ChainID are both column chain_id"},
		{recursive{}, "transit_test.recursive.Children: element: transit_test.recursive is recursive"},
		{inElement{}, "transit_test.inElement.Parts: element: struct { M map[int]int }.M: map[int]int cannot be"},
		{badName{}, `transit_test.badName.A: "two words" is no name for a column`},
		{badKind{}, `transit_test.badKind.A: tag`},
		{wrongKind{}, "transit_test.wrongKind.A: kind address does not go with [32]uint8"},
		{taggedHidden{}, "transit_test.taggedHidden._: the field has a transit tag but is not exported"},
		{pointerRow{}, "transit_test.pointerRow has no method TransitType: add func (pointerRow) TransitType() string, with a value"},
		{&logRow{}, "*transit_test.logRow is a pointer: rows are structs, so write transit_test.logRow"},
		{7, "int is not a struct"},
		{emptyName{}, "transit_test.emptyName: TransitType: a data type needs a name"},
		{oddName{}, `transit_test.oddName: TransitType: "eth..log" is no name for a data type`},
		{nilEmbedded{}, "transit_test.nilEmbedded: call TransitType of an empty row"},
	}
	for _, c := range cases {
		rt := reflect.TypeOf(c.row)
		_, err := transit.TypeOfGo(rt)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("TypeOfGo(%s): got %v, want an error with %q", rt, err, c.want)
		}
		if _, err := transit.NewEncoderOf(rt); err == nil {
			t.Errorf("NewEncoderOf(%s): got no error", rt)
		}
		if _, err := transit.NewDecoderOf(rt, transit.Type{}); err == nil {
			t.Errorf("NewDecoderOf(%s): got no error", rt)
		}
	}
	if _, err := transit.TypeOfGo(nil); err == nil {
		t.Error("TypeOfGo(nil): got no error")
	}
	if _, err := transit.TypeOf[transit.Row](); err == nil {
		t.Error("TypeOf of an interface: got no error")
	}
}

type columnNames struct {
	TxHash, ChainID, HTTPServer, Amount0In, TxIDs, ERC20Token, A, L1Fee, URL uint8
	With_Underscore                                                          uint8
	Given                                                                    uint8 `transit:"Given_Name"`
}

func (columnNames) TransitType() string { return "test.names" }

func TestColumnNames(t *testing.T) {
	got := must(transit.TypeOf[columnNames]())(t).String()
	want := "test.names{tx_hash uint8, chain_id uint8, http_server uint8, amount0_in uint8, tx_ids uint8, erc20_token uint8, a uint8, " +
		"l1_fee uint8, url uint8, with_underscore uint8, Given_Name uint8}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
