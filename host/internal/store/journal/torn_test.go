package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

// oneSegment is a segment with eight records, and the offsets at which they end.
func oneSegment(t *testing.T) (name string, content []byte, ends []int64) {
	t.Helper()
	dir := t.TempDir()
	j, _ := open(t, dir, journal.Config{})
	ends = []int64{j.Size()}
	for n := range uint64(8) {
		fill(t, j, n+1)
		ends = append(ends, j.Size())
	}
	ok(t, j.Close())
	path := files(t, dir)[0]
	content, err := os.ReadFile(path)
	ok(t, err)
	return filepath.Base(path), content, ends
}

func segmentIn(t *testing.T, name string, content []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	return dir
}

// wholeBefore counts the records that end at or before an offset.
func wholeBefore(ends []int64, offset int64) (records uint64, end int64) {
	for i, e := range ends {
		if e <= offset {
			records, end = uint64(i), e
		}
	}
	return records, end
}

// Wherever the end is torn off, or followed by zeros or other rubbish, the
// records that are whole are read and new ones follow them.
func TestTornAtEveryOffset(t *testing.T) {
	t.Parallel()
	name, content, ends := oneSegment(t)
	rubbish := map[string][]byte{"nothing": nil, "zeros": make([]byte, 100), "a piece of itself": content[ends[3]:ends[5]]}
	for what, after := range rubbish {
		for size := range len(content) + 1 {
			torn := append(slices.Clone(content[:size]), after...)
			last, end := wholeBefore(ends, int64(size))
			if more, _ := wholeBefore(ends, same(content, torn)); more != last || size < int(ends[0]) && same(content, torn) >= ends[0] {
				continue // by chance what follows is what was there
			}
			dir := segmentIn(t, name, torn)
			j, found := open(t, dir, journal.Config{})
			want := journal.Found{First: 1, Last: last, Cut: int64(len(torn)) - end}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Fatalf("cut at %d, then %s (-want +got):\n%s", size, what, diff)
			}
			fill(t, j, last+3)
			wantRecords(t, j, 1, last+3)
			ok(t, j.Close())
			j, found = open(t, dir, journal.Config{Durable: last + 3})
			if found.Cut != 0 || found.Last != last+3 {
				t.Fatalf("cut at %d, then %s: opened once more: %+v", size, what, found)
			}
			ok(t, j.Close())
		}
	}
}

// same is up to where two slices are equal.
func same(a, b []byte) (n int64) {
	for int(n) < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// Whichever byte changes, no record that holds it is told.
func TestEveryByteIsChecked(t *testing.T) {
	t.Parallel()
	name, content, ends := oneSegment(t)
	for at := range content {
		changed := slices.Clone(content)
		changed[at] ^= 0x40
		last, end := wholeBefore(ends, int64(at))
		j, found := open(t, segmentIn(t, name, changed), journal.Config{Durable: last})
		if found.Last != last || found.Cut != int64(len(content))-end {
			t.Fatalf("byte %d: got %+v, want %d records", at, found, last)
		}
		wantRecords(t, j, 1, last)
		ok(t, j.Close())
	}
}

// Not even a checksum that is right makes sense of a header that is longer than
// its record.
func TestHeaderLongerThanItsRecord(t *testing.T) {
	content := journal.Segment([]journal.Record{{Position: 1, Body: []byte("body")}})
	record := content[24:]
	record[16] = 5
	binary.LittleEndian.PutUint32(record, crc32.Checksum(record[4:], crc32.MakeTable(crc32.Castagnoli)))
	end, err := journal.Scan(content, func(r journal.Record) { t.Errorf("it was read as %+v", r) })
	if end != 24 || !journal.Torn(err) {
		t.Errorf("it ended at %d with %v, want 24 and that it is torn", end, err)
	}
}

// What was known to be durable is not cut: it is damage, named, and left as it
// is.
func TestDurableIsNotCut(t *testing.T) {
	name, content, ends := oneSegment(t)
	changed := slices.Clone(content)
	changed[ends[6]+30] ^= 1
	for what, test := range map[string]struct {
		content []byte
		want    []string
	}{
		"a byte that changed": {changed, []string{name, "offset " + itoa(ends[6]), "checksum"}},
		"an end that is gone": {content[:ends[6]], []string{"position 7", "ends with position 6"}},
		"a head that changed": {append([]byte("x"), content[1:]...), []string{name, "offset 0", "does not begin"}},
	} {
		t.Run(what, func(t *testing.T) {
			dir := segmentIn(t, name, test.content)
			_, _, err := journal.Open(dir, journal.Config{Durable: 7})
			if err == nil {
				t.Fatal("Open: no error")
			}
			for _, want := range append(test.want, dir, "--fresh", "put a copy") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Open: got %q, which lacks %q", err, want)
				}
			}
			if left, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(left, test.content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	if _, _, err := journal.Open(t.TempDir(), journal.Config{Durable: 7}); err == nil || !strings.Contains(err.Error(), "there is no segment") {
		t.Errorf("an empty directory: got %v", err)
	}
}

// Damage in the middle is an error at the record, after those before it.
func TestDamageInTheMiddle(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"a byte": {func(t *testing.T, path string) {
			t.Helper()
			content, err := os.ReadFile(path)
			ok(t, err)
			content[len(content)-1] ^= 1
			ok(t, os.WriteFile(path, content, 0o600))
		}, "checksum"},
		"an end that is gone": {func(t *testing.T, path string) {
			t.Helper()
			info, err := os.Stat(path)
			ok(t, err)
			ok(t, os.Truncate(path, info.Size()-1))
		}, "bytes are left"},
		"a file that is gone": {func(t *testing.T, path string) {
			t.Helper()
			ok(t, os.Remove(path))
		}, "should stand before it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := open(t, dir, small)
			fill(t, j, 40)
			ok(t, j.Close())
			test.spoil(t, files(t, dir)[2])
			j, _ = open(t, dir, small)
			records, last := 0, error(nil)
			for _, err := range j.Read(1) {
				if last = err; err == nil {
					records++
				}
			}
			var damage *journal.DamageError
			if !errors.As(last, &damage) || records == 0 {
				t.Fatalf("after %d records: got %v, want a DamageError", records, last)
			}
			for _, want := range []string{dir, ".journal is damaged at offset ", "--fresh", "put a copy of the file back"} {
				if !strings.Contains(last.Error(), want) {
					t.Errorf("Read: got %q, which lacks %q", last, want)
				}
			}
			ok(t, j.Close())
		})
	}
}
