package protocol

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
)

// search visits every state that can be reached, breadth first, so that a
// counterexample is as short as any. It remembers a state as 64 bits of hash:
// with ten million states the odds that any two are taken for one are below one
// in 100,000. Which states are told apart differs from run to run, with the
// seed of the hash.
type search struct {
	*model
	seed maphash.Seed

	seen    table
	parents []uint32 // by state
	steps   []action // that led to it
	edges   []uint32 // successors without further faults, of one state after the other
	ends    []uint64 // where those of each state end
	good    []bool   // nothing is left to do
}

// finding is how a promise can be broken.
type finding struct {
	what  string
	trace []string
}

func (f *finding) String() string {
	return f.what + "\n\t" + strings.Join(f.trace, "\n\t")
}

// check explores the model and returns the first broken promise, nil if there
// is none, and how many states it has seen.
func check(tb testing.TB, m *model) (*finding, int) {
	tb.Helper()
	c := &search{model: m, seed: maphash.MakeSeed(), seen: newTable()}
	level := []state{m.initial()}
	c.visit(&level[0], 0, action{})
	first := uint32(0) // number of the first state of the level
	var below []state
	for len(level) > 0 {
		for i := range level {
			at := first + uint32(i)
			m.expand(&level[i])
			for j := range m.next {
				n := &m.next[j]
				id, fresh := c.visit(n, at, m.actions[j])
				if !m.actions[j].fault() {
					c.edges = append(c.edges, id)
				}
				if !fresh {
					continue
				}
				if what := m.violation(n); what != "" {
					return c.explain(id, what), len(c.parents)
				}
				below = append(below, *n)
			}
			c.ends = append(c.ends, uint64(len(c.edges)))
		}
		first += uint32(len(level))
		level, below = below, level[:0]
	}
	if stuck, ok := c.stuck(); ok {
		return c.explain(stuck, "from here nothing leads to the end any more"), len(c.parents)
	}
	return nil, len(c.parents)
}

// visit gives a state its number.
func (c *search) visit(s *state, parent uint32, by action) (id uint32, fresh bool) {
	id, fresh = c.seen.number(maphash.Comparable(c.seed, *s), uint32(len(c.parents)))
	if fresh {
		c.parents = append(c.parents, parent)
		c.steps = append(c.steps, by)
		c.good = append(c.good, c.done(s))
	}
	return id, fresh
}

// stuck finds the first state from which no end can be reached unless there is
// another fault.
func (c *search) stuck() (uint32, bool) {
	for changed := true; changed; {
		changed = false
		for at := len(c.good) - 1; at >= 0; at-- {
			if c.good[at] {
				continue
			}
			begin := uint64(0)
			if at > 0 {
				begin = c.ends[at-1]
			}
			for _, to := range c.edges[begin:c.ends[at]] {
				if c.good[to] {
					c.good[at], changed = true, true
					break
				}
			}
		}
	}
	for at, good := range c.good {
		if !good {
			return uint32(at), true
		}
	}
	return 0, false
}

// explain goes the way to a state once more.
func (c *search) explain(id uint32, what string) *finding {
	var path []uint32
	for at := id; at != 0; at = c.parents[at] {
		path = append(path, at)
	}
	f := &finding{what: what}
	s := c.initial()
	for i, at := range slices.Backward(path) {
		by := c.steps[at]
		c.expand(&s)
		for j, a := range c.actions {
			if a == by {
				f.trace = append(f.trace, fmt.Sprintf("%2d  %s", len(path)-i, c.describe(a, &s, &c.next[j])))
				s = c.next[j]
				break
			}
		}
	}
	return f
}

// table numbers hashes. It is a map that needs 12 bytes for an entry.
type table struct {
	hashes  []uint64
	numbers []uint32
	used    int
}

func newTable() table { return table{hashes: make([]uint64, 1<<16), numbers: make([]uint32, 1<<16)} }

// number returns the number of a hash, which is next if the hash is new.
func (t *table) number(hash uint64, next uint32) (n uint32, fresh bool) {
	hash |= 1 // 0 is an empty place
	at := t.find(hash)
	if t.hashes[at] == hash {
		return t.numbers[at], false
	}
	t.hashes[at], t.numbers[at] = hash, next
	t.used++
	if 3*t.used > 2*len(t.hashes) {
		t.grow()
	}
	return next, true
}

func (t *table) find(hash uint64) int {
	mask := len(t.hashes) - 1
	at := int(hash>>20) & mask
	for t.hashes[at] != 0 && t.hashes[at] != hash {
		at = (at + 1) & mask
	}
	return at
}

func (t *table) grow() {
	old := *t
	t.hashes, t.numbers = make([]uint64, 2*len(old.hashes)), make([]uint32, 2*len(old.hashes))
	for i, hash := range old.hashes {
		if hash != 0 {
			at := t.find(hash)
			t.hashes[at], t.numbers[at] = hash, old.numbers[i]
		}
	}
}
