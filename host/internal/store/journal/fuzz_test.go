package journal_test

import (
	"bytes"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

// Whatever a file holds, what is read of it is exactly what stands before the
// first thing that is wrong, and needs no more memory than the file has bytes.
func FuzzSegment(f *testing.F) {
	whole := journal.Segment([]journal.Record{
		{Position: 1, Kind: 7, Header: []byte("head"), Body: []byte("body")},
		{Position: 2},
		{Position: 3, Kind: 255, Body: make([]byte, 100)},
	})
	f.Add(whole)
	f.Add(whole[:40])
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{255}, 100))
	f.Fuzz(func(t *testing.T, content []byte) {
		var records []journal.Record
		end, err := journal.Scan(content, func(r journal.Record) {
			r.Header, r.Body = bytes.Clone(r.Header), bytes.Clone(r.Body)
			records = append(records, r)
		})
		if err == nil && end != int64(len(content)) {
			t.Errorf("it ended at %d of %d bytes and said nothing", end, len(content))
		}
		if err != nil && !journal.Torn(err) {
			t.Errorf("got %v", err)
		}
		if end == 0 {
			return // not even a head
		}
		if again := journal.Segment(records); !bytes.Equal(again, content[:end]) {
			t.Errorf("%d records were read of %d bytes, which are not what they would be written as", len(records), end)
		}
	})
}
