package recording

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFull tells that one more record would make a recording larger than it may be.
var ErrFull = errors.New("the recording has come to its greatest size")

// ErrNothing tells that a recording holds nothing that could be played: the
// process has not answered a barrier since it began.
var ErrNothing = errors.New("nothing was recorded: the process has not come to a checkpoint since the recording began")

// HeaderRecord is the record of a header.
func HeaderRecord(h Header) ([]byte, error) {
	if len(h.Settings) == 0 {
		h.Settings = json.RawMessage("{}")
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write the header of a recording: %w", err)
	}
	return append([]byte{recordHeader}, text...), nil
}

// SnapshotRecord is the record of a snapshot.
func SnapshotRecord(s Snapshot) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{recordSnapshot}, s.Version), s.State...)
}

// Writer writes a recording. It belongs to one goroutine. After an error nothing
// more can be written.
type Writer struct {
	out     *bufio.Writer
	max     int64
	written int64

	InputRows, OutputRows uint64 // so far
	Barriers              uint64 // that were answered since the beginning
	last                  end    // where it could end now
	whole                 bool   // it could
}

// NewWriter begins a recording of at most so many bytes; 0: any number.
func NewWriter(w io.Writer, most int64) (*Writer, error) {
	out := &Writer{out: bufio.NewWriterSize(w, 1<<16), max: most}
	n, err := fmt.Fprintf(out.out, "%s%d\n", magic, version)
	out.written = int64(n)
	return out, err
}

// Write adds a record, as HeaderRecord, SnapshotRecord and AppendFrame make them,
// in that order. ErrFull: it was not added, for want of room; Finish may follow.
func (w *Writer) Write(record []byte) error {
	const reserve = 4 << 10 // for the end
	if w.max > 0 && w.written+int64(len(record))+8 > w.max-reserve {
		return ErrFull
	}
	if err := w.put(record); err != nil {
		return err
	}
	if len(record) > 0 && (record[0] == recordInput || record[0] == recordOutput) {
		return w.count(record)
	}
	return nil
}

func (w *Writer) put(record []byte) error {
	var head [8]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(record)))
	binary.BigEndian.PutUint32(head[4:], crc32.Checksum(record, castagnoli))
	if _, err := w.out.Write(head[:]); err != nil {
		return err
	}
	_, err := w.out.Write(record)
	w.written += int64(len(record)) + int64(len(head))
	return err
}

// count notes where the recording could end.
func (w *Writer) count(record []byte) error {
	f, err := parseFrame(record)
	switch {
	case err != nil:
		return fmt.Errorf("write a recording: %w", err)
	case f.Kind == Batch && f.Output:
		w.OutputRows += uint64(f.Rows)
	case f.Kind == Batch:
		w.InputRows += uint64(f.Rows)
	case f.Kind == Barrier && f.Output:
		w.Barriers++
		w.last, w.whole = end{Checkpoint: f.Checkpoint}, true
	case f.Output && (f.Kind == Ended || f.Kind == Drain):
		w.last, w.whole = end{Ended: true}, true
	}
	return nil
}

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.written }

// Finish ends the recording where it can end: at the last barrier that the process
// has answered. ErrNothing: there is none.
func (w *Writer) Finish(reason string) error {
	if !w.whole {
		return ErrNothing
	}
	w.last.Reason = reason
	text, err := json.Marshal(w.last)
	if err != nil {
		return err
	}
	if err := w.put(append([]byte{recordEnd}, text...)); err != nil {
		return err
	}
	return w.out.Flush()
}
