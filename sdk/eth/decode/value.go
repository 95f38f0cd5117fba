package decode

import (
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// The methods here read the value of the member or element at hand. Those that take a pointer leave what it points to as it is where the
// value is null, or the empty text that some nodes write for what they do not have, and report whether there was a value.

// quantity is a number of 64 bits.
func (s *scanner) quantity(into *uint64) bool {
	text := s.digits()
	if len(text) == 0 {
		return false
	}
	n, ok := parseQuantity(text)
	if !ok {
		if n, ok = parseQuantity(s.again()); !ok {
			s.fail(text, "not a number of 64 bits in hex")
		}
	}
	*into = n
	return true
}

// octet is a number of 8 bits.
func (s *scanner) octet(into *uint8) {
	text := s.digits()
	if len(text) == 0 {
		return
	}
	n, ok := parseQuantity(text)
	if !ok {
		n, ok = parseQuantity(s.again())
	}
	if !ok || n > 255 {
		s.fail(text, "not a number of 8 bits in hex")
	}
	*into = uint8(n)
}

// word is a number of 256 bits.
func (s *scanner) word(into *uint256.Int) bool {
	text := s.digits()
	if len(text) == 0 {
		return false
	}
	if !parseWord(text, into) && !parseWord(s.again(), into) {
		s.fail(text, "not a number of 256 bits in hex")
	}
	return true
}

// hash is 32 bytes.
func (s *scanner) hash(into *common.Hash) bool {
	const size = 2 + 64 + 2 // 0x, the digits, the quotes
	if s.peek() == '"' && len(s.raw)-s.pos >= size {
		text := s.raw[s.pos : s.pos+size]
		if text[size-1] == '"' && parseFixed(into[:], text[1:size-1]) {
			s.pos += size
			return true
		}
	}
	return s.fixed(into[:], "not 32 bytes in hex")
}

// address is 20 bytes.
func (s *scanner) address(into *common.Address) bool {
	return s.fixed(into[:], "not 20 bytes in hex")
}

// fixed fills into from as many bytes.
func (s *scanner) fixed(into []byte, problem string) bool {
	text := s.digits()
	if len(text) == 0 {
		return false
	}
	if !parseFixed(into, text) && !parseFixed(into, s.again()) {
		s.fail(text, problem)
	}
	return true
}

// farthest is the last second that fits a timestamp in nanoseconds.
const farthest = 1<<63/1_000_000_000 - 1

// time is a number of seconds since 1970.
func (s *scanner) time(into *time.Time) bool {
	text := s.digits()
	if len(text) == 0 {
		return false
	}
	n, ok := parseQuantity(text)
	if !ok {
		n, ok = parseQuantity(s.again())
	}
	switch {
	case !ok:
		s.fail(text, "not a number of 64 bits in hex")
	case n > farthest:
		s.fail(text, "later than the year 2262")
	default:
		*into = time.Unix(int64(n), 0).UTC()
	}
	return true
}

// integer is a number of 64 bits that is written in digits, or in hex after all.
func (s *scanner) integer(into *uint64) bool {
	c := s.peek()
	if c == '"' || c == 'n' {
		return s.quantity(into)
	}
	if c-'0' > 9 {
		s.wrong("a whole number")
		return false
	}
	from := s.pos
	s.skipNumber()
	n, err := strconv.ParseUint(string(excerptOf(s.raw[from:s.pos])), 10, 64)
	if err != nil {
		s.fail(s.raw[from:s.pos], "not a whole number of 64 bits")
	}
	*into = n
	return true
}

// float is a number, which may be written as text.
func (s *scanner) float(into *float64) bool {
	var text []byte
	switch c := s.peek(); {
	case c == '"' || c == 'n':
		if text = s.text(); len(text) == 0 {
			return false
		}
	case c == '-' || c-'0' < 10:
		from := s.pos
		s.skipNumber()
		text = s.raw[from:s.pos]
	default:
		s.wrong("a number")
		return false
	}
	f, err := strconv.ParseFloat(string(excerptOf(text)), 64)
	if err != nil {
		s.fail(text, "not a number")
	}
	*into = f
	return true
}

// excerptOf is a number, unless it is longer than any number needs to be: then it is something that is no number.
func excerptOf(number []byte) []byte {
	if len(number) > 400 {
		return nil
	}
	return number
}

// cut takes n elements from a pool that is filled a piece at a time.
func cut[T any](pool *[]T, n, piece int) []T {
	if len(*pool) < n {
		*pool = make([]T, max(n, piece))
	}
	out := (*pool)[:n:n]
	*pool = (*pool)[n:]
	return out
}

// optQuantity is nil where the node left the number out.
func (d *Decoder) optQuantity() *uint64 {
	var n uint64
	if !d.quantity(&n) {
		return nil
	}
	p := &cut(&d.nums, 1, 64)[0]
	*p = n
	return p
}

func (d *Decoder) optWord() *uint256.Int {
	var n uint256.Int
	if !d.word(&n) {
		return nil
	}
	p := &cut(&d.words, 1, 64)[0]
	*p = n
	return p
}

// optHash is nil for 0x too.
func (d *Decoder) optHash() *common.Hash {
	text := d.digits()
	if len(text) == 0 || string(text) == "0x" {
		return nil
	}
	p := &cut(&d.hashes, 1, 64)[0]
	if !parseFixed(p[:], text) && !parseFixed(p[:], d.again()) {
		d.fail(text, "not 32 bytes in hex")
	}
	return p
}

// optAddress is nil for 0x too.
func (d *Decoder) optAddress() *common.Address {
	text := d.digits()
	if len(text) == 0 || string(text) == "0x" {
		return nil
	}
	p := &cut(&d.addrs, 1, 64)[0]
	if !parseFixed(p[:], text) && !parseFixed(p[:], d.again()) {
		d.fail(text, "not 20 bytes in hex")
	}
	return p
}

// data is bytes of any length; nil if there are none.
func (d *Decoder) data() []byte {
	text := d.digits()
	out, ok := d.decoded(text)
	if !ok {
		if out, ok = d.decoded(d.again()); !ok {
			d.fail(text, "not bytes in hex")
		}
	}
	return out
}

// decoded copies bytes out of their digits.
func (d *Decoder) decoded(text []byte) ([]byte, bool) {
	if len(text) == 0 {
		return nil, true
	}
	digits, ok := hexDigits(text)
	if !ok || len(digits)%2 != 0 || len(digits) == 0 {
		return nil, ok && len(digits) == 0
	}
	out := cut(&d.bytes, len(digits)/2, 32<<10)
	return out, decodeHex(out, digits)
}

// hashList is a list of hashes; nil if it is empty.
func (d *Decoder) hashList() []common.Hash {
	list := d.hashPart[:0]
	for d.begin('['); d.element(); {
		var h common.Hash
		if !d.hash(&h) {
			d.fail(nil, "not 32 bytes in hex")
		}
		list = append(list, h)
	}
	d.hashPart = list
	if len(list) == 0 {
		return nil
	}
	out := cut(&d.hashes, len(list), 256)
	copy(out, list)
	return out
}

// rows copies what was read into memory of its own, and lets go of what it points to.
func rows[T any](scratch []T) []T {
	if len(scratch) == 0 {
		return nil
	}
	out := make([]T, len(scratch))
	copy(out, scratch)
	clear(scratch)
	return out
}
