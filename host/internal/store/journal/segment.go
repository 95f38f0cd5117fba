package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment is a file with a head and records one after the other. Numbers are
// in little-endian order.
//
//	head     8  magic
//	         8  the position of the first record
//	         4  CRC-32C of these 16 bytes
//	         4  zero
//	record   4  CRC-32C of all that follows of it
//	         4  length of the header and the body
//	         8  position
//	         4  length of the header
//	         1  kind
//	         3  zero
//	            header, body
const (
	magic     = "penstkj1"
	headLen   = 24
	prefixLen = 24
	suffix    = ".journal"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is what was given to Append.
type Record struct {
	Position uint64
	Kind     byte
	Header   []byte
	Body     []byte
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, suffix) }

// segmentFirst reads the name of a segment.
func segmentFirst(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil && first > 0
}

func segmentHead(first uint64) []byte {
	head := binary.LittleEndian.AppendUint64([]byte(magic), first)
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	return binary.LittleEndian.AppendUint32(head, 0)
}

// putPrefix writes what stands before a header and a body, which are summed but
// not copied.
func putPrefix(to *[prefixLen]byte, position uint64, kind byte, length int, header []byte, body [][]byte) {
	binary.LittleEndian.PutUint32(to[4:], uint32(length))
	binary.LittleEndian.PutUint64(to[8:], position)
	binary.LittleEndian.PutUint32(to[16:], uint32(len(header)))
	to[20], to[21], to[22], to[23] = kind, 0, 0, 0
	sum := crc32.Checksum(to[4:], castagnoli)
	sum = crc32.Update(sum, castagnoli, header)
	for _, part := range body {
		sum = crc32.Update(sum, castagnoli, part)
	}
	binary.LittleEndian.PutUint32(to[:], sum)
}

// scanner reads a segment from its beginning and trusts nothing of it.
type scanner struct {
	in     *bufio.Reader
	source *capped
	at     int64  // where the next record begins
	next   uint64 // its position
	buffer []byte // of the record that was read last
}

// capped reads no further than a limit, which may be moved on.
type capped struct {
	from  io.ReaderAt
	at    int64
	limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	if left := c.limit - c.at; left < int64(len(p)) {
		p = p[:max(left, 0)]
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := c.from.ReadAt(p, c.at)
	c.at += int64(n)
	if n > 0 {
		err = nil // if it lasts it comes again
	}
	return n, err
}

// tornError is for what is not, or not whole, what was once written.
type tornError struct {
	at    int64
	cause string
}

func (e *tornError) Error() string { return fmt.Sprintf("offset %d: %s", e.at, e.cause) }

// newScanner reads the head of a segment whose first record must be first.
func newScanner(from io.ReaderAt, limit int64, first uint64) (*scanner, error) {
	source := &capped{from: from, limit: limit}
	s := &scanner{in: bufio.NewReaderSize(source, 64<<10), source: source, next: first}
	var head [headLen]byte
	if err := s.fill(head[:]); err != nil {
		return nil, err
	}
	if head != [headLen]byte(segmentHead(first)) {
		return nil, &tornError{0, "it does not begin as a segment does that begins at position " + strconv.FormatUint(first, 10)}
	}
	s.at = headLen
	return s, nil
}

// record reads the next record, whose bytes are good until the one after it is
// read. At the limit the error is io.EOF, and more can be read once the limit
// has moved on.
func (s *scanner) record() (Record, error) {
	if s.at == s.source.limit {
		return Record{}, io.EOF
	}
	var prefix [prefixLen]byte
	if err := s.fill(prefix[:]); err != nil {
		return Record{}, err
	}
	length := int64(binary.LittleEndian.Uint32(prefix[4:]))
	headerLen := int64(binary.LittleEndian.Uint32(prefix[16:]))
	position := binary.LittleEndian.Uint64(prefix[8:])
	left := s.source.limit - s.at - prefixLen
	switch {
	case length > left:
		return Record{}, &tornError{s.at, fmt.Sprintf("a record of %d bytes where %d are left", length, left)}
	case headerLen > length:
		return Record{}, &tornError{s.at, fmt.Sprintf("a header of %d bytes in a record of %d", headerLen, length)}
	case position != s.next:
		return Record{}, &tornError{s.at, fmt.Sprintf("position %d where %d is due", position, s.next)}
	}
	if int64(cap(s.buffer)) < length {
		s.buffer = make([]byte, length)
	}
	payload := s.buffer[:length]
	if err := s.fill(payload); err != nil {
		return Record{}, err
	}
	sum := crc32.Update(crc32.Checksum(prefix[4:], castagnoli), castagnoli, payload)
	if want := binary.LittleEndian.Uint32(prefix[:]); sum != want {
		return Record{}, &tornError{s.at, fmt.Sprintf("checksum %08x instead of %08x", sum, want)}
	}
	s.at += prefixLen + length
	s.next++
	return Record{Position: position, Kind: prefix[20], Header: payload[:headerLen:headerLen], Body: payload[headerLen:]}, nil
}

// fill reads exactly what fits.
func (s *scanner) fill(p []byte) error {
	_, err := io.ReadFull(s.in, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &tornError{s.at, "it ends within a record"}
	}
	return err
}

// length adds up what a record takes after its prefix.
func length(header []byte, body [][]byte) (int, error) {
	n := len(header)
	for _, part := range body {
		n += len(part)
	}
	if n > math.MaxUint32-prefixLen {
		return 0, fmt.Errorf("a record of %d bytes: none may be larger than 4 GiB", n)
	}
	return n, nil
}

func (j *Journal) path(first uint64) string { return filepath.Join(j.dir, segmentName(first)) }
