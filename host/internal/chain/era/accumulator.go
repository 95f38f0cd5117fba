package era

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// verify recomputes the accumulator of a file from its headers: what the file
// holds is then what whoever published the root meant, block for block.
func (f *file) verify() error {
	leaves := make([][32]byte, 0, len(f.offsets))
	for i := range f.offsets {
		p, err := f.block(f.first+uint64(i), false, false)
		if err != nil {
			return err
		}
		leaves = append(leaves, record(p.header.Hash(), p.td))
	}
	if got := accumulator(leaves); got != f.root {
		return fmt.Errorf("verify %s: the root of its headers is %s, but it says %s: its blocks are not those that were published", f.name, got, f.root)
	}
	return nil
}

// record is the hash tree root of a header record: the block's hash and its total
// difficulty, little-endian.
func record(hash common.Hash, td *big.Int) [32]byte {
	var number [32]byte
	td.FillBytes(number[:])
	for i, k := 0, 31; i < k; i, k = i+1, k-1 {
		number[i], number[k] = number[k], number[i]
	}
	return node(hash, number)
}

// accumulator is the hash tree root of a list of at most 8192 records, as SSZ
// has it: the root of a tree of that many leaves, missing ones zero, together
// with the length of the list.
func accumulator(leaves [][32]byte) common.Hash {
	var zero [32]byte
	length := len(leaves)
	for width := mostBlocks; width > 1; width /= 2 {
		var above [][32]byte
		for i := 0; i < len(leaves); i += 2 {
			right := zero
			if i+1 < len(leaves) {
				right = leaves[i+1]
			}
			above = append(above, node(leaves[i], right))
		}
		leaves, zero = above, node(zero, zero)
	}
	root := zero
	if len(leaves) > 0 {
		root = leaves[0]
	}
	return withLength(root, length)
}

func node(left, right [32]byte) [32]byte {
	return sha256.Sum256(append(left[:], right[:]...))
}

// withLength mixes the length of a list into its root.
func withLength(root [32]byte, length int) common.Hash {
	var n [32]byte
	binary.LittleEndian.PutUint64(n[:], uint64(length))
	return node(root, n)
}
