package fetch

import (
	"errors"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

const (
	// plenty is how many logs an answer should have at most, and plentyBytes how much text: more take long and gain nothing.
	plenty      = 10_000
	plentyBytes = 4 << 20
	// patience is how many ranges are answered before a limit that a node stated is put to the test again: another endpoint may
	// have stated it, or another plan hold.
	patience = 500
)

// rangeSize is how many blocks to ask logs of at once. It doubles until the node first objects, or answers with plenty or slowly; from
// then on it falls fast and rises slowly. A limit that the node states is kept to.
type rangeSize struct {
	most uint64
	slow time.Duration // that an answer takes at most

	mu     sync.Mutex // protects the fields below
	now    uint64
	limit  uint64 // stated by a node; 0: none
	kept   int    // ranges of the size of the limit that were answered
	warned bool   // the node has objected, or answered with plenty
	bytes  float64
}

func newRangeSize(first, most uint64, slow time.Duration) *rangeSize {
	return &rangeSize{now: min(first, most), most: most, slow: slow}
}

func (s *rangeSize) blocks() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// weight is about how many bytes the answer for a range has.
func (s *rangeSize) weight(blocks uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes == 0 {
		return answerBytes
	}
	return int(s.bytes * float64(blocks))
}

// remembered begins with what was learned of nodes before: a size that worked, and a limit that was stated; 0 where there is none.
func (s *rangeSize) remembered(blocks, limit uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if blocks > 0 {
		s.now, s.warned = min(blocks, s.most), true
	}
	if limit > 0 {
		s.limit = limit
		if blocks == 0 {
			s.now = min(limit, s.most)
		}
		s.now = min(s.now, limit)
	}
}

// worked notes that a range of a size was answered.
func (s *rangeSize) worked(size uint64, logs, bytes int, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if each := float64(bytes) / float64(size); s.bytes == 0 {
		s.bytes = each
	} else {
		s.bytes += (each - s.bytes) / 4
	}
	share := max(float64(logs)/plenty, float64(bytes)/plentyBytes, float64(d)/float64(s.slow))
	switch {
	case share > 1:
		s.warned = true
		s.now = min(s.now, max(1, uint64(float64(size)/share)))
	case size < s.now || share > 0.5:
		// it says nothing about larger ones, or they would be too large
	default:
		s.grow(size)
	}
}

func (s *rangeSize) grow(size uint64) {
	ceiling := s.most
	if s.limit > 0 {
		if s.kept++; size < s.limit || s.kept < patience {
			ceiling = min(ceiling, s.limit)
		} else {
			s.kept, s.limit = 0, 0
		}
	}
	if s.warned {
		s.now = min(ceiling, s.now+s.now/20+1)
		return
	}
	s.now = min(ceiling, 2*s.now)
}

// refused notes that a range was too large and returns how many blocks to ask for instead, fewer than it had.
func (s *rangeSize) refused(size uint64, err error) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warned = true
	piece := max(1, size/2)
	switch limit := limitOf(err); {
	case limit.Blocks > 0 && limit.Blocks < size:
		s.limit, s.kept = limit.Blocks, 0
		piece = s.limit
	case limit.To > 0:
		piece = max(1, min(size-1, limit.To-limit.From+1))
	default: // it said nothing, or something that cannot be the reason
	}
	s.now = min(s.now, piece)
	return piece
}

// limitOf is what the node said it would take.
func limitOf(err error) chain.Limit {
	if e, ok := errors.AsType[*chain.Error](err); ok {
		return e.Limit
	}
	return chain.Limit{}
}

// addressSplit is how many addresses to name in one call.
type addressSplit struct {
	mu   sync.Mutex // protects most
	most int
}

func (a *addressSplit) width() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// narrow halves a width that was too much; false if it cannot be halved.
func (a *addressSplit) narrow(width int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if width <= 1 {
		return false
	}
	a.most = min(a.most, width/2)
	return true
}
