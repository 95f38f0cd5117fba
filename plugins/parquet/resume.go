package main

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/transit"
)

// resume goes on from a place: what is left of the tail is encoded again.
func (s *stream) resume(at place) error {
	s.at = at
	if at.File == 0 || at.Done {
		return nil
	}
	if s.block >= 0 {
		s.order = make([]uint64, len(s.ordering()))
		s.order[0] = at.Last
	}
	if at.Form != s.form {
		return s.cut()
	}
	if at.Tail == 0 {
		return nil
	}
	path := s.shelf.path(s.series.tailName(at.File, at.Pieces+1))
	if err := readTail(path, at.Tail, s.encode); err != nil {
		return err
	}
	if s.piece == nil || s.piece.rows != at.TailRows {
		return damaged(path, errors.New("rows are missing"))
	}
	s.bytes, s.enough = at.Tail, at.TailRows*worth >= s.set.RowGroup
	var err error
	s.tail, err = openTail(path, s.typ, at.Tail) // which was cut there
	return err
}

// cut ends the open file, where rows have other columns from now on.
func (s *stream) cut() error {
	if s.at.Tail > 0 {
		if err := s.flushOld(s.series.Forms[s.at.Form].Shape); err != nil {
			return err
		}
	}
	s.at.Done, s.at.Cut, s.at.To = true, true, s.at.Last
	s.series.Complete = append(s.series.Complete, s.segment())
	return nil
}

// flushOld makes a piece of a tail whose rows have the columns of before.
func (s *stream) flushOld(shape shape) error {
	path := s.shelf.path(s.series.tailName(s.at.File, s.at.Pieces+1))
	set := *s.set
	set.shape = shape
	var p *piece
	err := readTail(path, s.at.Tail, func(record arrow.RecordBatch) error {
		if p == nil {
			k, err := set.keep(transit.Type{Name: "rows", Schema: record.Schema()})
			if err != nil {
				return stopf("read %s: %w", path, err)
			}
			if p, err = newPiece(&set, k, nil, record); err != nil {
				return err
			}
		}
		return p.add(record)
	})
	if err != nil {
		return err
	}
	if p == nil {
		return damaged(path, errors.New("rows are missing"))
	}
	file, size, err := p.write(s.shelf.path(s.series.pieceName(s.at.File, s.at.Pieces+1)))
	if err != nil {
		return err
	}
	s.loose = append(s.loose, file)
	s.at.Pieces++
	s.at.Bytes += size
	s.at.Tail, s.at.TailRows = 0, 0
	return nil
}
