package decode

import (
	"encoding/json"

	"github.com/holiman/uint256"
)

// Skip steps over an answer of any kind.
func Skip(raw []byte) error {
	var s scanner
	s.reset(raw)
	s.skip()
	s.end()
	return s.err
}

// Any reads an answer of any kind with what reads rows.
func Any(raw []byte) (any, error) {
	var s scanner
	s.reset(raw)
	v := s.any()
	s.end()
	return v, s.err
}

func (s *scanner) any() any {
	switch s.peek() {
	case '{':
		out := map[string]any{}
		for s.begin('{'); s.member(); {
			name := string(s.key)
			out[name] = s.any()
		}
		return out
	case '[':
		out := []any{}
		for s.begin('['); s.element(); {
			out = append(out, s.any())
		}
		return out
	case '"':
		return string(s.text())
	case 't', 'f':
		return s.boolean()
	case 'n':
		s.text()
		return nil
	}
	from := s.pos
	s.skipNumber()
	return json.Number(s.raw[from:s.pos])
}

// Hex reads text as each kind of number, and as bytes.
func Hex(text string) (quantity uint64, word uint256.Int, data []byte, isQuantity, isWord, isData bool) {
	quantity, isQuantity = parseQuantity([]byte(text))
	isWord = parseWord([]byte(text), &word)
	digits, ok := hexDigits([]byte(text))
	data = make([]byte, len(digits)/2)
	return quantity, word, data, isQuantity, isWord, ok && decodeHex(data, digits)
}
