package transit_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/transit"
)

type listed struct {
	BlockNumber uint64
	Topics      []common.Hash
	Data        *[]byte
}

func (listed) TransitType() string { return "test.listed" }

func TestColumnsAreAsPeopleReadThem(t *testing.T) {
	listedType, err := transit.TypeOf[listed]()
	if err != nil {
		t.Fatal(err)
	}
	want := []transit.Column{
		{Name: "block_number", Type: "uint64"},
		{Name: "topics", Type: "list<hash>"},
		{Name: "data", Type: "binary", Nullable: true},
	}
	if diff := cmp.Diff(want, listedType.Columns()); diff != "" {
		t.Errorf("Columns (-want +got):\n%s", diff)
	}
	if got := (transit.Type{Name: "test.empty"}).Columns(); len(got) != 0 {
		t.Errorf("a type without columns has %v", got)
	}
}
