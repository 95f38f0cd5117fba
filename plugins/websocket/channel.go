package main

import (
	"bytes"
	"slices"
	"sort"
	"sync"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/transit"
)

// bounds are how much of a channel is kept.
type bounds struct {
	items int
	bytes int
}

// channel is what one step's rows become: a log of messages for those who
// follow, and the newest rows that hold for those who come later. The loader
// writes it, clients read it.
type channel struct {
	name   string
	typ    transit.Type
	bounds bounds
	bell   *bell

	mu    sync.RWMutex
	log   shelf[*item] // in the order they are sent
	truth shelf[*item] // those of rows that have not been taken back: no number twice, none missing in between
	next  uint64       // number of the next row; what comes with a lesser one has come again
	at    uint64       // number of the row that the loader is given next
	final settled      // what clients are told cannot be taken back
	past  past
}

// settled is a place that nothing goes back beyond.
type settled struct {
	sequence uint64
	message  []byte // nil: none
}

// item is one message.
type item struct {
	body []byte // whole, for those who want all rows
	size int    // what keeping it costs

	first uint64 // number of the first row
	rows  []line // none: it takes rows back
	head  []byte // what stands before the rows
}

// line is one row of a message.
type line struct {
	text  []byte // a part of the body
	size  int    // of the text
	key   [16]byte
	batch *transit.Batch // where its values are
	index int
}

// end is the number of the row after the last.
func (it *item) end() uint64 { return it.first + uint64(len(it.rows)) }

// shelf is the newest items of a sequence.
type shelf[T interface{ cost() int }] struct {
	items []T
	gone  uint64 // how many have been dropped from its beginning
	bytes int
}

func (it *item) cost() int { return it.size }

func (s *shelf[T]) push(x T, most bounds) {
	s.items = append(s.items, x)
	s.bytes += x.cost()
	drop := 0
	for n := len(s.items); n-drop > 1 && (n-drop > most.items || s.bytes > most.bytes); drop++ {
		s.bytes -= s.items[drop].cost()
	}
	s.gone += uint64(drop)
	if drop > 0 {
		s.items = slices.Delete(s.items, 0, drop)
	}
}

// end is how many items there have been.
func (s *shelf[T]) end() uint64 { return s.gone + uint64(len(s.items)) }

// publish adds rows that follow the newest.
func (c *channel) publish(it *item) {
	c.mu.Lock()
	c.log.push(it, c.bounds)
	c.truth.push(it, c.bounds)
	c.next = it.end()
	c.mu.Unlock()
	c.bell.ring()
}

// known tells whether the row of that number was sent with this key. Rows that
// are not kept any more count as others.
func (c *channel) known(number uint64, key [16]byte) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	it := c.truthAt(number)
	return it != nil && it.rows[number-it.first].key == key
}

// truthAt is the message that has the row of that number; nil: none.
func (c *channel) truthAt(number uint64) *item {
	items := c.truth.items
	i := sort.Search(len(items), func(i int) bool { return items[i].end() > number })
	if i == len(items) || items[i].first > number {
		return nil
	}
	return items[i]
}

// retract takes back the rows from a number on, and tells all who follow.
func (c *channel) retract(from, generation uint64, cursor *sdk.Cursor) {
	c.mu.Lock()
	c.past.add(generation, from)
	c.cut(from)
	c.next = from
	if c.final.sequence > from {
		c.final = settled{} // it begins anew
	}
	body := retraction(c.name, from, generation, cursor)
	c.log.push(&item{body: body, size: len(body), first: from}, c.bounds)
	c.mu.Unlock()
	c.bell.ring()
}

// cut leaves of what holds the rows before a number.
func (c *channel) cut(from uint64) {
	items := c.truth.items
	for n := len(items); n > 0 && items[n-1].end() > from; n = len(items) {
		last := items[n-1]
		items = items[:n-1]
		c.truth.bytes -= last.size
		if last.first >= from {
			continue
		}
		kept := last.with(last.rows[:from-last.first])
		items = append(items, kept)
		c.truth.bytes += kept.size
	}
	clear(c.truth.items[len(items):])
	c.truth.items = items
}

// with is the message with these of its rows.
func (it *item) with(rows []line) *item {
	body := appendRows(slices.Clone(it.head), rows)
	return &item{body: body, size: it.size * len(rows) / len(it.rows), first: it.first, rows: rows, head: it.head}
}

// settle tells clients that the rows before a number stay.
func (c *channel) settle(sequence uint64, cursor *sdk.Cursor) {
	told := finality(c.name, sequence, cursor)
	c.mu.Lock()
	news := !bytes.Equal(told, c.final.message)
	c.final = settled{sequence: sequence, message: told}
	c.mu.Unlock()
	if news {
		c.bell.ring()
	}
}

// open begins a channel of which nobody knows what clients were sent before:
// whatever comes from a number on may be other than that.
func (c *channel) open(at, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = at
	c.past.add(generation, at)
}

// recall puts what was taken back before what is known.
func (c *channel) recall(older []undone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	newer := c.past.Entries
	c.past.Entries = nil
	for _, e := range append(older, newer...) {
		c.past.add(e.Generation, e.Sequence)
	}
}

// begin sets the channel to the place that a loader begins at: the number of the
// next row that it will be given. Rows that were sent and lie behind it hold as
// long as no others come in their place, unless it is known that others will.
func (c *channel) begin(at, generation uint64, cursor *sdk.Cursor, others bool) {
	c.mu.RLock()
	next := c.next
	c.mu.RUnlock()
	c.at = at
	switch {
	case at > next: // of another data directory: what was sent is not what these follow
		c.retract(0, generation, nil)
		c.mu.Lock()
		c.next = at
		c.mu.Unlock()
	case at < next && others:
		c.retract(at, generation, cursor)
	}
}

// bell wakes all who wait for something new.
type bell struct {
	mu    sync.Mutex
	rings chan struct{} // closed by ring, and replaced
}

// next is closed when it rings the next time.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rings == nil {
		b.rings = make(chan struct{})
	}
	return b.rings
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rings != nil {
		close(b.rings)
		b.rings = nil
	}
}

// limitsOf are the bounds that settings ask for.
func limitsOf(history int, buffer gather.Size) bounds {
	return bounds{items: history, bytes: int(buffer)}
}
