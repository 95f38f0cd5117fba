package config

import "bytes"

// maxDepth bounds how deep an expression may be. The parser and the evaluator
// recurse, and a stack that overflows takes the program with it.
const maxDepth = 1000

// layout is what can be told about a source without parsing it.
type layout struct {
	cuts    []int // beginnings of lines at which nothing is open
	tooDeep int   // where maxDepth is exceeded, -1 if nowhere
}

// scan finds the layout of a source. It knows comments, strings, templates and
// heredocs, and errs towards more depth where a source is malformed.
func scan(src []byte) layout {
	s := scanner{src: src, open: []opening{{kind: '\n'}}}
	found := layout{tooDeep: -1}
	for s.at < len(src) {
		top := s.open[len(s.open)-1].kind
		newline := src[s.at] == '\n'
		switch top {
		case '"', '<':
			s.text(top)
		default:
			s.code()
		}
		if newline && len(s.open) == 1 {
			found.cuts = append(found.cuts, s.at)
		}
		if len(s.open)+s.operators > maxDepth {
			found.tooDeep = min(s.at, len(src)-1)
			return found
		}
	}
	return found
}

// opening is something that will be closed: a bracket, a string ("), a heredoc
// (<) or a template sequence ($) within one of these.
type opening struct {
	kind      byte
	operators int    // operators of the expression within that stand beside each other
	end       []byte // the line that ends a heredoc
}

type scanner struct {
	src       []byte
	at        int
	open      []opening
	operators int // sum over all that is open
}

func (s *scanner) push(o opening) { s.open = append(s.open, o) }

func (s *scanner) pop() {
	if len(s.open) == 1 {
		return
	}
	s.forget()
	s.open = s.open[:len(s.open)-1]
}

// forget begins a new expression.
func (s *scanner) forget() {
	top := &s.open[len(s.open)-1]
	s.operators -= top.operators
	top.operators = 0
}

func (s *scanner) operator() {
	s.open[len(s.open)-1].operators++
	s.operators++
}

func (s *scanner) has(prefix string) bool {
	return bytes.HasPrefix(s.src[s.at:], []byte(prefix))
}

// code moves over one token, or one byte of it, outside of text.
func (s *scanner) code() {
	c := s.src[s.at]
	switch {
	case c == '#', s.has("//"):
		s.skipTo("\n", 0)
		return
	case s.has("/*"):
		s.skipTo("*/", 2)
		return
	case s.has("<<"):
		s.heredoc()
		return
	}
	s.at++
	switch c {
	case '"':
		s.push(opening{kind: '"'})
	case '(', '[', '{':
		s.operator()
		s.push(opening{kind: c})
	case ')', ']', '}':
		s.pop()
	case ',':
		s.forget()
	case '\n':
		if top := s.open[len(s.open)-1].kind; top == '{' || top == '\n' {
			s.forget()
		}
	case '!', '-', '+', '*', '/', '%', '?', '&', '|', '=', '<', '>', '.':
		s.operator()
	}
}

// text moves over one byte, or one escape, of a string or heredoc.
func (s *scanner) text(kind byte) {
	switch {
	case s.has("$${"), s.has("%%{"):
		s.at += 3
	case s.has("${"), s.has("%{"):
		if s.src[s.at] == '%' {
			s.operator() // what stands between two directives is nested
		}
		s.push(opening{kind: '$'})
		s.at += 2
	case kind == '<' && s.src[s.at] == '\n':
		s.at++
		s.endHeredoc()
	case kind == '"' && s.src[s.at] == '\\':
		s.at = min(s.at+2, len(s.src))
	case kind == '"' && (s.src[s.at] == '"' || s.src[s.at] == '\n'):
		s.pop()
		s.at++
	default:
		s.at++
	}
}

// heredoc enters one, if this is what begins here.
func (s *scanner) heredoc() {
	line := s.src[s.at+2:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	word := bytes.TrimSpace(bytes.TrimPrefix(line, []byte("-")))
	if len(word) == 0 || bytes.ContainsAny(word, " \t\"(){}[]<>=,.#/") {
		s.operator()
		s.at += 2
		return
	}
	s.at = min(s.at+2+len(line)+1, len(s.src))
	s.push(opening{kind: '<', end: word})
	s.endHeredoc()
}

// endHeredoc leaves the heredoc if the line that begins here ends it.
func (s *scanner) endHeredoc() {
	line := s.src[s.at:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	if bytes.Equal(bytes.TrimSpace(line), s.open[len(s.open)-1].end) {
		s.pop()
		s.at += len(line)
	}
}

// skipTo moves to the next end, or past it, or to the end of the source.
func (s *scanner) skipTo(end string, past int) {
	offset := bytes.Index(s.src[s.at:], []byte(end))
	if offset < 0 {
		s.at = len(s.src)
		return
	}
	s.at += offset + past
}
