package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

func open(t *testing.T, dir string, config journal.Config) (*journal.Journal, journal.Found) {
	t.Helper()
	j, found, err := journal.Open(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	return j, found
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// body is what the record at a position holds, in every test.
func body(position uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d,", position), int(position%5)*3)
}

// fill appends records up to a position, and flushes.
func fill(t *testing.T, j *journal.Journal, last uint64) {
	t.Helper()
	for j.Last() < last {
		b := body(j.Last() + 1)
		position, err := j.Append(byte(j.Last()+1), fmt.Appendf(nil, "h%d", j.Last()+1), b[:len(b)/2], nil, b[len(b)/2:])
		ok(t, err)
		if position != j.Last() {
			t.Fatalf("Append: got position %d, Last says %d", position, j.Last())
		}
	}
	ok(t, j.Flush())
}

// wantRecords reads from a position and expects all up to the last.
func wantRecords(t *testing.T, j *journal.Journal, from, last uint64) {
	t.Helper()
	next := max(from, 1)
	for r, err := range j.Read(from) {
		ok(t, err)
		want := journal.Record{Position: next, Kind: byte(next), Header: fmt.Appendf(nil, "h%d", next), Body: body(next)}
		if diff := cmp.Diff(want, r, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Fatalf("record %d (-want +got):\n%s", next, diff)
		}
		next++
	}
	if next != last+1 {
		t.Errorf("Read(%d): the last record was %d, want %d", from, next-1, last)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	ok(t, err)
	return paths
}

// onDisk is what the segments take.
func onDisk(t *testing.T, dir string) (size int64) {
	t.Helper()
	for _, path := range files(t, dir) {
		info, err := os.Stat(path)
		ok(t, err)
		size += info.Size()
	}
	return size
}

var small = journal.Config{MaxBytes: 100_000, SegmentBytes: 300}

func TestWhatIsAppendedIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "journal")
	j, found := open(t, dir, small)
	if diff := cmp.Diff(journal.Found{First: 1}, found); diff != "" {
		t.Errorf("a new journal (-want +got):\n%s", diff)
	}
	wantRecords(t, j, 1, 0)
	fill(t, j, 50)
	if got := len(files(t, dir)); got < 5 {
		t.Errorf("there are %d segments, too few for the test", got)
	}
	for _, from := range []uint64{0, 1, 2, 17, 50, 51, 99} {
		wantRecords(t, j, from, max(50, max(from, 1)-1))
	}
	if got, want := j.Size(), onDisk(t, dir); got != want {
		t.Errorf("Size: got %d, want %d", got, want)
	}
	ok(t, j.Sync())
	ok(t, j.Close())

	j, found = open(t, dir, small)
	if diff := cmp.Diff(journal.Found{First: 1, Last: 50}, found); diff != "" {
		t.Errorf("when it is opened again (-want +got):\n%s", diff)
	}
	if got, want := j.Size(), onDisk(t, dir); got != want {
		t.Errorf("Size when it is opened again: got %d, want %d", got, want)
	}
	fill(t, j, 60)
	wantRecords(t, j, 1, 60)
	ok(t, j.Close())
}

// A reader sees nothing before Flush, and goes on in the same pass with what is
// flushed while it reads.
func TestReaderFollowsFlush(t *testing.T) {
	j, _ := open(t, t.TempDir(), small)
	fill(t, j, 3)
	_, err := j.Append(4, []byte("h4"), body(4))
	ok(t, err)
	wantRecords(t, j, 1, 3)
	ok(t, j.Flush())
	wantRecords(t, j, 1, 4)

	last := uint64(0)
	for r, err := range j.Read(1) {
		ok(t, err)
		last = r.Position
		if last%4 == 0 && last < 40 {
			fill(t, j, last+4)
		}
	}
	if last != 40 {
		t.Errorf("the last record that was read is %d, want 40", last)
	}
	ok(t, j.Close())
}

func TestReaderBesideWriter(t *testing.T) {
	const last = 3000
	j, _ := open(t, t.TempDir(), journal.Config{MaxBytes: 10 << 20, SegmentBytes: 2000})
	done := make(chan error, 1)
	go func() {
		next := uint64(1)
		for next <= last {
			for r, err := range j.Read(next) {
				if err == nil && (r.Position != next || !bytes.Equal(r.Body, body(next))) {
					err = fmt.Errorf("record %d with body %q, want %d", r.Position, r.Body, next)
				}
				if err != nil {
					done <- err
					return
				}
				next++
			}
		}
		done <- nil
	}()
	for n := uint64(7); n < last; n += 7 {
		fill(t, j, n)
	}
	fill(t, j, last)
	ok(t, <-done)
	ok(t, j.Close())
}

func TestFullUntilReleased(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Config{MaxBytes: 2000, SegmentBytes: 500})
	var err error
	for err == nil {
		_, err = j.Append(1, nil, make([]byte, 76))
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Fatalf("Append: got %v, want ErrFull", err)
	}
	full := j.Last()
	if full < 15 || j.Size() > 2000 {
		t.Errorf("it was full with %d records in %d bytes", full, j.Size())
	}
	if _, err := j.Append(1, nil, make([]byte, 3000)); err == nil || errors.Is(err, journal.ErrFull) {
		t.Errorf("a record that never fits: got %v", err)
	}
	ok(t, j.Release(3)) // not yet a whole segment
	if _, err := j.Append(1, nil, make([]byte, 76)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("Append: got %v, want ErrFull", err)
	}
	ok(t, j.Release(10))
	if first := j.First(); first == 1 || first > 10 {
		t.Errorf("First after Release(10): got %d", first)
	}
	if _, err := j.Append(1, nil, make([]byte, 76)); err != nil {
		t.Errorf("Append after Release: %v", err)
	}
	for _, err := range j.Read(1) {
		if err == nil || !strings.Contains(err.Error(), "position 1 was released") {
			t.Errorf("Read of what was released: got %v", err)
		}
	}
	ok(t, j.Release(j.Last()+1)) // everything, also in the segment that is written to
	if j.First() != full+2 || j.Last() != full+1 {
		t.Errorf("after all was released: got %d to %d", j.First(), j.Last())
	}
	if got := len(files(t, dir)); got != 1 {
		t.Errorf("after all was released there are %d segments", got)
	}
	ok(t, j.Close())
	j, found := open(t, dir, small)
	if diff := cmp.Diff(journal.Found{First: full + 2, Last: full + 1}, found); diff != "" {
		t.Errorf("positions go on growing (-want +got):\n%s", diff)
	}
	if err := j.Truncate(1); err == nil || !strings.Contains(err.Error(), "it was released") {
		t.Errorf("Truncate to what was released: got %v", err)
	}
	ok(t, j.Close())
}

func TestTruncateToEveryPosition(t *testing.T) {
	for position := range uint64(31) {
		for _, flushed := range []bool{true, false} {
			dir := t.TempDir()
			j, _ := open(t, dir, small)
			fill(t, j, 30)
			if !flushed {
				_, err := j.Append(31, []byte("h31"), body(31))
				ok(t, err)
				_, err = j.Append(1, nil, []byte("to be dropped"))
				ok(t, err)
				ok(t, j.Truncate(31))
				wantRecords(t, j, 1, 31)
			}
			ok(t, j.Truncate(position))
			wantRecords(t, j, 1, position)
			if got, want := j.Size(), onDisk(t, dir); got != want {
				t.Errorf("Size after Truncate(%d): got %d, want %d", position, got, want)
			}
			fill(t, j, position+8)
			ok(t, j.Close())
			j, found := open(t, dir, small)
			if diff := cmp.Diff(journal.Found{First: 1, Last: position + 8}, found); diff != "" {
				t.Errorf("after Truncate(%d) (-want +got):\n%s", position, diff)
			}
			wantRecords(t, j, 1, position+8)
			ok(t, j.Close())
		}
	}
}

// A segment that was begun in vain is gone after Truncate: it would be taken for
// the last one.
func TestSegmentBegunInVain(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, small)
	fill(t, j, 3)
	ok(t, j.Sync())
	for n := range 40 {
		ok(t, os.Mkdir(filepath.Join(dir, fmt.Sprintf("%020d.journal", 4+n)), 0o700))
	}
	var err error
	for err == nil {
		_, err = j.Append(1, nil, make([]byte, 50))
	}
	if !strings.Contains(err.Error(), "begin a segment") {
		t.Fatalf("Append: got %v", err)
	}
	ok(t, j.Truncate(3))
	if got := len(files(t, dir)); got != 1 {
		t.Errorf("there are %d segments after Truncate, want 1", got)
	}
	fill(t, j, 30)
	wantRecords(t, j, 1, 30)
	ok(t, j.Close())
}

func TestReadWhileItIsTruncated(t *testing.T) {
	j, _ := open(t, t.TempDir(), small)
	fill(t, j, 30)
	var last error
	for r, err := range j.Read(1) {
		last = err
		if r.Position == 5 {
			ok(t, j.Truncate(4))
			fill(t, j, 30)
		}
	}
	if !errors.Is(last, journal.ErrTruncated) {
		t.Errorf("the reader ended with %v, want ErrTruncated", last)
	}
	wantRecords(t, j, 1, 30)
	ok(t, j.Close())
}
