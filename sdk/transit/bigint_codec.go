package transit

import (
	"encoding/binary"
	"math/big"
	"math/bits"
	"unsafe"
)

func bigintCodec() codec {
	return codec{buffers: 2, fixed: 4, encode: encodeBigint, decode: decodeBigint, size: sizeOfBigint}
}

func sizeOfBigint(_ *column, p unsafe.Pointer) int {
	return (*big.Int)(p).BitLen()/8 + 1
}

func encodeBigint(s *sink, _ *column, v view) error {
	next := s.offsets(v.n)
	start := len(s.out)
	out := s.out
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			out = appendBigint(out, (*big.Int)(values.at(i)))
			binary.LittleEndian.PutUint32(out[next:], uint32(len(out)-start))
			next += 4
		}
	}
	s.out = out
	return s.finish(start)
}

// appendBigint appends two's complement, big-endian, in as few bytes as hold the sign too: 0 is 00, 128 is 00 80, -128 is 80.
func appendBigint(out []byte, x *big.Int) []byte {
	size := x.BitLen()/8 + 1
	if x.Sign() < 0 && x.BitLen()%8 == 0 && int(x.TrailingZeroBits()) == x.BitLen()-1 {
		size-- // -128, -32768, …: the sign takes no bit of its own
	}
	start := len(out)
	for i := size - 1; i >= 0; i-- {
		out = append(out, byteOf(x.Bits(), i))
	}
	if x.Sign() < 0 {
		negate(out[start:])
	}
	return out
}

// byteOf is byte i of a magnitude, counted from the least significant.
func byteOf(words []big.Word, i int) byte {
	const size = bits.UintSize / 8
	if i/size >= len(words) {
		return 0
	}
	return byte(words[i/size] >> (8 * (i % size)))
}

// negate negates a two's complement number in place.
func negate(b []byte) {
	carry := byte(1)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = ^b[i] + carry
		if b[i] != 0 {
			carry = 0
		}
	}
}

// decodeBigint reads numbers of any length into words of one allocation. Empty bytes are 0 and superfluous sign bytes are dropped.
func decodeBigint(b *binding, from, n int, to stretch) error {
	offsets, values := b.layout.offsets[4*from:4*(from+n+1)], b.layout.values
	first, last := binary.LittleEndian.Uint32(offsets), binary.LittleEndian.Uint32(offsets[4*n:])
	if last < first || int64(last) > int64(len(values)) {
		return badOffsets(from, uint64(first), uint64(last), len(values))
	}
	words := make([]big.Word, 0, int(last-first)/(bits.UintSize/8)+n)
	begin := first
	for i := range n {
		end := binary.LittleEndian.Uint32(offsets[4*i+4:])
		if end < begin || end > last {
			return badOffsets(from+i, uint64(begin), uint64(end), len(values))
		}
		mark := len(words)
		words = appendWords(words, values[begin:end])
		x := (*big.Int)(to.at(i))
		x.SetBits(words[mark:len(words):len(words)])
		if end > begin && values[begin]&0x80 != 0 {
			x.Neg(x)
		}
		begin = end
	}
	return nil
}

// appendWords appends the magnitude of a two's complement number, least significant word first.
func appendWords(words []big.Word, b []byte) []big.Word {
	const size = bits.UintSize / 8
	negative := len(b) > 0 && b[0]&0x80 != 0
	carry := uint(0)
	if negative {
		carry = 1
	}
	for end := len(b); end > 0; end -= size {
		var w uint
		for _, d := range b[max(end-size, 0):end] {
			w = w<<8 | uint(d)
		}
		if negative {
			if missing := size - end; missing > 0 {
				w |= ^uint(0) << (8 * end) // the sign goes on
			}
			w, carry = bits.Add(^w, carry, 0)
		}
		words = append(words, big.Word(w))
	}
	if carry == 1 {
		words = append(words, 1)
	}
	return words
}
