package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
)

// deepest is how far values may be nested, as in encoding/json. The calls of a transaction reach a fifth of it.
const deepest = 10_000

// scanner reads JSON from its beginning to its end, once, straight into where the values go. Its first error stays: from then on there is
// nothing more to read, so that loops over members and elements end.
//
// An object is read with
//
//	for s.begin('{'); s.member(); {
//		switch string(s.key) { … } // which reads the value or skips it
//	}
//
// and an array likewise with s.begin('[') and s.element().
type scanner struct {
	raw   []byte
	pos   int
	from  int // where the text at hand begins
	err   error
	key   []byte // of the member at hand
	first bool   // nothing was read yet of the object or array at hand
	depth int
	open  []byte // what skip is in; kept for its memory

	part  string // what of the answer is read, for messages: transaction
	index int    // which of them
	list  string // the list within it, for messages: accessList.
	void  bool   // the object or array at hand is null: it has no members
}

func (s *scanner) reset(raw []byte) {
	s.raw, s.pos, s.err, s.key, s.first, s.depth, s.void = raw, 0, nil, nil, false, 0, false
	s.part, s.list = "", ""
}

// excerpt shows the beginning of an answer.
func excerpt(raw []byte) string {
	const most = 120
	if len(raw) <= most {
		return string(raw)
	}
	return string(raw[:most]) + "…"
}

// stop ends the reading.
func (s *scanner) stop(err error) {
	if s.err == nil {
		s.err = err
	}
	s.pos = len(s.raw)
}

// broken says that the answer is no JSON from here on.
func (s *scanner) broken(problem string) {
	if s.pos >= len(s.raw) {
		problem = "it ends too early"
	}
	s.stop(fmt.Errorf("decode %s: byte %d: %s", excerpt(s.raw), s.pos, problem))
}

// fail says that the value of the member at hand is not what it should be.
func (s *scanner) fail(value []byte, problem string) {
	s.failAt(string(s.key), value, problem)
}

func (s *scanner) failAt(field string, value []byte, problem string) {
	where := ""
	if s.part != "" {
		where = fmt.Sprintf("%s %d: ", s.part, s.index)
	}
	s.stop(fmt.Errorf("%sfield %s%s is %q: %s", where, s.list, excerpt([]byte(field)), excerpt(value), problem))
}

// missing says that a member which the answer means nothing without is not there.
func (s *scanner) missing(field string) { s.failAt(field, nil, "missing") }

// peek is the first byte of the next token, and 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.raw) {
		c := s.raw[s.pos]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		s.pos++
	}
	if s.pos >= len(s.raw) {
		return 0
	}
	return s.raw[s.pos]
}

// end checks that nothing follows.
func (s *scanner) end() {
	if s.err == nil && (s.peek() != 0 || s.pos < len(s.raw)) {
		s.broken("something follows the answer")
	}
}

// begin enters an object or array. For null it enters one that is empty.
func (s *scanner) begin(bracket byte) {
	c := s.peek()
	switch {
	case s.err != nil:
	case c == bracket:
		s.pos++
		s.first = true
		if s.depth++; s.depth > deepest {
			s.broken("it is nested too deeply")
		}
	case c == 'n':
		s.literal("null")
		s.void = s.err == nil
	case bracket == '[':
		s.wrong("a list")
	default:
		s.wrong("an object")
	}
}

// wrong says that the value at hand is of another type.
func (s *scanner) wrong(want string) {
	if s.depth == 0 || s.pos >= len(s.raw) {
		s.broken("want " + want)
		return
	}
	from := s.pos
	s.fail(s.raw[from:min(len(s.raw), from+40)], "not "+want)
}

// member goes to the value of the next member of an object and notes its key. It returns false at the end of the object.
func (s *scanner) member() bool {
	if s.void || s.err != nil {
		s.void = false
		return false
	}
	if !s.next('}') {
		return false
	}
	if s.peek() != '"' {
		s.broken("want the name of a field")
		return false
	}
	s.key = s.name()
	if s.peek() != ':' {
		s.broken("want a colon")
		return false
	}
	s.pos++
	return s.err == nil
}

// name reads the name of a member. Eight bytes are looked at together, of which the first that stands out is nearly always the quote at its
// end.
func (s *scanner) name() []byte {
	from := s.pos + 1
	for i := from; len(s.raw)-i >= 8; i += 8 {
		out := standOut(binary.LittleEndian.Uint64(s.raw[i:]))
		if out == 0 {
			continue
		}
		if i += bits.TrailingZeros64(out) / 8; s.raw[i] != '"' {
			break
		}
		s.pos = i + 1
		return s.raw[from:i]
	}
	return s.quoted()
}

// element goes to the next element of an array. It returns false at the end of the array.
func (s *scanner) element() bool {
	if s.void || s.err != nil {
		s.void = false
		return false
	}
	return s.next(']')
}

// next steps over the comma, or over the closing bracket and out.
func (s *scanner) next(closing byte) bool {
	c := s.peek()
	if c == closing {
		s.pos++
		s.depth--
		s.first = false
		return false
	}
	if s.first {
		s.first = false
		return true
	}
	if c != ',' {
		s.broken("want a comma or the end of a list or object")
		return false
	}
	s.pos++
	if s.peek() == closing {
		s.broken("a comma with nothing after it")
		return false
	}
	return true
}

// literal steps over null, true or false.
func (s *scanner) literal(word string) {
	if !bytes.HasPrefix(s.raw[s.pos:], []byte(word)) {
		s.broken("no such value")
		return
	}
	s.pos += len(word)
}

// text reads a string, nil for null. It is part of the answer where it can be, so it must be copied before the answer is used again.
func (s *scanner) text() []byte {
	switch s.peek() {
	case '"':
		return s.quoted()
	case 'n':
		s.literal("null")
		return nil
	}
	s.wrong("text")
	return nil
}

// digits reads text that should be hex, and nil for null. It only looks for the quote at its end: whether there is anything else than
// digits shows when they are read, and then again reads it as the text it may be.
func (s *scanner) digits() []byte {
	if s.peek() == '"' {
		s.from = s.pos
		if n := bytes.IndexByte(s.raw[s.pos+1:], '"'); n >= 0 {
			s.pos += n + 2
			return s.raw[s.pos-n-1 : s.pos-1]
		}
	}
	return s.text()
}

// again reads what digits read as any text, of which some of the characters may be escaped.
func (s *scanner) again() []byte {
	if s.err == nil {
		s.pos = s.from
	}
	return s.text()
}

// quoted reads a string without its quotes.
func (s *scanner) quoted() []byte {
	from := s.pos
	escaped := s.skipString()
	if s.err != nil {
		return nil
	}
	inner := s.raw[from+1 : s.pos-1]
	if !escaped {
		return inner
	}
	var out string
	if err := json.Unmarshal(s.raw[from:s.pos], &out); err != nil {
		s.pos = from
		s.broken(err.Error())
		return nil
	}
	return []byte(out)
}

// boolean reads true or false; null is false.
func (s *scanner) boolean() bool {
	switch s.peek() {
	case 't':
		s.literal("true")
		return s.err == nil
	case 'f':
		s.literal("false")
		return false
	case 'n':
		s.literal("null")
		return false
	}
	s.wrong("true or false")
	return false
}
