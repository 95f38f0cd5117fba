package protocol

import (
	"fmt"
	"slices"
)

type kind uint8

const (
	aReader kind = iota
	aSubscriber
	aJoin
	aLoader
)

// node is a process of a topology. slot counts it among its kind: readers by
// cursor, stateful processes by snapshot, loaders by store.
type node struct {
	name    string
	kind    kind
	in, out []uint8 // edges
	slot    uint8
	// flushes: a subscriber that has one more row to say at the end.
	flushes bool
	// truncates: a loader that can; the others hand on at least once.
	truncates bool
}

// topology is a small graph; producers come before their consumers.
type topology struct {
	name    string
	nodes   []node
	readers int
	parts   [maxBlocks + 1]uint8 // rows of each block, of at most 2
	blocks  uint8                // the last one to read
}

// The chain begins after block 0, which is final.
var (
	oneLine = &topology{
		name: "reader, subscriber, loader", readers: 1, blocks: 3, parts: [4]uint8{0, 1, 2, 1},
		nodes: []node{
			{name: "reader", kind: aReader, out: []uint8{0}},
			{name: "subscriber", kind: aSubscriber, in: []uint8{0}, out: []uint8{1}, flushes: true},
			{name: "loader", kind: aLoader, in: []uint8{1}, truncates: true},
		},
	}
	joined = &topology{
		name: "two readers, join, loader", readers: 2, blocks: 2, parts: [4]uint8{0, 1, 1, 1},
		nodes: []node{
			{name: "left reader", kind: aReader, out: []uint8{0}},
			{name: "right reader", kind: aReader, out: []uint8{1}, slot: 1},
			{name: "join", kind: aJoin, in: []uint8{0, 1}, out: []uint8{2}},
			{name: "loader", kind: aLoader, in: []uint8{2}, truncates: true},
		},
	}
	fanned = &topology{
		name: "reader, two loaders", readers: 1, blocks: 2, parts: [4]uint8{0, 1, 1, 1},
		nodes: []node{
			{name: "reader", kind: aReader, out: []uint8{0, 1}},
			{name: "database", kind: aLoader, in: []uint8{0}, truncates: true},
			{name: "webhook", kind: aLoader, in: []uint8{1}, slot: 1},
		},
	}
	diamond = &topology{
		name: "reader, two subscribers, loader", readers: 1, blocks: 2, parts: [4]uint8{0, 1, 1, 1},
		nodes: []node{
			{name: "reader", kind: aReader, out: []uint8{0, 1}},
			{name: "left subscriber", kind: aSubscriber, in: []uint8{0}, out: []uint8{2}},
			{name: "right subscriber", kind: aSubscriber, in: []uint8{1}, out: []uint8{3}, slot: 1},
			{name: "loader", kind: aLoader, in: []uint8{2, 3}, truncates: true},
		},
	}
)

// loader tells which node a loader of a slot is, nil if there is none.
func (t *topology) loader(slot uint8) *node {
	for i := range t.nodes {
		if n := &t.nodes[i]; n.kind == aLoader && n.slot == slot {
			return n
		}
	}
	return nil
}

// producer is the node that an edge comes from.
func (t *topology) producer(edge uint8) *node {
	for i := range t.nodes {
		if slices.Contains(t.nodes[i].out, edge) {
			return &t.nodes[i]
		}
	}
	panic(fmt.Sprintf("edge %d comes from nowhere", edge)) // unreachable: topologies are constants
}

// history is what a reader sees of the chain in an undisturbed run.
type history struct {
	branch [maxBlocks + 1]uint8
	upTo   uint8
}

// expect works out the rows that an edge carries in an undisturbed run up to
// the places of the readers; with end also those that follow at the very end.
func (t *topology) expect(edge uint8, readers [2]history, end bool) (rows [maxRows]frame, n uint8) {
	switch from := t.producer(edge); from.kind {
	case aReader:
		return t.read(readers[from.slot])
	case aSubscriber:
		in, m := t.read(readers[0])
		tag := firstTag(from.slot)
		for _, f := range in[:m] {
			rows[n], tag = transform(f, tag)
			n++
		}
		if end && from.flushes {
			rows[n] = flushRow(tag)
			n++
		}
	case aJoin:
		for b := uint8(1); b <= min(readers[0].upTo, readers[1].upTo); b++ {
			rows[n] = newRow(b, 0, readers[0].branch[b], readers[1].branch[b], 0)
			n++
		}
	case aLoader: // carries nothing
	}
	return rows, n
}

func (t *topology) read(h history) (rows [maxRows]frame, n uint8) {
	for b := uint8(1); b <= h.upTo; b++ {
		for part := range t.parts[b] {
			rows[n] = newRow(b, part, h.branch[b], 0, 0)
			n++
		}
	}
	return rows, n
}

// A subscriber's state is what it makes of all rows so far; every row that it
// emits has it.
func firstTag(slot uint8) uint8 { return 1 + slot }

func transform(f frame, tag uint8) (out frame, next uint8) {
	next = (5*tag + 4*f.block() + 2*f.part() + 7*f.branch() + 3) & 63
	return newRow(f.block(), f.part(), f.branch(), 0, next), next
}

func flushRow(tag uint8) frame { return newRow(0, 0, 0, 0, tag) }
