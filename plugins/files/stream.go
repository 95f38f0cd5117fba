package main

import (
	"os"
	"time"

	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/transit"
)

// stream writes the rows of one input into its files.
type stream struct {
	input   string
	shelf   *shelf
	files   *series
	layout  layout
	rotate  *rotation // nil: one file
	ruler   ruler
	limits  gather.Limits
	encoder encoder // nil: files are not compressed

	at       place        // of what was written and what is in the page
	sink     *sink        // nil: the next row begins one
	page     []byte       // whole lines
	gathered gather.Batch // counts them
	line     []byte
	dirty    bool // the file has what may not be on the disk yet
}

// resume opens the file that an input was at, which ends there.
func (s *stream) resume(at place) error {
	if s.at = at; at.File == 0 {
		return nil
	}
	if s.at.Text == 0 {
		s.at.Text = at.Bytes // a version that did not compress has noted it
	}
	path := s.shelf.path(s.files.open(at.File))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return explain("open", path, err)
	}
	return s.begin(file, at.Bytes)
}

func (s *stream) begin(file *os.File, size int64) (err error) {
	if s.sink, err = newSink(file, size, s.encoder); err != nil {
		_ = file.Close()
		return explain("look at", file.Name(), err)
	}
	return nil
}

// write adds the rows of a batch.
func (s *stream) write(batch transit.Batch) error {
	now := time.Now()
	for row := range int(batch.Record.NumRows()) {
		s.line = s.layout.row(s.line[:0], batch, row)
		of := s.ruler.span(batch, row)
		if s.sink == nil || s.rotate.full(s.at, len(s.line), of) {
			if err := s.turn(); err != nil {
				return err
			}
			s.at.span = of
		}
		if s.limits.Full(s.gathered, len(s.line), now) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		s.page = append(s.page, s.line...)
		s.gathered.Add(len(s.line), now)
		s.at.Text += int64(len(s.line))
		s.at.Rows++
		s.ruler.widen(&s.at.blocks, batch, row)
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
	s.page = append(s.page, s.files.Header...)
	s.at.Text = int64(len(s.page))
	return s.begin(file, 0)
}

// end makes the file durable, which no more rows go to, and notes what is in it.
func (s *stream) end() error {
	if s.sink == nil {
		return nil
	}
	if err := s.sync(); err != nil {
		return err
	}
	file := s.sink.file
	s.sink = nil
	if err := file.Close(); err != nil {
		return explain("close", file.Name(), err)
	}
	s.files.note(s.at)
	return nil
}

// flush gives the page to the file. It is seen by others after settle.
func (s *stream) flush() error {
	if len(s.page) == 0 {
		return nil
	}
	if _, err := s.sink.Write(s.page); err != nil {
		return explain("write", s.sink.file.Name(), err)
	}
	if cap(s.page) > 4*pageSize {
		s.page = nil // do not keep the space of one huge row
	}
	s.page, s.gathered, s.dirty = s.page[:0], gather.Batch{}, true
	return nil
}

// pageSize is how large a page is mostly.
const pageSize = 1 << 20

// settle lets others see what has come. It fails where they would look in vain.
func (s *stream) settle() error {
	if s.sink == nil {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.sink.end(); err != nil {
		return explain("write", s.sink.file.Name(), err)
	}
	s.at.Bytes = s.sink.size
	return s.sink.present()
}

// sync makes durable what has come.
func (s *stream) sync() error {
	if err := s.settle(); err != nil || !s.dirty {
		return err
	}
	if err := s.sink.file.Sync(); err != nil {
		return explain("write", s.sink.file.Name(), err)
	}
	s.dirty = false
	return nil
}

// close lets go of the file, and of rows that are not in it yet.
func (s *stream) close() error {
	if s.sink == nil {
		return nil
	}
	return s.sink.file.Close()
}
