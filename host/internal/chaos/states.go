package chaos

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// states reads what a host says now and then about its pipelines.
type states struct {
	mu        sync.Mutex
	rest      []byte
	pipelines map[string]place
}

// place is how far a pipeline said that it is, and how often in a row it said
// the same.
type place struct {
	head, committed string
	times           int
}

var stateLine = regexp.MustCompile(`^\d\d:\d\d:\d\d (\S+) \S+  head (\S+)  committed (\S+)`)

func (s *states) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, text...)
	for {
		line, rest, ok := bytes.Cut(s.rest, []byte("\n"))
		if !ok {
			return len(text), nil
		}
		if m := stateLine.FindSubmatch(line); m != nil {
			s.hear(string(m[1]), place{head: string(m[2]), committed: string(m[3])})
		}
		s.rest = rest
	}
}

func (s *states) hear(pipeline string, at place) {
	if s.pipelines == nil {
		s.pipelines = make(map[string]place)
	}
	before := s.pipelines[pipeline]
	at.times = 1
	if before.head == at.head && before.committed == at.committed {
		at.times += before.times
	}
	s.pipelines[pipeline] = at
}

// arrived tells whether so many pipelines have said twice in a row that they
// are at a head and stay where they are.
func (s *states) arrived(pipelines int, head uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, at := range s.pipelines {
		said, err := strconv.ParseUint(strings.ReplaceAll(at.head, ",", ""), 10, 64)
		if err == nil && said == head && at.times >= 2 {
			n++
		}
	}
	return n >= pipelines
}
