package main

import (
	"math"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"

	"github.com/penstock-io/penstock/sdk/transit"
)

// stream turns the rows of one input into parts of files.
type stream struct {
	input  string
	set    *settings
	shelf  *shelf
	series *series
	typ    transit.Type
	kept   *kept
	block  int // which column says the block; -1: files are numbered
	sorted []int
	form   string  // of its rows, by its fingerprint
	first  *uint64 // the block that the pipeline begins at; nil: nobody knows

	at      place
	piece   *piece              // of the rows since the last one; nil: there are none
	enough  bool                // there are enough of them for a piece: the next commit makes it
	pending []arrow.RecordBatch // of these rows, those that are not in the tail; none if there are enough
	bytes   int64               // of all these rows, as they came
	tail    *tail
	loose   []*os.File // pieces that may not be on the disk yet
	order   []uint64   // of the newest row, in the columns that it is sorted by
}

// newStream compiles what has to be done with the rows of an input.
func newStream(set *settings, sh *shelf, input string, typ transit.Type) (*stream, error) {
	k, err := set.keep(typ)
	if err != nil {
		return nil, stopf("step %s: %w", input, err)
	}
	s := &stream{input: input, set: set, shelf: sh, typ: typ, kept: k, block: -1}
	for i, f := range typ.Schema.Fields() {
		if f.Name == set.BlockColumn && f.Type.ID() == arrow.UINT64 && !f.Nullable {
			s.block = i
		}
	}
	for _, name := range set.SortedBy {
		i := typ.Schema.FieldIndices(name)
		if len(i) == 0 {
			continue // of another step's
		}
		f := typ.Schema.Field(i[0])
		if f.Type.ID() != arrow.UINT64 || f.Nullable {
			return nil, stopf("sorted_by: column %s of step %s is %s: only columns of uint64 without nulls can be checked", name, input, typ.Columns()[i[0]].Type)
		}
		s.sorted = append(s.sorted, i[0])
	}
	return s, nil
}

// sorting is the order of rows within a row group.
func (s *stream) sorting() []parquet.SortingColumn {
	var out []parquet.SortingColumn
	for _, i := range s.ordering() {
		name := s.typ.Schema.Field(i).Name
		for _, f := range s.kept.root.fields {
			if f.name == name {
				out = append(out, parquet.Ascending(name))
			}
		}
		if len(out) == 0 {
			return nil // what comes after it says nothing alone
		}
	}
	return out
}

// ordering are the columns by which rows have to come in order.
func (s *stream) ordering() []int {
	if s.block < 0 {
		return s.sorted
	}
	return append([]int{s.block}, s.sorted...)
}

// write adds the rows of a batch.
func (s *stream) write(record arrow.RecordBatch) error {
	n := int(record.NumRows())
	if n == 0 {
		return nil
	}
	if err := s.checkOrder(record); err != nil {
		return err
	}
	var blocks []uint64
	if s.block >= 0 {
		blocks = record.Column(s.block).(*array.Uint64).Uint64Values()
	}
	for begin := 0; begin < n; {
		end, err := s.fit(blocks, begin, n)
		if err != nil {
			return err
		}
		part := record
		if begin > 0 || end < n {
			part = record.NewSlice(int64(begin), int64(end))
		}
		if err := s.add(part); err != nil {
			return err
		}
		if blocks != nil {
			s.at.Last = blocks[end-1]
		}
		begin = end
	}
	return nil
}

// fit begins another file if it is time, and returns up to which row of a batch
// rows go to it, and to the row group.
func (s *stream) fit(blocks []uint64, begin, n int) (end int, err error) {
	if s.closes(blocks, begin) {
		if err := s.complete(s.lastBlock(blocks, begin)); err != nil {
			return 0, err
		}
	}
	if s.at.File == 0 || s.at.Done {
		if err := s.begin(blocks, begin); err != nil {
			return 0, err
		}
	}
	room := s.set.RowGroup - s.at.TailRows
	if room <= 0 || s.bytes >= groupBytes {
		if err := s.flush(); err != nil {
			return 0, err
		}
		room = s.set.RowGroup
	}
	n = int(min(int64(n), int64(begin)+room))
	if s.plentiful(blocks, n) {
		return n, nil
	}
	end = begin + 1
	for end < n && !s.ends(blocks, begin, end) {
		end++
	}
	return end, nil
}

// plentiful tells that nothing ends the file before a row of a batch: rows come
// in the order of their blocks.
func (s *stream) plentiful(blocks []uint64, n int) bool {
	return blocks != nil && s.set.Rows == 0 && s.set.Size == 0 && blocks[n-1] <= s.at.End
}

// closes tells whether a row does not go to the open file any more.
func (s *stream) closes(blocks []uint64, row int) bool {
	if s.at.File == 0 || s.at.Done {
		return false
	}
	if blocks == nil {
		return s.full(s.at.Rows)
	}
	return blocks[row] > s.at.End || blocks[row] > s.at.Last && s.full(s.at.Rows)
}

// ends tells whether a row of a batch cannot follow those from begin on.
func (s *stream) ends(blocks []uint64, begin, row int) bool {
	rows := s.at.Rows + int64(row-begin)
	if blocks == nil {
		return s.full(rows)
	}
	return blocks[row] > s.at.End || blocks[row] != blocks[row-1] && s.full(rows)
}

// full tells whether a file with so many rows has no room for another block.
func (s *stream) full(rows int64) bool {
	limit := s.set.Rows
	if s.block < 0 && limit == 0 && s.set.Size == 0 {
		limit = numberedRows
	}
	return limit > 0 && rows >= limit || s.set.Size > 0 && s.size() >= int64(s.set.Size)
}

// size is about how large the file would be now, and rather less.
func (s *stream) size() int64 {
	if s.piece == nil {
		return s.at.Bytes
	}
	return s.at.Bytes + s.piece.writer.Size()
}

// lastBlock is the last block of a file that a row closes.
func (s *stream) lastBlock(blocks []uint64, row int) uint64 {
	if blocks == nil {
		return 0
	}
	return min(s.at.End, blocks[row]-1)
}

// begin begins the file of a row.
func (s *stream) begin(blocks []uint64, row int) error {
	next := place{File: s.at.File + 1, End: math.MaxUint64, Form: s.form}
	if blocks == nil {
		s.at = next
		return nil
	}
	b := blocks[row]
	switch {
	case s.at.Cut:
		next.From = min(s.at.To+1, b)
	case s.at.File > 0:
		next.From = s.at.To + 1
	case s.first != nil:
		next.From = min(*s.first, b)
	default:
		next.From = b
	}
	if b < next.From {
		return s.backwards(b)
	}
	if s.set.Every > 0 {
		begin := b - b%s.set.Every
		next.From, next.End = max(next.From, begin), begin+s.set.Every-1
		if next.End < begin {
			next.End = math.MaxUint64
		}
	}
	next.Last = next.From
	s.at = next
	return nil
}

func (s *stream) backwards(block uint64) error {
	return stopf("rows of step %s go back to block %d after the file up to block %d was complete: files by blocks cannot hold them: "+
		"set block_column = \"\" for numbered files, and begin anew with `penstock run --fresh`", s.input, block, s.at.To)
}

// add adds rows to the open file. They wait in memory for a commit, which knows
// whether they are enough for a piece or go to the tail.
func (s *stream) add(record arrow.RecordBatch) error {
	s.at.TailRows += record.NumRows()
	s.at.Rows += record.NumRows()
	s.bytes += sizeOf(record)
	if s.enough = s.enough || s.at.TailRows*worth >= s.set.RowGroup || s.bytes*worth >= groupBytes; s.enough {
		s.pending = nil
	} else {
		s.pending = append(s.pending, record)
	}
	return s.encode(record)
}

const (
	// groupBytes is how much room the rows of a row group take as they come; there
	// are fewer of them if they are large, as whole blocks are.
	groupBytes = 128 << 20
	// worth is which part of a row group a piece has to have; fewer rows go to the
	// tail.
	worth = 4
)

// sizeOf is how many bytes the rows of a batch take.
func sizeOf(record arrow.RecordBatch) (n int64) {
	for _, column := range record.Columns() {
		n += sizeOfData(column.Data())
	}
	return n
}

func sizeOfData(data arrow.ArrayData) (n int64) {
	for _, b := range data.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, child := range data.Children() {
		n += sizeOfData(child)
	}
	return n
}

func (s *stream) encode(record arrow.RecordBatch) error {
	if s.piece == nil {
		var err error
		if s.piece, err = newPiece(s.set, s.kept, s.sorting(), record); err != nil {
			return err
		}
	}
	return s.piece.add(record)
}
