package view_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/sdk/transit"
)

type transfer struct {
	BlockNumber uint64
	TxHash      common.Hash
	To          common.Address
	Value       uint256.Int
	Note        *string
}

func (transfer) TransitType() string { return "test.transfer" }

func transfers(t *testing.T, rows ...transfer) transit.Batch {
	t.Helper()
	e, err := transit.NewEncoder[transfer]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func someTransfers(t *testing.T) transit.Batch {
	t.Helper()
	note := "evil\x1b[2J\nnote\u202e"
	large := new(uint256.Int).SetAllOne()
	return transfers(t,
		transfer{BlockNumber: 7, TxHash: common.Hash{1: 0xab, 31: 0xcd}, To: common.HexToAddress("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"), Value: *uint256.NewInt(5)},
		transfer{BlockNumber: 12345678, Value: *large, Note: &note},
	)
}

// tabled is what a table of rows looks like in a window of a width; 0: in a file.
func tabled(t *testing.T, width, height int, columns []string, batches ...transit.Batch) string {
	t.Helper()
	var out bytes.Buffer
	size := func() (int, int) { return width, height }
	if width == 0 {
		size = nil
	}
	r := view.NewRows(&out, size, false, columns)
	if err := r.Type(batches[0].Type); err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := r.Write(b, 0, int(b.Record.NumRows())); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// In a file everything stands in full; what terminals obey never does.
func TestRowsInFull(t *testing.T) {
	want := strings.Join([]string{
		"BLOCK_NUMBER  TX_HASH                                                             TO                                                                                                                   VALUE  NOTE",
		"           7  0x00ab0000000000000000000000000000000000000000000000000000000000cd  0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2                                                                               5  -",
		"    12345678  0x0000000000000000000000000000000000000000000000000000000000000000  0x0000000000000000000000000000000000000000  115792089237316195423570985008687907853269984665640564039457584007913129639935  evil\uFFFD[2J note\uFFFD",
		"",
	}, "\n")
	if diff := cmp.Diff(want, tabled(t, 0, 0, nil, someTransfers(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// In a window hashes and addresses are shortened, then columns are left out; numbers
// are exact or not there.
func TestRowsInAWindow(t *testing.T) {
	for _, c := range []struct {
		width int
		want  []string
		not   string
	}{
		{180, []string{"0x000000…0000", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "115792089237316195423570985008687907853269984665640564039457584007913129639935", "NOTE"}, "0000000000cd"},
		{150, []string{"0x00ab00…00cd  0xC02aaA…6Cc2", "115792089237316195423570985008687907853269984665640564039457584007913129639935", "NOTE"}, "0xC02aaA39"},
		{60, []string{"BLOCK_NUMBER  TX_HASH        TO  +2", "2 columns have no room here: --columns value,… shows those that are named"}, "11579"},
		{10, []string{"BLOCK_NUMBER  +4"}, "0x"},
	} {
		got := tabled(t, c.width, 24, nil, someTransfers(t))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("width %d: %q is missing in\n%s", c.width, want, got)
			}
		}
		if strings.Contains(got, c.not) {
			t.Errorf("width %d: %q is in\n%s", c.width, c.not, got)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(c.width, 20) && !strings.Contains(line, "have no room") {
				t.Errorf("width %d: a line of %d\n%s", c.width, n, line)
			}
		}
	}
}

// The titles come again when they have left the screen, or a column has grown.
func TestRowsRepeatTitles(t *testing.T) {
	small := transfers(t, transfer{BlockNumber: 1}, transfer{BlockNumber: 2}, transfer{BlockNumber: 3})
	got := tabled(t, 200, 8, []string{"block_number", "value"}, small, small, small, small)
	if n := strings.Count(got, "BLOCK_NUMBER"); n != 2 {
		t.Errorf("12 rows in a window of 8 lines have titles %d times\n%s", n, got)
	}
	got = tabled(t, 200, 50, []string{"value"}, small, someTransfers(t), small)
	if n := strings.Count(got, "VALUE"); n != 2 {
		t.Errorf("a column that grows once has its title %d times\n%s", n, got)
	}
	large := transfers(t, transfer{Value: *new(uint256.Int).SetAllOne()})
	got = tabled(t, 60, 50, nil, large, someTransfers(t), small)
	if n := strings.Count(got, "BLOCK_NUMBER"); n != 1 {
		t.Errorf("a column that is not shown grows, and there are titles %d times\n%s", n, got)
	}
}

func TestRowsOfSomeColumns(t *testing.T) {
	if got := tabled(t, 0, 0, []string{"note", "block_number"}, transfers(t, transfer{BlockNumber: 9})); got != "NOTE  BLOCK_NUMBER\n-                9\n" {
		t.Errorf("got\n%s", got)
	}
	r := view.NewRows(&bytes.Buffer{}, nil, false, []string{"vaule"})
	if err := r.Type(someTransfers(t).Type); err == nil || err.Error() != `there is no column "vaule" in test.transfer: it has block_number, tx_hash, to, value, note` {
		t.Errorf("a column that is not there: %v", err)
	}
}

func TestRowsBetweenNews(t *testing.T) {
	var out bytes.Buffer
	r := view.NewRows(&out, nil, true, []string{"block_number"})
	b := transfers(t, transfer{BlockNumber: 9})
	err := r.Type(b.Type)
	for range 2 {
		if err == nil {
			err = r.Write(b, 0, 1)
		}
		if err == nil {
			err = r.Say("— news —")
		}
	}
	want := "\x1b[1mBLOCK_NUMBER\x1b[0m\n           9\n\x1b[2m— news —\x1b[0m\n           9\n\x1b[2m— news —\x1b[0m\n"
	if err != nil || out.String() != want {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
