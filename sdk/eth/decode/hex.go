package decode

import (
	"encoding/binary"
	"math/bits"

	"github.com/holiman/uint256"
)

// ones is 1 in each byte of a word: a multiple of it has the same value in each byte.
const ones = 0x0101010101010101

// pack turns eight hex digits, the first in the lowest byte, into four bytes in the same order, in the lower half of the first result. It
// works on all eight at once: no byte reaches 0x100 on the way, so none disturbs the next. What is not 0 in the second result says that
// one of them was no digit.
func pack(x uint64) (uint64, uint64) {
	lower := x | 0x20*ones
	digit := (x + 0x50*ones) &^ (x + 0x46*ones)                          // the high bit where x is from '0' to '9'
	letter := (lower + 0x1f*ones) &^ (lower + 0x19*ones) & (0x80 * ones) // and where it is from 'a' to 'f' in either case
	n := x&(0x0f*ones) + letter>>7*9                                     // a nibble per byte
	n = (n<<4 | n>>8) & 0x00ff00ff00ff00ff                               // a byte in every other byte
	n = (n | n>>8) & 0x0000ffff0000ffff                                  // two in every other two
	return n | n>>16, (x | ^(digit | letter)) & (0x80 * ones)
}

// nibble is the value of a hex digit, and 0xff of anything else. Whether a digit is a letter is as good as drawn by lot: a processor that
// guesses it for a branch is wrong too often.
func nibble(c byte) byte { return nibbles[c] }

const nibbles = "" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xff\xff\xff\xff\xff\xff" +
	"\xff\x0a\x0b\x0c\x0d\x0e\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\x0a\x0b\x0c\x0d\x0e\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// decodeHex fills dst from exactly twice as many digits.
func decodeHex(dst, digits []byte) bool {
	if len(digits) != 2*len(dst) {
		return false
	}
	var bad uint64
	for len(digits) >= 16 {
		a, badA := pack(binary.LittleEndian.Uint64(digits))
		b, badB := pack(binary.LittleEndian.Uint64(digits[8:]))
		bad |= badA | badB
		binary.LittleEndian.PutUint64(dst, a&0xffffffff|b<<32)
		digits, dst = digits[16:], dst[8:]
	}
	if len(digits) >= 8 { // the end of an address
		n, badN := pack(binary.LittleEndian.Uint64(digits))
		bad |= badN
		binary.LittleEndian.PutUint32(dst, uint32(n))
		digits, dst = digits[8:], dst[4:]
	}
	for i := range dst {
		hi, lo := nibble(digits[2*i]), nibble(digits[2*i+1])
		bad |= uint64((hi | lo) & 0xf0)
		dst[i] = hi<<4 | lo
	}
	return bad == 0
}

// hexDigits cuts off the 0x.
func hexDigits(s []byte) ([]byte, bool) {
	if len(s) < 2 || s[0] != '0' || s[1]|0x20 != 'x' {
		return nil, false
	}
	return s[2:], true
}

func parseFixed(dst, s []byte) bool {
	digits, ok := hexDigits(s)
	return ok && decodeHex(dst, digits)
}

// parseQuantity accepts leading zeros and 0x alone, as some nodes write them.
func parseQuantity(s []byte) (uint64, bool) {
	digits, ok := hexDigits(s)
	if !ok {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		v := nibble(c)
		if v > 15 || n>>60 != 0 {
			return 0, false
		}
		n = n<<4 | uint64(v)
	}
	return n, true
}

// parseWord is parseQuantity for 256 bits.
func parseWord(s []byte, n *uint256.Int) bool {
	digits, ok := hexDigits(s)
	if !ok {
		return false
	}
	for len(digits) > 64 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) > 64 {
		return false
	}
	var (
		limbs [4]uint64
		bad   uint64
		limb  int
	)
	for ; len(digits) >= 16; limb++ {
		last := digits[len(digits)-16:]
		hi, badHi := pack(binary.LittleEndian.Uint64(last))
		lo, badLo := pack(binary.LittleEndian.Uint64(last[8:]))
		bad |= badHi | badLo
		limbs[limb] = uint64(bits.ReverseBytes32(uint32(hi)))<<32 | uint64(bits.ReverseBytes32(uint32(lo)))
		digits = digits[:len(digits)-16]
	}
	for _, c := range digits {
		v := nibble(c)
		bad |= uint64(v & 0xf0)
		limbs[limb] = limbs[limb]<<4 | uint64(v)
	}
	*n = limbs
	return bad == 0
}
