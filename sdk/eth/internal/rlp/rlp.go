// Package rlp writes rows of package eth as the chain encodes them before it hashes them, without any other form in between.
//
// Every list begins with its length. So each kind of row has two functions, one that adds up the length and one that writes: they go over
// the same fields in the same order.
package rlp

import (
	"math/bits"

	"github.com/holiman/uint256"
)

// Sizes of what has always the same.
const (
	addressSize = 1 + 20
	hashSize    = 1 + 32
)

// ListSize is how long a list is with its header.
func ListSize(payload int) int { return headerSize(payload) + payload }

// headerSize is how long the header of a list, or of bytes that need one, is.
func headerSize(payload int) int {
	if payload < 56 {
		return 1
	}
	return 1 + uintLen(uint64(payload))
}

// uintLen is how many bytes a number has.
func uintLen(n uint64) int { return (bits.Len64(n) + 7) / 8 }

func uintSize(n uint64) int {
	if n < 0x80 {
		return 1
	}
	return 1 + uintLen(n)
}

func wordSize(n *uint256.Int) int {
	if n == nil || n.LtUint64(0x80) {
		return 1
	}
	return 1 + n.ByteLen()
}

// BytesSize is how long bytes are when they are encoded.
func BytesSize(b []byte) int {
	if len(b) == 1 && b[0] < 0x80 {
		return 1
	}
	return headerSize(len(b)) + len(b)
}

// AppendList appends the header of a list.
func AppendList(dst []byte, payload int) []byte { return appendHeader(dst, 0xc0, payload) }

func appendHeader(dst []byte, kind byte, payload int) []byte {
	if payload < 56 {
		return append(dst, kind+byte(payload))
	}
	n := uintLen(uint64(payload))
	return appendNumber(append(dst, kind+55+byte(n)), uint64(payload), n)
}

// appendNumber appends the last size bytes of a number.
func appendNumber(dst []byte, n uint64, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// AppendUint appends a number.
func AppendUint(dst []byte, n uint64) []byte {
	switch {
	case n == 0:
		return append(dst, 0x80)
	case n < 0x80:
		return append(dst, byte(n))
	}
	size := uintLen(n)
	return appendNumber(append(dst, 0x80+byte(size)), n, size)
}

// AppendWord appends a number; nil is 0.
func AppendWord(dst []byte, n *uint256.Int) []byte {
	if n == nil {
		return append(dst, 0x80)
	}
	if n.IsUint64() {
		return AppendUint(dst, n.Uint64())
	}
	size := n.ByteLen()
	b := n.Bytes32()
	return append(append(dst, 0x80+byte(size)), b[32-size:]...)
}

// AppendBytes appends bytes.
func AppendBytes(dst, b []byte) []byte {
	return append(AppendBytesHeader(dst, b), b...)
}

// AppendBytesHeader appends what comes before bytes: nothing before one that speaks for itself.
func AppendBytesHeader(dst, b []byte) []byte {
	if len(b) == 1 && b[0] < 0x80 {
		return dst
	}
	return appendHeader(dst, 0x80, len(b))
}
