package journal

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// ErrTruncated tells a reader that what it was reading is gone.
var ErrTruncated = errors.New("the journal was truncated while it was read")

// Read goes through the records from a position on, up to the last one that was
// flushed when it gets there; it does not wait for more. The bytes of a record
// are good until the next one. It holds one record in memory, and checks each. A
// record that is damaged ends it with a *DamageError.
func (j *Journal) Read(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := reader{journal: j, from: max(from, 1)}
		defer r.close()
		for {
			record, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// reader is one pass through a journal.
type reader struct {
	journal *Journal
	from    uint64 // what comes before it is not told
	cuts    int

	file  *os.File // nil at first
	first uint64   // of its segment
	in    *scanner
}

// next is io.EOF at the end of what was flushed.
func (r *reader) next() (Record, error) {
	for {
		if r.in == nil {
			if err := r.open(r.from); err != nil {
				return Record{}, err
			}
		}
		record, err := r.in.record()
		if err == nil && record.Position < r.from {
			continue
		}
		if err == nil || !errors.Is(err, io.EOF) {
			return record, r.judge(err)
		}
		if err := r.goOn(); err != nil {
			return Record{}, err
		}
	}
}

// judge says whether an error is damage, or comes from a cut, which may have
// made anything of what was read.
func (r *reader) judge(err error) error {
	j := r.journal
	j.mu.Lock()
	cuts := j.cuts
	j.mu.Unlock()
	if cuts != r.cuts {
		return fmt.Errorf("journal %s: %w", j.dir, ErrTruncated)
	}
	if torn := new(tornError); errors.As(err, &torn) {
		return j.damaged(r.first, torn)
	}
	if err != nil {
		return j.explain("read "+segmentName(r.first), err)
	}
	return nil
}

// open goes to the segment with a position.
func (r *reader) open(position uint64) error {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.file == nil {
		r.cuts = j.cuts
	}
	at := j.find(position)
	switch {
	case r.cuts != j.cuts:
		return fmt.Errorf("journal %s: %w", j.dir, ErrTruncated)
	case at < 0:
		return fmt.Errorf("journal %s: position %d was released; the first one that is kept is %d", j.dir, position, j.segments[0].first)
	case position > j.flushed:
		return io.EOF
	}
	s := j.segments[at]
	r.close()
	file, err := os.Open(j.path(s.first))
	if err != nil {
		return j.explain("read", err)
	}
	r.file, r.first = file, s.first
	r.in, err = newScanner(file, s.size, s.first)
	if torn := new(tornError); errors.As(err, &torn) {
		return j.damaged(s.first, torn)
	}
	if err != nil {
		return j.explain("read "+segmentName(s.first), err)
	}
	return nil
}

// goOn looks for more at the end of what could be read so far: in the same
// segment or in the one after it.
func (r *reader) goOn() error {
	j := r.journal
	j.mu.Lock()
	cuts, flushed := j.cuts, j.flushed
	var size int64
	at := j.find(r.first)
	if at >= 0 && j.segments[at].first == r.first {
		size = j.segments[at].size
	}
	j.mu.Unlock()
	switch {
	case cuts != r.cuts:
		return fmt.Errorf("journal %s: %w", j.dir, ErrTruncated)
	case size > r.in.source.limit:
		r.in.source.limit = size
		return nil
	case r.in.next > flushed:
		return io.EOF
	}
	from := r.in.next
	if err := r.open(from); err != nil {
		return err
	}
	if r.first != from {
		return j.damaged(r.first, &tornError{0, fmt.Sprintf("position %d should stand before it and does not", from)})
	}
	return nil
}

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() // nothing was written to it
	}
}

// find tells which segment a position belongs to, -1 if it lies before all of
// them. The caller holds mu.
func (j *Journal) find(position uint64) int {
	for at, s := range slices.Backward(j.segments) {
		if s.first <= position {
			return at
		}
	}
	return -1
}
