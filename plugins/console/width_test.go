package main

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestLongValuesAreCut(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"text"}}, plugintest.WireFrom[text](t, "texts", "input"))
	load(t, c, 0, text{Text: strings.Repeat("ä", widest)}, text{Text: strings.Repeat("ä", 1<<20)})
	lines := strings.Split(s.String(), "\n")
	if want := "       " + strings.Repeat("ä", widest); lines[1] != want {
		t.Errorf("got %q, want %q", lines[1], want)
	}
	if want := "       " + strings.Repeat("ä", widest-1) + "…"; lines[2] != want {
		t.Errorf("got %q, want %q", lines[2], want)
	}
}

// With a width nothing wraps, and what is told apart by its ends keeps them.
func TestWidth(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Width: 60}, plugintest.WireFrom[total](t, "totals", "input"), plugintest.WireFrom[block](t, "blocks", "input"))
	note := strings.Repeat("é", 100)
	load(t, c, 0, total{BlockNumber: 7, Pair: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Note: &note})
	load(t, c, 1, block{BlockNumber: 7, BlockHash: common.Hash{1, 31: 2}})
	const want = "totals  block_number  pair               volume  note\n" +
		"totals             7  0x5aAeb605…1BeAed       0  éééééééééé…\n" +
		"blocks  block_number  block_hash\n" +
		"blocks             7  0x01000000…000002\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
