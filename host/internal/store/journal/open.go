package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Found is what Open has found.
type Found struct {
	First, Last uint64 // positions; First is Last+1 if there is no record
	Cut         int64  // bytes that were torn at the end and are gone
}

// Open opens the journal in a directory and makes it, for this user alone, if
// it is not there. It reads the last segment to find the end.
func Open(dir string, config Config) (*Journal, Found, error) {
	j := &Journal{dir: dir, config: config.withDefaults(), next: 1}
	found, err := j.open()
	if err != nil {
		if j.file != nil {
			err = errors.Join(err, j.file.Close())
		}
		return nil, Found{}, err
	}
	return j, found, nil
}

func (j *Journal) open() (Found, error) {
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return Found{}, j.explain("open", err)
	}
	if err := j.list(); err != nil {
		return Found{}, j.explain("open", err)
	}
	var cut int64
	var err error
	if len(j.segments) == 0 {
		if j.config.Durable > 0 {
			return Found{}, j.gone("there is no segment")
		}
		j.newDir = true
		if err = j.begin(1); err != nil {
			err = j.explain("open", err)
		}
	} else {
		cut, err = j.findEnd()
	}
	if err != nil {
		return Found{}, err
	}
	j.flushed, j.synced = j.next-1, j.next-1
	return Found{First: j.segments[0].first, Last: j.next - 1, Cut: cut}, nil
}

// list finds the segments.
func (j *Journal) list() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		first, ok := segmentFirst(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		j.segments = append(j.segments, segment{first: first, size: info.Size()})
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// findEnd reads the last segment up to the first record that is not whole, and
// cuts it there.
func (j *Journal) findEnd() (cut int64, err error) {
	last := &j.segments[len(j.segments)-1]
	file, err := os.OpenFile(j.path(last.first), os.O_RDWR, 0o600)
	if err != nil {
		return 0, j.explain("open", err)
	}
	j.file = file
	end, next, torn, err := scan(file, *last)
	if err != nil {
		return 0, j.explain("read "+segmentName(last.first), err)
	}
	if torn != nil && next-1 < j.config.Durable {
		return 0, j.damaged(last.first, torn)
	}
	if next-1 < j.config.Durable {
		return 0, j.gone(fmt.Sprintf("%s ends with position %d", segmentName(last.first), next-1))
	}
	cut = last.size - end
	if last.size, err = j.cutAt(last.first, last.size, end); err != nil {
		return 0, j.explain("cut the torn end", err)
	}
	j.next = next
	j.count()
	return cut, nil
}

// scan goes through a segment and tells where it ends, which position comes
// then, and what is wrong there, if anything is.
func scan(file io.ReaderAt, s segment) (end int64, next uint64, torn *tornError, err error) {
	in, err := newScanner(file, s.size, s.first)
	if errors.As(err, &torn) {
		return 0, s.first, torn, nil
	}
	for err == nil {
		_, err = in.record()
	}
	switch {
	case errors.As(err, &torn):
		return in.at, in.next, torn, nil
	case errors.Is(err, io.EOF):
		return in.at, in.next, nil, nil
	}
	return 0, 0, nil, err
}

// cutAt makes the open last segment end at an offset, durably, and writes on
// from there. At 0 it gets a new head.
func (j *Journal) cutAt(first uint64, size, end int64) (int64, error) {
	if end < size {
		if err := j.file.Truncate(end); err != nil {
			return 0, err
		}
	}
	if end == 0 {
		if _, err := j.file.WriteAt(segmentHead(first), 0); err != nil {
			return 0, err
		}
		end = headLen
	}
	if end != size {
		if err := j.file.Sync(); err != nil {
			return 0, err
		}
	}
	if _, err := j.file.Seek(end, io.SeekStart); err != nil {
		return 0, err
	}
	j.takeOver(j.file, end)
	return end, nil
}

// DamageError tells that a record that was once durable cannot be read.
type DamageError struct {
	File   string
	Offset int64
	Cause  string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal %s is damaged at offset %d (%s); begin anew with --fresh, or put a copy of the file back", e.File, e.Offset, e.Cause)
}

func (j *Journal) damaged(first uint64, torn *tornError) error {
	return &DamageError{File: j.path(first), Offset: torn.at, Cause: torn.cause}
}

// gone is for records that should be there but of which no trace is left.
func (j *Journal) gone(why string) error {
	return fmt.Errorf("journal %s: the records up to position %d should be there, but %s; begin anew with --fresh, or put a copy of the directory back",
		j.dir, j.config.Durable, why)
}
