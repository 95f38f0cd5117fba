package transit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/transit"
)

type swap struct {
	BlockNumber uint64
	Pair        common.Address
	Txhash      common.Hash
	Amount      uint256.Int
	Memo        *string
	Hops        []struct {
		Token common.Address
		Fee   *uint32
	}
	Extra []common.Hash
}

func (swap) TransitType() string { return "uniswap.swap" }

type otherSwap struct {
	BlockNumber uint64
	Pair        [20]byte
	TxHash      common.Hash
	Amount      *uint256.Int
	Memo        string
	Hops        []struct {
		Token common.Address
		Fee   uint32
	}
	Sender common.Address
}

func (otherSwap) TransitType() string { return "uniswap.swap" }

func TestMisfitShowsBothTypes(t *testing.T) {
	offered, wanted := must(transit.TypeOf[swap]())(t), must(transit.TypeOf[otherSwap]())(t)
	_, err := transit.NewDecoder[otherSwap](offered)
	var misfit *transit.Misfit
	if !errors.As(err, &misfit) {
		t.Fatalf("got %v, want a *Misfit", err)
	}
	if misfit.Offered.Name != offered.Name || misfit.Wanted.String() != wanted.String() {
		t.Errorf("the misfit is of %s and %s", misfit.Offered, misfit.Wanted)
	}
	want := `
uniswap.swap does not fit: 5 columns differ
    column        wanted                                     offered
    block_number  uint64                                     uint64
  ! pair          binary[20]                                 address                                     of another kind
  ! tx_hash       hash                                       -                                           missing: did you mean txhash?
    amount        uint256?                                   uint256
  ! memo          string                                     string?                                     it may be null: make the field a pointer
  ! hops          list<struct<token address, fee uint32>>    list<struct<token address, fee? uint32>>    element: fee: it may be null: make the field a pointer
  ! sender        address                                    -                                           missing
    txhash        -                                          hash
    extra         -                                          list<hash>`
	if diff := cmp.Diff(words(want), words(err.Error())); diff != "" {
		t.Errorf("the message differs (-want +got):\n%s\n%s", diff, err)
	}
	checkAligned(t, err.Error())
}

// words drops what aligns, line by line.
func words(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// checkAligned checks that the second column begins at the same place in every line.
func checkAligned(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")[1:]
	at := strings.Index(lines[0], "offered")
	for _, line := range lines {
		if len(line) <= at || line[at-1] != ' ' || line[at] == ' ' {
			t.Errorf("not aligned at %d: %q", at, line)
		}
	}
}

func TestWhatFits(t *testing.T) {
	all := must(transit.TypeOf[allRow]())(t)
	logs := must(transit.TypeOf[logRow]())(t)
	some := must(transit.TypeOf[someColumns]())(t)
	if err := all.Fits(all); err != nil {
		t.Errorf("a type does not fit itself: %v", err)
	}
	if err := logs.Fits(some); err != nil {
		t.Errorf("a type with more columns does not fit: %v", err)
	}
	if err := some.Fits(logs); err == nil {
		t.Error("a type with fewer columns fits")
	}
	err := logs.Fits(all)
	if err == nil || !strings.HasPrefix(err.Error(), "eth.log is offered where test.all is wanted\n") {
		t.Errorf("got %v, want the two names", err)
	}
	renamed := transit.Type{Name: "eth.other", Schema: logs.Schema}
	if err := renamed.Fits(logs); err == nil || strings.Contains(err.Error(), "!") {
		t.Errorf("got %v, want names that differ and no column that does", err)
	}
}
