package fetch

import (
	"errors"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/chain"
)

// plenty is how many logs an answer should have at most: more take long and gain nothing.
const plenty = 10_000

// rangeSize is how many blocks to ask logs of at once. It doubles until the node first objects or there are plenty of logs; from then
// on it falls fast and rises slowly. A limit that the node states is never exceeded again.
type rangeSize struct {
	mu     sync.Mutex // protects the fields below
	now    uint64
	most   uint64
	warned bool // the node has objected, or answered with plenty
}

func newRangeSize(first, most uint64) *rangeSize {
	return &rangeSize{now: min(first, most), most: most}
}

func (s *rangeSize) blocks() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// worked notes that a range of a size was answered with some logs.
func (s *rangeSize) worked(size uint64, logs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case logs > plenty:
		s.warned = true
		s.now = min(s.now, max(1, size*plenty/uint64(logs)))
	case size < s.now || logs > plenty/2:
		// it says nothing about larger ones, or they would be too large
	case s.warned:
		s.now = min(s.most, s.now+s.now/20+1)
	default:
		s.now = min(s.most, 2*s.now)
	}
}

// refused notes that a range was too large and returns how many blocks to ask for instead, fewer than it had.
func (s *rangeSize) refused(size uint64, err error) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warned = true
	piece := max(1, size/2)
	switch limit := limitOf(err); {
	case limit.Blocks > 0:
		s.most = max(1, min(s.most, limit.Blocks, size-1))
		piece = s.most
	case limit.To > 0:
		piece = max(1, min(size-1, limit.To-limit.From+1))
	}
	s.now = min(s.now, piece)
	return piece
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

// of cuts addresses into parts; one part without any if there are none.
func (a *addressSplit) of(addresses []common.Address) [][]common.Address {
	most := a.width()
	var parts [][]common.Address
	for len(addresses) > most {
		parts = append(parts, addresses[:most])
		addresses = addresses[most:]
	}
	return append(parts, addresses)
}

// limitOf is what the node said it would take.
func limitOf(err error) chain.Limit {
	if e, ok := errors.AsType[*chain.Error](err); ok {
		return e.Limit
	}
	return chain.Limit{}
}
