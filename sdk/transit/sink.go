package transit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

var errTooBig = errors.New("more than 2 GiB in one batch: write fewer rows at a time")

// A sink is a record batch message while it is written. Nodes and buffers are described in the order in which they come.
type sink struct {
	out          []byte
	body         int // where the body begins
	node, buffer int // where the next node and the next buffer are described
	spans        []span
	used         int // spans used since they were last cleared
	root         [1]span
}

// begin starts a message at the end of dst.
func (s *sink) begin(dst, template []byte, h *batchHeader, rows int) {
	head := len(dst)
	s.out = append(dst, template...)
	s.body = head + h.body
	s.node = head + h.nodesAt
	s.buffer = head + h.buffersAt
	binary.LittleEndian.PutUint64(s.out[head+h.rowsAt:], uint64(rows))
}

// end returns the message and lets go of it and of the rows.
func (s *sink) end() []byte {
	out := s.out
	clear(s.spans[:s.used])
	s.out, s.root[0], s.used = nil, span{}, 0
	return out
}

// column writes a column: its node, its validity if it has nulls, its values.
func (s *sink) column(c *column, v view) error {
	mark, nulls := len(s.spans), 0
	if c.nullable && c.codec.follow != nil {
		s.pointers(c, v)
		return nil
	}
	if c.nullable {
		v, nulls = s.deref(c, v)
	}
	s.describeNode(v.n, nulls)
	if nulls > 0 {
		s.validity(c, v)
	} else {
		s.describe(len(s.out), 0)
	}
	err := c.codec.encode(s, c, v)
	s.used = max(s.used, len(s.spans))
	s.spans = s.spans[:mark]
	if err != nil {
		return fmt.Errorf("%s: %w", c.field.Name, err)
	}
	return nil
}

// deref follows a column's pointers and counts those that are nil; the column's zero value stands for these.
func (s *sink) deref(c *column, v view) (view, int) {
	mark, nulls := len(s.spans), 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			p := *(*unsafe.Pointer)(values.at(i))
			if p == nil {
				p = c.zero
				nulls++
			}
			s.spans = append(s.spans, span{p, 1})
		}
	}
	return view{spans: s.spans[mark:], n: v.n}, nulls
}

// validity writes a bit for each value of a dereferenced view: set if it is not null.
func (s *sink) validity(c *column, v view) {
	out := s.reserve((v.n + 7) / 8)
	clear(out)
	for i, sp := range v.spans {
		if sp.p != c.zero {
			out[i/8] |= 1 << (i % 8)
		}
	}
}

// reserve appends a buffer of the given size for the caller to fill completely. It is valid until the next call.
func (s *sink) reserve(size int) []byte {
	at := len(s.out)
	end := at + pad8(size)
	if end > cap(s.out) {
		s.out = slices.Grow(s.out, end-at)
	}
	s.out = s.out[:end]
	if end > at+size {
		binary.LittleEndian.PutUint64(s.out[end-8:], 0)
	}
	s.describe(at, size)
	return s.out[at : at+size : at+size]
}

// offsets appends the offsets of n values and returns where in the message the end of the first value belongs.
func (s *sink) offsets(n int) int {
	first := len(s.out)
	binary.LittleEndian.PutUint32(s.reserve(4*(n+1)), 0)
	return first + 4
}

// finish describes the buffer that was appended from a position on, and pads it.
func (s *sink) finish(at int) error {
	size := len(s.out) - at
	if size > math.MaxInt32 {
		return errTooBig
	}
	s.describe(at, size)
	var zeros [8]byte
	s.out = append(s.out, zeros[:pad8(size)-size]...)
	return nil
}

func (s *sink) describeNode(n, nulls int) {
	entry := s.out[s.node : s.node+entrySize]
	binary.LittleEndian.PutUint64(entry, uint64(n))
	binary.LittleEndian.PutUint64(entry[8:], uint64(nulls))
	s.node += entrySize
}

func (s *sink) describe(at, size int) {
	entry := s.out[s.buffer : s.buffer+entrySize]
	binary.LittleEndian.PutUint64(entry, uint64(at-s.body))
	binary.LittleEndian.PutUint64(entry[8:], uint64(size))
	s.buffer += entrySize
}
