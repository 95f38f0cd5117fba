package decode

import "github.com/holiman/uint256"

// nibbles maps a hex digit to its value and everything else to 0xff.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// hexDigits cuts off the 0x.
func hexDigits(s string) (string, bool) {
	if len(s) < 2 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X') {
		return "", false
	}
	return s[2:], true
}

// decodeHex fills dst from exactly twice as many digits.
func decodeHex(dst []byte, digits string) bool {
	if len(digits) != 2*len(dst) {
		return false
	}
	var bad byte
	for i := range dst {
		hi, lo := nibbles[digits[2*i]], nibbles[digits[2*i+1]]
		bad |= hi | lo
		dst[i] = hi<<4 | lo
	}
	return bad < 16
}

func parseFixed(dst []byte, s string) bool {
	digits, ok := hexDigits(s)
	return ok && decodeHex(dst, digits)
}

// parseQuantity accepts leading zeros and 0x alone, as some nodes write them.
func parseQuantity(s string) (uint64, bool) {
	digits, ok := hexDigits(s)
	if !ok {
		return 0, false
	}
	var n uint64
	for i := range len(digits) {
		v := nibbles[digits[i]]
		if v > 15 || n>>60 != 0 {
			return 0, false
		}
		n = n<<4 | uint64(v)
	}
	return n, true
}

// parseWord is parseQuantity for 256 bits.
func parseWord(s string, n *uint256.Int) bool {
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
	var limbs [4]uint64
	var bad byte
	for i := range len(digits) {
		at := len(digits) - 1 - i
		v := nibbles[digits[at]]
		bad |= v
		limbs[i/16] |= uint64(v&15) << (4 * (i % 16))
	}
	*n = limbs
	return bad < 16
}
