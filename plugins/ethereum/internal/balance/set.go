package balance

import (
	"bytes"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Set is the addresses whose balances are read. It may change while they are. It is safe for concurrent use.
type Set struct {
	fixed []common.Address

	mu  sync.Mutex // protects now
	now []common.Address
}

// NewSet makes a set that always has some addresses.
func NewSet(fixed []common.Address) *Set {
	s := &Set{fixed: fixed}
	s.Put(nil)
	return s
}

// Put makes the set those words, besides the addresses that it always has, and returns the words that are no addresses.
func (s *Set) Put(words []string) (others []string) {
	all := slices.Clone(s.fixed)
	for _, word := range words {
		if !common.IsHexAddress(word) {
			others = append(others, word)
			continue
		}
		all = append(all, common.HexToAddress(word))
	}
	slices.SortFunc(all, func(a, b common.Address) int { return bytes.Compare(a[:], b[:]) })
	all = slices.Compact(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = all
	return others
}

// Addresses are those of the set now, ascending. They do not change.
func (s *Set) Addresses() []common.Address {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}
