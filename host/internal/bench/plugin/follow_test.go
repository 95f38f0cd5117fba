package main

import "testing"

// The chain changes its mind about the eight blocks before every twelfth, once
// that is there, and about no others.
func TestMadeUpChainReplacesBlocks(t *testing.T) {
	f := follow{Reorgs: 12, Depth: 8}
	seen := map[[32]byte]uint64{}
	for block := range uint64(36) {
		begin := f.hash(block, block)
		if other, taken := seen[begin]; taken {
			t.Errorf("blocks %d and %d have the same hash", other, block)
		}
		seen[begin] = block
		for head := block; head < 60; head++ {
			replaced := f.hash(block, head) != begin
			if want := block%12 >= 4 && head >= block/12*12+12; replaced != want {
				t.Errorf("block %d at head %d: replaced is %t, want %t", block, head, replaced, want)
			}
		}
	}
}

func TestMadeUpChainMayKeepItsMind(t *testing.T) {
	f := follow{Depth: 8}
	if f.hash(5, 5) != f.hash(5, 500) {
		t.Error("a block was replaced on a chain without reorganisations")
	}
}
