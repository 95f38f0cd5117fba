package journal

import (
	"bytes"
	"errors"
	"io"
)

// Scan reads a segment that begins at position 1 up to the first record that is
// not whole, and tells where that is.
func Scan(content []byte, each func(Record)) (end int64, err error) {
	s, err := newScanner(bytes.NewReader(content), int64(len(content)), 1)
	for err == nil {
		var r Record
		if r, err = s.record(); err == nil {
			each(r)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if s == nil {
		return 0, err
	}
	return s.at, err
}

// Torn tells whether an error says that a segment is not whole.
func Torn(err error) bool { return errors.As(err, new(*tornError)) }

// Segment writes records as they stand in a segment that begins at position 1.
func Segment(records []Record) []byte {
	content := segmentHead(1)
	for _, r := range records {
		var prefix [prefixLen]byte
		putPrefix(&prefix, r.Position, r.Kind, len(r.Header)+len(r.Body), r.Header, [][]byte{r.Body})
		content = append(append(append(content, prefix[:]...), r.Header...), r.Body...)
	}
	return content
}
