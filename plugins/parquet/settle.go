package main

import (
	"errors"

	"github.com/penstock-io/penstock/sdk"
)

// flush makes a piece of the rows since the last one.
func (s *stream) flush() error {
	if s.at.TailRows == 0 {
		return nil
	}
	file, size, err := s.piece.write(s.shelf.path(s.series.pieceName(s.at.File, s.at.Pieces+1)))
	if err != nil {
		return err
	}
	s.loose = append(s.loose, file)
	s.at.Pieces++
	s.at.Bytes += size
	s.at.Tail, s.at.TailRows = 0, 0
	t := s.tail
	s.piece, s.enough, s.pending, s.bytes, s.tail = nil, false, nil, 0, nil
	if t == nil {
		return nil
	}
	if s.shelf.needsTail(s.input, s.at.File, s.at.Pieces) {
		return t.close()
	}
	return t.remove()
}

// complete ends the file: no more rows go to it.
func (s *stream) complete(to uint64) error {
	if err := s.flush(); err != nil {
		return err
	}
	s.at.Done, s.at.To = true, to
	s.series.Complete = append(s.series.Complete, s.segment())
	return nil
}

// segment is the file that is complete.
func (s *stream) segment() segment {
	return segment{Number: s.at.File, From: s.at.From, To: s.at.To, Rows: s.at.Rows, Pieces: s.at.Pieces, Form: s.at.Form}
}

// reached completes the file if all rows have come that it is meant for.
func (s *stream) reached(block uint64, to *uint64) error {
	if s.block < 0 || s.at.File == 0 || s.at.Done {
		return nil
	}
	if to != nil && block >= *to && *to < s.at.End {
		return s.complete(max(*to, s.at.Last))
	}
	if block >= s.at.End {
		return s.complete(s.at.End)
	}
	return nil
}

// settle makes durable what has come. Where the source has come to tells which
// files are complete.
func (s *stream) settle(cursor *sdk.Cursor, to *uint64) error {
	if cursor != nil {
		if err := s.reached(cursor.Block, to); err != nil {
			return err
		}
	}
	return s.sync()
}

// show hands the system what has come, as a piece or in the tail.
func (s *stream) show() error {
	if s.enough {
		return s.flush()
	}
	if s.tail == nil && len(s.pending) > 0 {
		var err error
		if s.tail, err = openTail(s.shelf.path(s.series.tailName(s.at.File, s.at.Pieces+1)), s.typ, 0); err != nil {
			return err
		}
	}
	for _, record := range s.pending {
		if err := s.tail.add(record); err != nil {
			return err
		}
	}
	s.pending = nil
	if s.tail == nil {
		return nil
	}
	s.at.Tail = s.tail.size
	return s.tail.flush()
}

// sync makes durable what has come.
func (s *stream) sync() error {
	if err := s.show(); err != nil {
		return err
	}
	for len(s.loose) > 0 {
		f := s.loose[0]
		s.loose = s.loose[1:]
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return explain("write", f.Name(), err)
		}
	}
	if s.tail == nil {
		return nil
	}
	return s.tail.sync()
}

// close lets go of the files, and of rows that are not in them yet.
func (s *stream) close() error {
	var errs []error
	for _, f := range s.loose {
		errs = append(errs, f.Close())
	}
	if s.tail != nil {
		errs = append(errs, s.tail.close())
	}
	return errors.Join(errs...)
}
