package decode

import "encoding/binary"

// skip steps over a value of any kind and checks that it is JSON. It does not call itself: how deep a value is nested costs a byte
// per level.
func (s *scanner) skip() {
	s.open = s.open[:0]
	for {
		switch c := s.peek(); c {
		case '{', '[':
			if !s.enter(c) {
				return
			}
			continue
		case '"':
			s.skipString()
		case 't':
			s.literal("true")
		case 'f':
			s.literal("false")
		case 'n':
			s.literal("null")
		default:
			s.skipNumber()
		}
		if !s.leave() {
			return
		}
	}
}

// enter opens an object or array that skip came to and goes on to the next value, which is in it unless it is empty. It returns false
// where there is none.
func (s *scanner) enter(bracket byte) bool {
	s.pos++
	s.open = append(s.open, bracket+2) // { and }, [ and ] are two apart
	if s.depth+len(s.open) > deepest {
		s.broken("it is nested too deeply")
		return false
	}
	if s.peek() == bracket+2 {
		s.pos++
		s.open = s.open[:len(s.open)-1]
		return s.leave()
	}
	return bracket == '[' || s.skipName()
}

// leave goes on to the next value after one that has ended, closing what ends with it. It returns false once there is none.
func (s *scanner) leave() bool {
	for s.err == nil && len(s.open) > 0 {
		closing := s.open[len(s.open)-1]
		switch s.peek() {
		case ',':
			s.pos++
			return closing == ']' || s.skipName()
		case closing:
			s.pos++
			s.open = s.open[:len(s.open)-1]
		default:
			s.broken("want a comma or the end of a list or object")
		}
	}
	return false
}

// skipName steps over the name of a member and its colon.
func (s *scanner) skipName() bool {
	if s.peek() != '"' {
		s.broken("want the name of a field")
		return false
	}
	s.skipString()
	if s.err == nil && s.peek() != ':' {
		s.broken("want a colon")
	}
	if s.err != nil {
		return false
	}
	s.pos++
	return true
}

// skipString steps over a string and reports whether it has escapes. Eight bytes are looked at together: nearly all that nodes answer is
// hex, in which nothing stands out but the quote at its end.
func (s *scanner) skipString() (escaped bool) {
	for i := s.pos + 1; ; {
		for len(s.raw)-i >= 8 {
			x := binary.LittleEndian.Uint64(s.raw[i:])
			if standOut(x) != 0 {
				break
			}
			i += 8
		}
		for i < len(s.raw) && plain(s.raw[i]) {
			i++
		}
		switch {
		case i >= len(s.raw):
			s.pos = i
			s.broken("")
			return false
		case s.raw[i] == '"':
			s.pos = i + 1
			return escaped
		case s.raw[i] != '\\':
			s.pos = i
			s.broken("a control character in a string")
			return false
		}
		escaped = true
		if i = s.escape(i); s.err != nil {
			return false
		}
	}
}

// plain is a byte that stands for itself in a string.
func plain(c byte) bool { return c != '"' && c != '\\' && c >= ' ' }

// standOut has the highest bit set in each of eight bytes that may not be plain. It may say so of bytes that are: those from 0x80 on, and
// those behind the first one that it says so of.
func standOut(x uint64) uint64 {
	const high = 0x80 * ones
	quote, slash := x^('"'*ones), x^('\\'*ones)
	return ((quote - ones) | (slash - ones) | (x - 0x20*ones) | x) & high
}

// escape steps over the escape at i.
func (s *scanner) escape(i int) int {
	if i+1 < len(s.raw) {
		switch s.raw[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return i + 2
		case 'u':
			if i+6 > len(s.raw) {
				break
			}
			for _, c := range s.raw[i+2 : i+6] {
				if nibble(c) > 15 {
					s.pos = i
					s.broken("no such escape")
					return i
				}
			}
			return i + 6
		default:
			s.pos = i
			s.broken("no such escape")
			return i
		}
	}
	s.pos = len(s.raw)
	s.broken("")
	return i
}

// skipNumber steps over a number.
func (s *scanner) skipNumber() {
	from := s.pos
	if s.at('-') {
		s.pos++
	}
	if s.at('0') {
		s.pos++
	} else if !s.decimals() {
		s.pos = from
		s.broken("no such value")
		return
	}
	if s.at('.') {
		s.pos++
		if !s.decimals() {
			s.broken("a number without digits after its point")
			return
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.decimals() {
			s.broken("a number without digits in its exponent")
		}
	}
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.raw) && s.raw[s.pos] == c }

// decimals steps over digits, of which there must be one.
func (s *scanner) decimals() bool {
	from := s.pos
	for s.pos < len(s.raw) && s.raw[s.pos]-'0' < 10 {
		s.pos++
	}
	return s.pos > from
}
