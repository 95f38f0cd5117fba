package recording

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// largestRecord is what a frame and its head may have together.
const largestRecord = wire.MaxMessage + 1<<10

// Recording is a file that was read, and found to be whole.
type Recording struct {
	Header   Header
	Snapshot *Snapshot // nil: there is none
	Reason   string    // why it ended

	InputRows, OutputRows uint64
	InputBatches          uint64
	Barriers              uint64 // that are played, without the one it begins with

	path   string
	source io.ReaderAt
	size   int64
	frames int64 // where they begin
	end    end
}

// Open reads a recording from its first byte to its last. What is wrong with it is
// a *FormatError. Close closes the file.
func Open(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &FormatError{Path: path, Message: "it is not a file"}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := Read(f, info.Size())
	if wrong := (*FormatError)(nil); errors.As(err, &wrong) {
		wrong.Path = path
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.path = path
	return r, nil
}

// Close closes what Open has opened.
func (r *Recording) Close() error {
	if f, ok := r.source.(io.Closer); ok {
		return f.Close()
	}
	return nil
}

// Path is the file that Open has opened.
func (r *Recording) Path() string { return r.path }

// Read is Open for what lies elsewhere. The source must not change as long as the
// recording is in use.
func Read(source io.ReaderAt, size int64) (*Recording, error) {
	r := &Recording{source: source, size: size}
	s := r.scan(0)
	if err := s.magic(); err != nil {
		return nil, err
	}
	if err := r.readBeginning(s); err != nil {
		return nil, err
	}
	if err := r.readFrames(s); err != nil {
		return nil, err
	}
	return r, r.checkEnd()
}

// readBeginning reads what comes before the frames.
func (r *Recording) readBeginning(s *scanner) error {
	record, err := s.next()
	if err != nil {
		return err
	}
	if record[0] != recordHeader {
		return s.wrong("it does not begin with a header")
	}
	if err := json.Unmarshal(record[1:], &r.Header); err != nil {
		return s.wrong("its header cannot be read: " + err.Error())
	}
	if err := r.Header.check(); err != nil {
		return s.wrong(err.Error())
	}
	r.frames = s.at
	if record, err = s.next(); err != nil {
		return err
	}
	if record[0] != recordSnapshot {
		return s.rewind(r.frames)
	}
	if len(record) < 5 {
		return s.wrong("its snapshot is cut short")
	}
	r.Snapshot = &Snapshot{Version: binary.BigEndian.Uint32(record[1:]), State: bytes.Clone(record[5:])}
	r.frames = s.at
	return nil
}

// readFrames checks every frame, and finds the end.
func (r *Recording) readFrames(s *scanner) error {
	for {
		record, err := s.next()
		if err != nil {
			return err
		}
		switch record[0] {
		case recordInput, recordOutput:
			if err := r.checkFrame(s, record); err != nil {
				return err
			}
		case recordEnd:
			return r.readEnd(s, record)
		default:
			return s.wrong(fmt.Sprintf("a record of kind %q is unknown: read it with a newer version", record[0]))
		}
	}
}

func (r *Recording) checkFrame(s *scanner, record []byte) error {
	f, err := parseFrame(record)
	switch {
	case err != nil:
		return s.wrong(err.Error())
	case !f.Output && int(f.Input) >= len(r.Header.Inputs):
		return s.wrong(fmt.Sprintf("a frame is of input %d, but there are %d", f.Input, len(r.Header.Inputs)))
	}
	return nil
}

func (r *Recording) readEnd(s *scanner, record []byte) error {
	if err := json.Unmarshal(record[1:], &r.end); err != nil {
		return s.wrong("its end cannot be read: " + err.Error())
	}
	r.Reason = r.end.Reason
	if s.at != r.size {
		return s.wrong("something follows its end")
	}
	return nil
}

// checkEnd finds what is played, and that it has the end that it claims.
func (r *Recording) checkEnd() error {
	found := [2]bool{}
	for f, err := range r.Frames(false) {
		if err != nil {
			return err
		}
		switch f.Kind {
		case Batch:
			r.InputRows += uint64(f.Rows)
			r.InputBatches++
		case Barrier:
			r.Barriers++
		default: // is played without being counted
		}
		found[0] = found[0] || r.end.closes(f)
	}
	for f, err := range r.Frames(true) {
		if err != nil {
			return err
		}
		if f.Kind == Batch {
			r.OutputRows += uint64(f.Rows)
		}
		found[1] = found[1] || r.end.closes(f)
	}
	if !found[0] || !found[1] {
		return &FormatError{Message: "it does not hold the end that it claims: record it again"}
	}
	return nil
}

// closes tells whether a frame is the last that is played in its direction.
func (e end) closes(f Frame) bool {
	if e.Ended {
		return f.Kind == Ended || f.Kind == Drain
	}
	return f.Kind == Barrier && f.Checkpoint == e.Checkpoint
}

// Frames are those of one direction, up to where the recording ends. A frame is
// good until the next one is asked for.
func (r *Recording) Frames(output bool) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		s := r.scan(r.frames)
		over := make(map[uint32]bool) // inputs
		for last := false; !last; {
			f, more, err := s.frame(output)
			if !more || !yield(f, err) || err != nil {
				return
			}
			if r.end.closes(f) {
				over[f.Input] = true
				last = output || !r.end.Ended || len(over) == len(r.Header.Inputs)
			}
		}
	}
}

// frame is the next of one direction; more is false at the end.
func (s *scanner) frame(output bool) (f Frame, more bool, err error) {
	for {
		record, err := s.next()
		if err != nil {
			return Frame{}, true, err
		}
		if record[0] == recordEnd {
			return Frame{}, false, nil
		}
		if (record[0] == recordOutput) == output {
			f, err := parseFrame(record)
			return f, true, err
		}
	}
}

// scanner goes through the records of a file.
type scanner struct {
	in     *bufio.Reader
	at     int64
	size   int64
	source io.ReaderAt
	buffer []byte
}

func (r *Recording) scan(from int64) *scanner {
	s := &scanner{size: r.size, source: r.source}
	_ = s.rewind(from) // never fails
	return s
}

// rewind goes on from another place. It returns no error.
func (s *scanner) rewind(to int64) error {
	s.at = to
	s.in = bufio.NewReaderSize(io.NewSectionReader(s.source, to, max(s.size-to, 0)), 1<<16)
	return nil
}

func (s *scanner) wrong(message string) error {
	return &FormatError{Message: fmt.Sprintf("%s (before byte %d of %d)", message, s.at, s.size)}
}

// magic reads the first line.
func (s *scanner) magic() error {
	line, err := s.in.Peek(min(int(min(s.size, 64)), 64))
	if err != nil {
		return fmt.Errorf("read a recording: %w", err)
	}
	rest, ours := strings.CutPrefix(string(line), magic)
	if !ours {
		return &FormatError{Message: "it is no recording: penstock record makes them"}
	}
	number, _, whole := strings.Cut(rest, "\n")
	if n, err := strconv.Atoi(number); !whole || err != nil {
		return &FormatError{Message: "its first line is damaged"}
	} else if n != version {
		return &FormatError{Message: fmt.Sprintf("it has format %d, and this version reads format %d: read it with the version that made it, or record it again", n, version)}
	}
	return s.rewind(int64(len(magic) + len(number) + 1))
}

// next reads a record, which is good until the next call. There always is one
// more, since the caller stops at the end.
func (s *scanner) next() ([]byte, error) {
	const cut = "it is cut short: the recording was not finished, or the file not copied whole; record it again"
	left := s.size - s.at
	if left < 8 {
		return nil, s.wrong(cut)
	}
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	if size == 0 || size > largestRecord {
		return nil, s.wrong(fmt.Sprintf("it is damaged: a record claims %d bytes", size))
	}
	if size > left-8 {
		return nil, s.wrong(cut)
	}
	if int64(cap(s.buffer)) < size {
		s.buffer = make([]byte, size)
	}
	s.buffer = s.buffer[:size]
	if _, err := io.ReadFull(s.in, s.buffer); err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	s.at += 8 + size
	if crc32.Checksum(s.buffer, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, s.wrong("it is damaged: a record is not what was written")
	}
	return s.buffer, nil
}
