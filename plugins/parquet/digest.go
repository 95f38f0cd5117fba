package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/transit"
)

var _ sdk.Digester = (*loader)(nil)

// Digest tells which rows of an input the files and their parts hold, up to the
// newest checkpoint. It reads them all, beside a loader that may be at work.
func (l *loader) Digest(ctx context.Context, start sdk.Start, q digest.Query) ([]digest.Range, error) {
	if q.Input < 0 || q.Input >= len(start.Inputs) {
		return nil, stopf("compare rows: there is no input %d: the loader has %d", q.Input, len(start.Inputs))
	}
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	in := start.Inputs[q.Input]
	by := in.Type.Schema.FieldIndices(q.Column)
	if len(by) == 0 || in.Type.Schema.Field(by[0]).Type.ID() != arrow.UINT64 {
		return nil, stopf("compare rows: those of step %q (%s) have no column %s of uint64", in.Name, in.Type.Name, q.Column)
	}
	c := &count{typ: in.Type, by: by[0], ranges: slices.Clone(q.Ranges), inBlocks: q.Column == l.BlockColumn}
	for i := range c.ranges {
		c.ranges[i].Rows, c.ranges[i].Sum = 0, digest.Sum{}
	}
	s := newShelf(dir, start.Domain, start.Step)
	held, err := s.snapshot(in.Name)
	if err != nil {
		return nil, err
	}
	defer held.close()
	for _, h := range held.parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.take(h, held.files); err != nil {
			return nil, err
		}
	}
	return c.ranges, nil
}

// held is where the rows of an input are: files, pieces and a tail, in their
// order. Parts that may go while they are read are open.
type held struct {
	files *series
	parts []source
}

// source is a file or a part of one.
type source struct {
	path     string
	file     *os.File // nil: it stays
	form     string
	from, to uint64
	tail     int64 // bytes of a tail; 0: it is a Parquet file
}

func (h *held) close() {
	for _, p := range h.parts {
		if p.file != nil {
			_ = p.file.Close() // it was only read
		}
	}
}

// snapshot finds the rows of an input. A loader that is at work may make files of
// parts meanwhile: then they are looked for again.
func (s *shelf) snapshot(input string) (*held, error) {
	const tries = 20
	var err error
	for range tries {
		s.books = books{}
		var ok bool
		if ok, err = s.read(); err != nil {
			return nil, err
		}
		if !ok {
			return nil, stopf("compare rows: there is nothing of step %q in %s: run the pipeline first", s.Step, s.dir)
		}
		h := &held{files: s.Inputs[input]}
		if h.files == nil {
			return h, nil
		}
		if err = s.look(input, h); err == nil {
			return h, nil
		}
		h.close()
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, err
}

// look finds files and parts as the books that were just read have them.
func (s *shelf) look(input string, h *held) error {
	m, err := s.readManifest(input, h.files)
	if err != nil {
		return err
	}
	for _, e := range m.Files {
		if e.Number > h.files.Settled {
			continue // its pieces are still there
		}
		p := source{path: filepath.Join(s.dir, filepath.Base(e.File)), form: e.Schema, to: math.MaxUint64}
		if e.FromBlock != nil {
			p.from, p.to = *e.FromBlock, *e.ToBlock
		}
		h.parts = append(h.parts, p)
	}
	if len(s.Marks) == 0 {
		return nil
	}
	return s.lookAtParts(s.Marks[len(s.Marks)-1].Places[input], h)
}

// lookAtParts opens the parts of files that are not made, up to a place.
func (s *shelf) lookAtParts(at place, h *held) error {
	open := slices.DeleteFunc(slices.Clone(h.files.Complete), func(g segment) bool { return g.Number > at.last() })
	if at.File > 0 && !at.Done {
		open = append(open, segment{Number: at.File, Pieces: at.Pieces, From: at.From, To: at.End, Form: at.Form})
	}
	for _, g := range open {
		for n := range g.Pieces {
			if err := h.add(source{path: s.path(h.files.pieceName(g.Number, n+1)), form: g.Form, from: g.From, to: g.To}); err != nil {
				return err
			}
		}
	}
	if at.Tail == 0 {
		return nil
	}
	return h.add(source{path: s.path(h.files.tailName(at.File, at.Pieces+1)), form: at.Form, from: at.From, to: at.End, tail: at.Tail})
}

func (h *held) add(p source) (err error) {
	if p.file, err = os.Open(p.path); err != nil {
		return err
	}
	h.parts = append(h.parts, p)
	return nil
}

// count counts and sums rows by range.
type count struct {
	typ      transit.Type
	by       int // the column of the ranges
	ranges   []digest.Range
	inBlocks bool // ranges are of blocks
	row      digest.Row
}

// take counts the rows of a source, unless no range wants them.
func (c *count) take(p source, files *series) error {
	wanted := func(r digest.Range) bool { return r.From <= p.to && r.To >= p.from }
	if c.inBlocks && files.ByBlock && !slices.ContainsFunc(c.ranges, wanted) {
		return nil
	}
	f := p.file
	if f == nil {
		var err error
		if f, err = os.Open(p.path); errors.Is(err, os.ErrNotExist) {
			return stopf("compare rows: %s has gone, which the manifest names: put it back, or compare other blocks", p.path)
		} else if err != nil {
			return explain("read", p.path, err)
		}
		defer f.Close()
	}
	if p.tail > 0 {
		return readBatches(p.path, io.LimitReader(f, p.tail), c.batch)
	}
	shape, ok := files.Forms[p.form]
	if !ok {
		return damaged(p.path, errors.New("nothing tells what its columns are"))
	}
	return c.parquet(f, p.path, shape.Shape)
}

// batch counts the rows of a batch of a tail, which may lack columns.
func (c *count) batch(record arrow.RecordBatch) error {
	b := transit.Batch{Type: transit.Type{Name: c.typ.Name, Schema: record.Schema()}, Record: record}
	columns := make([]int, c.typ.Schema.NumFields())
	for i, f := range c.typ.Schema.Fields() {
		columns[i] = -1
		if at := record.Schema().FieldIndices(f.Name); len(at) > 0 {
			columns[i] = at[0]
		}
	}
	by := columns[c.by]
	if by < 0 {
		return nil // no range has these rows
	}
	keys := record.Column(by).(*array.Uint64)
	values := make([]any, len(columns))
	for row := range int(record.NumRows()) {
		for i, column := range columns {
			values[i] = nil
			if column >= 0 {
				values[i] = b.Value(column, row)
			}
		}
		c.add(keys.Value(row), values)
	}
	return nil
}

// add counts a row.
func (c *count) add(key uint64, values []any) {
	counted := false
	var sum [32]byte
	for i := range c.ranges {
		r := &c.ranges[i]
		if key < r.From || key > r.To {
			continue
		}
		if !counted {
			for _, v := range values {
				c.row.Value(v)
			}
			sum, counted = c.row.Digest(), true
		}
		r.Rows++
		r.Sum.Add(sum)
	}
}
