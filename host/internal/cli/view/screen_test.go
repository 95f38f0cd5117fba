package view_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// screen is a terminal: it knows the sequences that the view uses and no
// others.
type screen struct {
	tb testing.TB

	mu            sync.Mutex
	width, height int
	cells         [][]rune // what is visible
	scrolled      []string // what has left at the top
	row, column   int
	noWrap        bool
	hidden        bool
}

func newScreen(tb testing.TB, width, height int) *screen {
	tb.Helper()
	return &screen{tb: tb, width: width, height: height, cells: make([][]rune, height)}
}

func (s *screen) size() (int, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width, s.height
}

// narrow makes the window narrower, as terminals do that wrap what no longer
// fits.
func (s *screen) narrow(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.cells[:s.row+1]
	s.width, s.cells, s.row, s.column = width, make([][]rune, s.height), 0, 0
	for i, line := range old {
		for _, r := range line {
			s.put(r)
		}
		if i < len(old)-1 {
			s.newline()
			s.column = 0
		}
	}
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := string(text); rest != ""; {
		if sequence, ok := strings.CutPrefix(rest, "\x1b["); ok {
			end := strings.IndexFunc(sequence, func(r rune) bool { return r >= '@' })
			s.control(sequence[:end], sequence[end])
			rest = sequence[end+1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		switch r {
		case '\r':
			s.column = 0
		case '\n': // as terminals take it from programs that have not changed their mode
			s.newline()
			s.column = 0
		default:
			s.put(r)
		}
		rest = rest[size:]
	}
	return len(text), nil
}

func (s *screen) newline() {
	if s.row++; s.row < s.height {
		return
	}
	s.row--
	s.scrolled = append(s.scrolled, string(s.cells[0]))
	s.cells = append(s.cells[1:], nil)
}

func (s *screen) put(r rune) {
	if s.column == s.width {
		if s.noWrap {
			s.column--
		} else {
			s.newline()
			s.column = 0
		}
	}
	line := s.cells[s.row]
	for len(line) <= s.column {
		line = append(line, ' ')
	}
	line[s.column] = r
	s.cells[s.row] = line
	s.column++
}

func (s *screen) control(argument string, command byte) {
	switch {
	case command == 'm':
	case command == 'A':
		n, err := strconv.Atoi(argument)
		if err != nil {
			s.tb.Errorf("cursor up by %q", argument)
		}
		s.row = max(s.row-n, 0)
	case command == 'K':
		s.cells[s.row] = s.cells[s.row][:min(s.column, len(s.cells[s.row]))]
	case command == 'J':
		s.cells[s.row] = s.cells[s.row][:min(s.column, len(s.cells[s.row]))]
		for i := s.row + 1; i < s.height; i++ {
			s.cells[i] = nil
		}
	case argument == "?7":
		s.noWrap = command == 'l'
	case argument == "?25":
		s.hidden = command == 'l'
	case argument == "?2026":
	default:
		s.tb.Errorf("unknown sequence %q %c", argument, command)
	}
}

// text is what is visible, without space at the ends of lines.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, line := range s.cells {
		out.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// everything is also what has left at the top.
func (s *screen) everything() string {
	visible := s.text()
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(append([]string(nil), s.scrolled...), visible), "\n")
}

// restored tells whether the terminal is as it was found.
func (s *screen) restored() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.hidden && !s.noWrap && s.column == 0
}
