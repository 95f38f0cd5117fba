package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// span is what a file is for, where it ends by blocks or by time.
type span struct {
	Blocks uint64 `json:"blocks,omitempty"` // how many spans of blocks lie before it
	Time   int64  `json:"time,omitempty"`   // how many spans of time since 1970
}

// blocks are the numbers of the first and the last block that a file has rows of.
type blocks struct {
	First *uint64 `json:"first_block,omitempty"`
	Last  *uint64 `json:"last_block,omitempty"`
}

// ruler tells where rows belong.
type ruler struct {
	rotate      *rotation
	block, time int // columns; -1: there is none
}

// newRuler finds the columns that files end by.
func newRuler(in sdk.Input, rotate *rotation) (ruler, error) {
	r := ruler{rotate: rotate}
	columns := in.Type.Columns()
	r.block = slices.IndexFunc(columns, func(c transit.Column) bool { return c.Name == "block_number" && c.Type == "uint64" })
	r.time = slices.IndexFunc(columns, func(c transit.Column) bool { return c.Name == "timestamp" && c.Type == "timestamp" })
	if rotate == nil {
		return r, nil
	}
	if rotate.Blocks > 0 && r.block < 0 {
		return r, fmt.Errorf("rotate: blocks is set, and the rows of step %q (%s) have no column block_number that is a uint64: leave it out, and write rows or size", in.Name, in.Type.Name)
	}
	if rotate.Every > 0 && r.time < 0 {
		return r, fmt.Errorf("rotate: every is set, and the rows of step %q (%s) have no column timestamp that is one: leave it out, and write rows or size", in.Name, in.Type.Name)
	}
	return r, nil
}

// span is the one that a row belongs to. Rows without a place belong to the
// first.
func (r *ruler) span(batch transit.Batch, row int) (of span) {
	if r.rotate == nil {
		return of
	}
	if n := r.rotate.Blocks; n > 0 {
		block, _ := batch.Value(r.block, row).(uint64)
		of.Blocks = block / n
	}
	if every := r.rotate.Every; every > 0 {
		at, _ := batch.Value(r.time, row).(time.Time)
		of.Time = at.Unix() / int64(every/time.Second)
	}
	return of
}

// widen adds the block of a row.
func (r *ruler) widen(b *blocks, batch transit.Batch, row int) {
	if r.rotate == nil || r.block < 0 {
		return
	}
	block, ok := batch.Value(r.block, row).(uint64)
	if !ok {
		return
	}
	if b.First == nil || block < *b.First {
		b.First = &block
	}
	if b.Last == nil || block > *b.Last {
		b.Last = &block
	}
}
