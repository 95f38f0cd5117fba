package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Truncate drops every record after a position, also those that were not
// flushed, and is durable when it returns. It makes a journal usable again that
// has failed, if position was durable then. A Read that is under way ends with
// ErrTruncated.
func (j *Journal) Truncate(position uint64) error {
	first := j.First()
	if position+1 < first {
		return fmt.Errorf("journal %s: truncate to position %d: it was released; the first one that is kept is %d", j.dir, position, first)
	}
	if j.failure == nil && position >= j.Last() {
		return nil
	}
	if j.failure != nil && position > j.synced {
		return fmt.Errorf("journal %s: truncate to position %d: only %d is certain to be on the disk: %w", j.dir, position, j.synced, j.failure)
	}
	if j.failure == nil {
		if err := j.Flush(); err != nil {
			return err
		}
	}
	if err := j.truncate(position); err != nil {
		return j.fail(fmt.Sprintf("truncate to position %d", position), err)
	}
	j.failure = nil
	return nil
}

func (j *Journal) truncate(position uint64) error {
	j.mu.Lock()
	j.cuts++
	j.flushed, j.synced = min(j.flushed, position), min(j.synced, position)
	j.mu.Unlock()
	// The newest goes first: whatever happens, what is left has no gap.
	for j.isAfter(position) {
		if err := j.dropLast(); err != nil {
			return err
		}
	}
	if err := j.dropStrays(); err != nil {
		return err
	}
	last := j.last()
	file, err := os.OpenFile(j.path(last.first), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_ = j.file.Close() // what it has not written is dropped
	j.file = file
	end, err := offsetAfter(file, last, position)
	if err != nil {
		return err
	}
	info, err := file.Stat() // more may be there than was flushed
	if err != nil {
		return err
	}
	if last.size, err = j.cutAt(last.first, info.Size(), end); err != nil {
		return err
	}
	if err := j.syncDir(); err != nil {
		return err
	}
	j.next = position + 1
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments[len(j.segments)-1] = last
	j.count()
	return nil
}

// last is the segment that is written to.
func (j *Journal) last() segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[len(j.segments)-1]
}

// dropStrays removes a segment that was begun in vain: after a crash it would be
// taken for the last one.
func (j *Journal) dropStrays() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	last := j.last().first
	for _, entry := range entries {
		if first, ok := segmentFirst(entry.Name()); !ok || first <= last {
			continue
		}
		if err := os.Remove(filepath.Join(j.dir, entry.Name())); err != nil {
			return err
		}
		j.newFiles = true
	}
	return nil
}

// count adds up the size of the segments. The caller holds mu.
func (j *Journal) count() {
	var size int64
	for _, s := range j.segments {
		size += s.size
	}
	j.size.Store(size)
}

// isAfter tells whether the last of several segments begins after a position.
func (j *Journal) isAfter(position uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := len(j.segments)
	return n > 1 && j.segments[n-1].first > position
}

func (j *Journal) dropLast() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := len(j.segments) - 1
	if err := os.Remove(j.path(j.segments[n].first)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	j.newFiles = true
	j.segments = j.segments[:n]
	return nil
}

// offsetAfter finds the end of a record in a segment.
func offsetAfter(file io.ReaderAt, s segment, position uint64) (int64, error) {
	in, err := newScanner(file, s.size, s.first)
	for err == nil && in.next <= position {
		_, err = in.record()
	}
	if err != nil {
		return 0, fmt.Errorf("look for position %d in %s: %w", position, segmentName(s.first), err)
	}
	return in.at, nil
}

// Release deletes the segments all of whose records lie before a position. Not
// to be durable does no harm: what comes back is released again.
func (j *Journal) Release(position uint64) error {
	if j.failure != nil {
		return j.failure
	}
	if position >= j.next && j.here > headLen {
		// Everything may go, also what is in the segment that is being written.
		if err := j.rotate(); err != nil {
			return j.fail("begin a segment", err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segments) > 1 && j.segments[1].first <= position {
		if err := os.Remove(j.path(j.segments[0].first)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return j.explain(fmt.Sprintf("release position %d", position), err)
		}
		j.newFiles = true
		j.size.Add(-j.segments[0].size)
		j.segments = slices.Delete(j.segments, 0, 1)
	}
	return nil
}
