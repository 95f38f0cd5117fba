package main

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// checkOrder refuses rows that do not come in the order that files claim.
func (s *stream) checkOrder(record arrow.RecordBatch) error {
	columns := s.ordering()
	if len(columns) == 0 {
		return nil
	}
	values := make([][]uint64, len(columns))
	for i, c := range columns {
		values[i] = record.Column(c).(*array.Uint64).Uint64Values()
	}
	if s.order == nil {
		s.order = make([]uint64, len(columns)) // nothing is less
	}
	for row := range values[0] {
		if i := s.follows(values, row); i >= 0 {
			return s.outOfOrder(columns[i], values[i][row], s.order[i])
		}
	}
	return nil
}

// follows makes a row the newest, unless it comes before the one that is: then it
// returns by which of the columns, otherwise -1.
func (s *stream) follows(values [][]uint64, row int) int {
	for i := range values {
		switch v := values[i][row]; {
		case v < s.order[i]:
			return i
		case v > s.order[i]:
			for k := i; k < len(values); k++ {
				s.order[k] = values[k][row]
			}
			return -1
		}
	}
	return -1
}

func (s *stream) outOfOrder(column int, v, before uint64) error {
	name := s.typ.Schema.Field(column).Name
	if column == s.block {
		return stopf("rows of step %s go back from block %d to block %d (%s): files by blocks cannot hold them: "+
			"set block_column = \"\" for numbered files, and begin anew with `penstock run --fresh`", s.input, before, v, name)
	}
	return stopf("rows of step %s are not sorted by %s: %d comes after %d in one block: take it out of sorted_by %q",
		s.input, name, v, before, slices.Clone(s.set.SortedBy))
}
