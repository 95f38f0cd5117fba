package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/transit"
)

var _ sdk.Digester = (*loader)(nil)

// Digest tells which rows of an input the files hold, up to the newest
// checkpoint.
func (l *loader) Digest(ctx context.Context, start sdk.Start, q digest.Query) ([]digest.Range, error) {
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return nil, stopf("find %s: %w", l.Path, err)
	}
	if q.Input < 0 || q.Input >= len(start.Inputs) {
		return nil, stopf("compare rows: there is no input %d: the loader has %d", q.Input, len(start.Inputs))
	}
	in := start.Inputs[q.Input]
	column := slices.IndexFunc(in.Type.Columns(), func(c transit.Column) bool { return c.Name == q.Column })
	if column < 0 {
		return nil, stopf("compare rows: those of step %q (%s) have no column %s", in.Name, in.Type.Name, q.Column)
	}
	s := newShelf(filepath.Dir(path), start.Domain, start.Step)
	known, err := s.read()
	if err != nil {
		return nil, err
	}
	if !known || len(s.Marks) == 0 || s.Inputs[in.Name] == nil {
		return nil, stopf("compare rows: %s knows of none: run the pipeline first", s.booksPath())
	}
	sum := &summer{ranges: slices.Clone(q.Ranges), column: column, reader: newReader(l.layout(in.Type), in.Type)}
	for i := range sum.ranges {
		sum.ranges[i].Rows, sum.ranges[i].Sum = 0, digest.Sum{}
	}
	files, at := s.Inputs[in.Name], s.Marks[len(s.Marks)-1].Places[in.Name]
	for n := int64(1); n <= at.File; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		limit := int64(-1)
		if n == at.File {
			limit = at.Bytes
		}
		if err := sum.file(s, files, n, limit); err != nil {
			return nil, err
		}
	}
	return sum.ranges, nil
}

// summer adds rows to ranges.
type summer struct {
	ranges []digest.Range
	column int // that the ranges are of
	reader reader
	row    digest.Row
}

// file adds the rows of a file, up to a byte of it; less than 0: all.
func (s *summer) file(shelf *shelf, files *series, number, limit int64) error {
	path := shelf.path(files.final(number))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		path = shelf.path(files.open(number))
		f, err = os.Open(path)
	}
	if err != nil {
		return explain("read", path, err)
	}
	defer f.Close()
	var text io.Reader = f
	if limit >= 0 {
		text = io.LimitReader(f, limit)
	}
	d, err := newDecoder(files.Compressed, text)
	if err != nil {
		return stopf("read %s: %w: it is damaged", path, err)
	}
	defer d.Close()
	if err := s.rows(bufio.NewReaderSize(d, 1<<20)); err != nil {
		return stopf("read %s: %w: it was changed by somebody else", path, err)
	}
	return nil
}

func (s *summer) rows(text *bufio.Reader) error {
	if err := s.reader.begin(text); err != nil {
		return err
	}
	for n := 1; ; n++ {
		cells, err := s.reader.row(text)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.add(cells)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}

// add adds a row.
func (s *summer) add(cells []cell) error {
	at, ok := cells[s.column].number()
	if !ok {
		return nil // a row without the number is in no range
	}
	var sum [32]byte
	done := false
	for i := range s.ranges {
		r := &s.ranges[i]
		if at < r.From || at > r.To {
			continue
		}
		if !done {
			for k := range cells {
				if err := cells[k].digest(&s.row, s.reader.column(k)); err != nil {
					return err
				}
			}
			sum, done = s.row.Digest(), true
		}
		r.Rows++
		r.Sum.Add(sum)
	}
	return nil
}
