package registry

import (
	"fmt"
	"maps"
	"sync"
)

// Numbers gives every register its byte in a PID. The same name has the same
// number for ever; a number is never given to a second name.
type Numbers interface {
	Number(register string) (uint8, error)
}

// FirstNumber is the first number that is assigned. Those below it are kept
// for registers whose numbers are fixed.
const FirstNumber uint8 = 16

// FixedNumber returns the number of a register that has the same one on every
// host.
func FixedNumber(register string) (uint8, bool) {
	switch register {
	case "eth.headers":
		return 1, true
	case "eth.logs":
		return 2, true
	}
	return 0, false
}

// NextNumber returns the lowest number that is not yet taken: it is what an
// implementation of Numbers gives to a register it sees for the first time.
// Numbers run out after 240 registers.
func NextNumber(register string, taken func(uint8) bool) (uint8, error) {
	for n := int(FirstNumber); n <= 255; n++ {
		if !taken(uint8(n)) {
			return uint8(n), nil
		}
	}
	return 0, fmt.Errorf("number register %q: all numbers from %d to 255 are given; a host knows at most %d registers besides the fixed ones",
		register, FirstNumber, 256-int(FirstNumber))
}

// MemoryNumbers assigns numbers in order of first sight and forgets them with
// the program. The zero value is ready; it is safe for concurrent use.
type MemoryNumbers struct {
	mu    sync.Mutex
	given map[string]uint8
	taken [256]bool
}

// Number returns the register's number, giving it one at first sight.
func (m *MemoryNumbers) Number(register string) (uint8, error) {
	if n, ok := FixedNumber(register); ok {
		return n, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.given[register]; ok {
		return n, nil
	}
	n, err := NextNumber(register, func(n uint8) bool { return m.taken[n] })
	if err != nil {
		return 0, err
	}
	if m.given == nil {
		m.given = make(map[string]uint8)
	}
	m.given[register], m.taken[n] = n, true
	return n, nil
}

// All returns a copy of the numbers given so far, the fixed ones aside.
func (m *MemoryNumbers) All() map[string]uint8 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.given)
}
