// Package journal keeps frames on disk in the order in which they came, for
// readers whose source cannot be read again and for loaders that wait for final
// data.
//
// A journal is a directory of segments. Only the last one is written to, and
// the one before it was made durable first: after a crash nothing but the end of
// the last segment can be torn. What is torn is cut and never trusted.
//
// Positions count the records from 1 and have no gaps. What Truncate has dropped
// gets its positions again.
package journal

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/penstock-io/penstock/host/internal/store/disk"
)

// ErrFull tells that a record does not fit until something is released.
var ErrFull = errors.New("the journal is full")

// Config bounds a journal.
type Config struct {
	MaxBytes     int64 // what all segments may take together; 0 means 1 GiB
	SegmentBytes int64 // what one may take before the next begins; 0 means 16 MiB; at most a quarter of MaxBytes

	// Durable is the last position that is known to have been durable: if it
	// cannot be found that is damage, not a torn end, and nothing is cut.
	Durable uint64
}

func (c Config) withDefaults() Config {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 30
	}
	if c.SegmentBytes <= 0 {
		c.SegmentBytes = 16 << 20
	}
	c.SegmentBytes = max(min(c.SegmentBytes, c.MaxBytes/4), headLen+1)
	return c
}

// bufferBytes is what is written to a file at a time.
const bufferBytes = 256 << 10

// Journal is an open journal. One goroutine may write, which is to call
// anything but Read, while another one reads; Size may be asked by anybody.
type Journal struct {
	dir    string
	config Config
	size   atomic.Int64 // of all segments with what is in the buffer

	// Of the writer alone.
	file     *os.File // the last segment
	out      *bufio.Writer
	next     uint64 // the position of the next record
	here     int64  // the size of the last segment with what is in the buffer
	failure  error  // what went wrong with the file: it lasts until Truncate
	synced   uint64 // the last position that is durable
	newFiles bool   // the directory has changed since the last Sync
	newDir   bool   // so has the one above it

	mu       sync.Mutex // held while what follows is read or changed
	segments []segment  // at least one, ascending
	flushed  uint64     // the last position that can be read
	cuts     int        // how often something was dropped
}

// segment is one file as a reader may see it.
type segment struct {
	first uint64
	size  int64 // of what was flushed: it ends with a whole record
}

// First is the position of the oldest record that is kept, and one more than
// Last if there is none.
func (j *Journal) First() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].first
}

// Last is the position of the newest record, flushed or not; 0 before the first.
func (j *Journal) Last() uint64 { return j.next - 1 }

// Size is how many bytes all segments take, with what is not flushed yet.
func (j *Journal) Size() int64 { return j.size.Load() }

// Append adds a record and tells its position. Its parts are not held on to. A
// reader sees it after Flush, and it is durable after Sync. ErrFull means that
// nothing was added and that it may be tried again once something was released;
// after any other error everything that was appended since the last Flush is in
// doubt, and nothing is taken before Truncate.
func (j *Journal) Append(kind byte, header []byte, body ...[]byte) (position uint64, err error) {
	if j.failure != nil {
		return 0, j.failure
	}
	n, err := length(header, body)
	if err != nil {
		return 0, fmt.Errorf("journal %s: %w", j.dir, err)
	}
	whole := int64(prefixLen + n)
	if whole+headLen > j.config.MaxBytes {
		return 0, fmt.Errorf("journal %s: a record of %d bytes is more than the %d that all may take: allow it more", j.dir, whole, j.config.MaxBytes)
	}
	rotates := j.here > headLen && j.here+whole > j.config.SegmentBytes
	if rotates {
		whole += headLen
	}
	if j.Size()+whole > j.config.MaxBytes {
		return 0, ErrFull
	}
	if rotates {
		if err := j.rotate(); err != nil {
			return 0, j.fail("begin a segment", err)
		}
		whole -= headLen
	}
	if err := j.write(kind, n, header, body); err != nil {
		return 0, j.fail("append", err)
	}
	j.here += whole
	j.size.Add(whole)
	j.next++
	return j.next - 1, nil
}

func (j *Journal) write(kind byte, n int, header []byte, body [][]byte) error {
	var prefix [prefixLen]byte
	putPrefix(&prefix, j.next, kind, n, header, body)
	if _, err := j.out.Write(prefix[:]); err != nil {
		return err
	}
	if _, err := j.out.Write(header); err != nil {
		return err
	}
	for _, part := range body {
		if _, err := j.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// fail keeps an error of the file, because what follows would lie behind a gap.
func (j *Journal) fail(what string, err error) error {
	j.failure = j.explain(what, err)
	return j.failure
}

func (j *Journal) explain(what string, err error) error {
	if advice := disk.Advice(err); advice != "" {
		return fmt.Errorf("journal %s: %s: %w; %s, or choose another data directory with --data-dir", j.dir, what, err, advice)
	}
	return fmt.Errorf("journal %s: %s: %w", j.dir, what, err)
}

// Flush makes everything that was appended visible to the reader. It waits for
// no disk.
func (j *Journal) Flush() error {
	if j.failure != nil {
		return j.failure
	}
	if err := j.out.Flush(); err != nil {
		return j.fail("flush", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments[len(j.segments)-1].size = j.here
	j.flushed = j.next - 1
	return nil
}

// Sync flushes, and returns once everything that was appended is durable.
func (j *Journal) Sync() error {
	if err := j.Flush(); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return j.fail("sync", err)
	}
	if err := j.syncDir(); err != nil {
		return j.fail("sync", err)
	}
	j.synced = j.Last()
	return nil
}

// syncDir makes durable which segments there are.
func (j *Journal) syncDir() error {
	if !j.newFiles {
		return nil
	}
	if err := disk.SyncDir(j.dir); err != nil {
		return err
	}
	if j.newDir {
		if err := disk.SyncDir(filepath.Dir(j.dir)); err != nil {
			return err
		}
	}
	j.newFiles, j.newDir = false, false
	return nil
}

// Close flushes and closes the journal. What was not synced is as durable as
// the system makes it.
func (j *Journal) Close() error {
	err := j.failure
	if err == nil {
		err = j.Flush()
	}
	if closing := j.file.Close(); closing != nil && err == nil {
		err = j.explain("close", closing)
	}
	return err
}

// rotate ends the last segment, durably, and begins the next one.
func (j *Journal) rotate() error {
	if err := j.out.Flush(); err != nil {
		return err
	}
	if err := errors.Join(j.file.Sync(), j.syncDir()); err != nil {
		return err
	}
	j.mu.Lock()
	j.segments[len(j.segments)-1].size = j.here
	j.flushed, j.synced = j.Last(), j.Last()
	j.mu.Unlock()
	return j.begin(j.next)
}

// begin makes a new segment the last one, and closes the one before it.
func (j *Journal) begin(first uint64) error {
	file, err := os.OpenFile(j.path(first), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	j.newFiles = true
	if _, err := file.Write(segmentHead(first)); err != nil {
		return errors.Join(err, file.Close())
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	j.takeOver(file, headLen)
	j.next = first
	j.size.Add(headLen)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, segment{first: first, size: headLen})
	return nil
}

// takeOver writes to the end of a file from now on.
func (j *Journal) takeOver(file *os.File, size int64) {
	j.file, j.here = file, size
	if j.out == nil {
		j.out = bufio.NewWriterSize(file, bufferBytes)
	}
	j.out.Reset(file)
}
