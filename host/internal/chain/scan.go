package chain

import (
	"bytes"
	"errors"
	"io"
)

// scanner finds values in JSON without decoding them: it looks at brackets and
// quotes only. Whether what is between them is right is the decoder's affair.
type scanner struct {
	text []byte
	at   int
}

var errMalformed = errors.New("it is not JSON")

// peek is the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take goes past the next byte if it is the one given.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// fault is why a byte was not there.
func (s *scanner) fault() error {
	if s.peek() == 0 {
		return io.ErrUnexpectedEOF
	}
	return errMalformed
}

// value goes past the next value and returns its text.
func (s *scanner) value() ([]byte, error) {
	c := s.peek()
	from := s.at
	ok := true
	switch c {
	case '"':
		ok = s.skipString()
	case '{', '[':
		ok = s.skipNested()
	default:
		s.skipWord()
	}
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	if s.at == from {
		return nil, s.fault()
	}
	return s.text[from:s.at:s.at], nil
}

// skipString goes from a quote past the one that ends the string.
func (s *scanner) skipString() bool {
	end := stringEnd(s.text, s.at+1)
	s.at = max(end, s.at)
	return end > 0
}

// stringEnd is what stands behind the string that began before i; -1 if it has no
// end.
func stringEnd(text []byte, i int) int {
	for {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		if text[i-2] != '\\' {
			return i
		}
		escapes := 1
		for text[i-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// skipNested goes from a bracket past the one that closes it. Most of what nodes
// answer is looked at here and nowhere else in the host.
func (s *scanner) skipNested() bool {
	text, i, depth := s.text, s.at, 0
	for i < len(text) {
		c := text[i]
		i++
		switch {
		case c == '"':
			if i = stringEnd(text, i); i < 0 {
				return false
			}
		case c|0x20 == '{': // or [
			depth++
		case c|0x20 == '}': // or ]
			if depth--; depth == 0 {
				s.at = i
				return true
			}
		}
	}
	return false
}

// skipWord goes past a number, true, false or null.
func (s *scanner) skipWord() {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ',', ']', '}', ':', '"', '{', '[', ' ', '\t', '\n', '\r':
			return
		}
	}
}

// members calls take with the members of an object, key without quotes.
func (s *scanner) members(take func(key, value []byte)) error {
	return s.membersUntil(func(key, value []byte) error {
		take(key, value)
		return nil
	})
}

// membersUntil is members until take returns an error.
func (s *scanner) membersUntil(take func(key, value []byte) error) error {
	if !s.take('{') {
		return s.fault()
	}
	if s.take('}') {
		return nil
	}
	for {
		key, value, err := s.member()
		if err != nil {
			return err
		}
		if err := take(key, value); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fault()
		}
	}
}

// member goes past a key and its value.
func (s *scanner) member() (key, value []byte, err error) {
	if key, err = s.key(); err != nil {
		return nil, nil, err
	}
	value, err = s.value()
	return key, value, err
}

// key goes past the key of a member, and the colon behind it.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fault()
	}
	key, err := s.value()
	if err != nil {
		return nil, err
	}
	if !s.take(':') {
		return nil, s.fault()
	}
	return key[1 : len(key)-1], nil
}

// elements calls take before each element of an array, for it to go past the
// element.
func (s *scanner) elements(take func() error) error {
	if !s.take('[') {
		return s.fault()
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := take(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fault()
		}
	}
}

// envelopes finds the answers in a body, about n of them. Nothing may follow.
func (s *scanner) envelopes(n int) ([]envelope, error) {
	s.peek()
	if all, certain := s.alike(n); certain {
		return all, nil
	}
	all := make([]envelope, 0, min(n, 1<<10))
	one := func() error {
		e, _, err := s.envelope()
		all = append(all, e)
		return err
	}
	each := one
	if s.peek() == '[' {
		each = func() error { return s.elements(one) }
	}
	if err := each(); err != nil {
		return nil, err
	}
	if s.peek() != 0 {
		return nil, errMalformed
	}
	return all, nil
}

// element is the text of one element of an array in JSON, nil if there is none.
func element(array []byte, index int) []byte {
	s := scanner{text: array}
	var found []byte
	at := 0
	_ = s.elements(func() error { // what is malformed has no such element
		value, err := s.value()
		if at == index {
			found = value
		}
		at++
		return err
	})
	return found
}

// member is the text of one member of an object in JSON, nil if there is none.
func member(object []byte, name string) []byte {
	s := scanner{text: object}
	var found []byte
	_ = s.members(func(key, value []byte) { // what is malformed has no such member
		if string(key) == name {
			found = value
		}
	})
	return found
}
