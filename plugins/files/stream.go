package main

import (
	"os"

	"github.com/penstock-io/penstock/sdk/transit"
)

// pageSize is when lines are written to a file without waiting for a commit.
const pageSize = 256 << 10

// stream writes the rows of one input into its files.
type stream struct {
	input  string
	shelf  *shelf
	files  *series
	layout layout
	rotate *rotation // nil: one file

	at    place    // of what was written and what is in the page
	file  *os.File // nil: the next row begins one
	page  []byte   // whole lines
	line  []byte
	dirty bool // the file has what may not be on the disk yet
}

// resume opens the file that an input was at, which ends there.
func (s *stream) resume(at place) error {
	if s.at = at; at.File == 0 {
		return nil
	}
	path := s.shelf.path(s.files.open(at.File))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return explain("open", path, err)
	}
	s.file = file
	return nil
}

// write adds the rows of a batch.
func (s *stream) write(batch transit.Batch) error {
	for row := range int(batch.Record.NumRows()) {
		s.line = s.layout.row(s.line[:0], batch, row)
		if s.file == nil || s.rotate.full(s.at, len(s.line)) {
			if err := s.turn(); err != nil {
				return err
			}
		}
		s.page = append(s.page, s.line...)
		s.at.Bytes += int64(len(s.line))
		s.at.Rows++
		if len(s.page) < pageSize {
			continue
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
	return nil
}

// turn ends the file, if there is one, and begins the next. The books name it
// before it is there: whoever finds it after a crash knows whose it is.
func (s *stream) turn() error {
	if err := s.end(); err != nil {
		return err
	}
	if err := s.shelf.free(s.files, s.at.File+1); err != nil {
		return err
	}
	s.at = place{File: s.at.File + 1}
	s.files.Begun = s.at.File
	if err := s.shelf.save(); err != nil {
		return err
	}
	path := s.shelf.path(s.files.open(s.at.File))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return explain("make", path, err)
	}
	s.file = file
	s.page = append(s.page, s.files.Header...)
	s.at.Bytes = int64(len(s.page))
	return nil
}

// end makes the file durable, which no more rows go to.
func (s *stream) end() error {
	if s.file == nil {
		return nil
	}
	if err := s.sync(); err != nil {
		return err
	}
	err := s.file.Close()
	if err != nil {
		err = explain("close", s.file.Name(), err)
	}
	s.file = nil
	return err
}

// flush writes the page to the file, where others see its rows.
func (s *stream) flush() error {
	if len(s.page) == 0 {
		return nil
	}
	if _, err := s.file.Write(s.page); err != nil {
		_ = s.file.Truncate(s.at.Bytes - int64(len(s.page))) // half a line is of use to nobody
		return explain("write", s.file.Name(), err)
	}
	s.page, s.dirty = s.page[:0], true
	if cap(s.page) > 4*pageSize {
		s.page = nil // do not keep the space of one huge row
	}
	return nil
}

// sync makes durable what has come.
func (s *stream) sync() error {
	if err := s.flush(); err != nil || !s.dirty {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return explain("write", s.file.Name(), err)
	}
	s.dirty = false
	return nil
}

// close lets go of the file, and of rows that are not in it yet.
func (s *stream) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
