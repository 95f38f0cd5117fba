package binary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
)

// A numeric is written in digits of four decimals each, the highest first:
// how many there are, the power of 10,000 of the first, the sign, the decimals
// behind the point, and the digits without the zeros at both ends.
const (
	four     = 10_000
	negative = 0x4000
)

// mostGroups is how many digits of four decimals PostgreSQL takes before the point.
const mostGroups = 131_072 / 4

// appendUint64 appends a numeric, with its length before it.
func appendUint64(dst []byte, v uint64) []byte {
	var groups [5]uint16 // the lowest first
	n := 0
	for ; v > 0; n++ {
		groups[n] = uint16(v % four)
		v /= four
	}
	return appendGroups(dst, groups[:n], 0)
}

// appendUint256 appends 32 big-endian bytes as a numeric.
func appendUint256(dst, b []byte) []byte {
	var words [4]uint64
	for i := range words {
		words[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	if words[0]|words[1]|words[2] == 0 {
		return appendUint64(dst, words[3])
	}
	const most = 1e16 // four digits at once
	var groups [20]uint16
	n := 0
	for words != [4]uint64{} {
		var rest uint64
		for i := range words {
			words[i], rest = bits.Div64(rest, words[i], most)
		}
		for end := n + 4; n < end; n++ {
			groups[n] = uint16(rest % four)
			rest /= four
		}
	}
	for groups[n-1] == 0 {
		n--
	}
	return appendGroups(dst, groups[:n], 0)
}

// appendBig appends two's complement, big-endian, as a numeric.
func appendBig(dst, b []byte) ([]byte, error) {
	x := new(big.Int).SetBytes(b)
	var sign uint16
	if len(b) > 0 && b[0]&0x80 != 0 {
		sign = negative
		x.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))), x)
	}
	if x.BitLen() > mostGroups*13 { // enough to spare the division below
		return nil, errTooLong(x)
	}
	text := x.Text(10)
	var groups []uint16
	for end := len(text); end > 0; end -= 4 {
		group := uint16(0)
		for _, digit := range []byte(text[max(end-4, 0):end]) {
			group = 10*group + uint16(digit-'0')
		}
		groups = append(groups, group)
	}
	if len(groups) > mostGroups {
		return nil, errTooLong(x)
	}
	if x.Sign() == 0 {
		groups = nil
	}
	return appendGroups(dst, groups, sign), nil
}

func errTooLong(x *big.Int) error {
	return fmt.Errorf("a number of %d bits is more than PostgreSQL's numeric holds, which has 131072 digits", x.BitLen())
}

// appendGroups appends a numeric of digits, the lowest first.
func appendGroups(dst []byte, groups []uint16, sign uint16) []byte {
	weight := len(groups) - 1
	for len(groups) > 0 && groups[0] == 0 {
		groups = groups[1:]
	}
	if len(groups) == 0 {
		weight = 0
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+2*len(groups)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(groups)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(weight))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	for _, group := range slices.Backward(groups) {
		dst = binary.BigEndian.AppendUint16(dst, group)
	}
	return dst
}

var errNumeric = errors.New("it is no numeric of whole numbers")

// DecimalOf reads a numeric without its length, and returns it as people write it.
func DecimalOf(b []byte) (string, error) {
	if len(b) < 8 {
		return "", errNumeric
	}
	n, weight, sign := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:]))), binary.BigEndian.Uint16(b[4:])
	digits := b[8:]
	if len(digits) != 2*n || n > 0 && weight < n-1 || sign&^negative != 0 {
		return "", errNumeric
	}
	if n == 0 {
		return "0", nil
	}
	var text []byte
	if sign == negative {
		text = append(text, '-')
	}
	for i := 0; i <= weight; i++ {
		group := uint16(0)
		if i < n {
			group = binary.BigEndian.Uint16(digits[2*i:])
		}
		if i == 0 {
			text = fmt.Appendf(text, "%d", group)
			continue
		}
		text = fmt.Appendf(text, "%04d", group)
	}
	return string(text), nil
}
