package main

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/penstock-io/penstock/sdk/transit"
)

// tail keeps the rows since the last piece as an Arrow stream. What is written
// to it is on the disk after sync, and can be cut off at any place that size has
// told between two batches.
type tail struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	stream *ipc.Writer
	skip   int64 // bytes of the stream that are there already
	size   int64 // bytes of the stream so far
}

const tailBuffer = 256 << 10

// openTail opens a tail that ends at a place; 0: a new one.
func openTail(path string, typ transit.Type, at int64) (*tail, error) {
	mode := os.O_WRONLY | os.O_CREATE
	if at == 0 {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o666)
	if err == nil && at > 0 {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err != nil {
		return nil, explain("open", path, err)
	}
	t := &tail{path: path, file: f, buffer: bufio.NewWriterSize(f, tailBuffer), size: at}
	if at > 0 {
		t.skip = int64(len(typ.MarshalSchema()))
	}
	t.stream = ipc.NewWriter(t, ipc.WithSchema(typ.Schema))
	return t, nil
}

// Write takes what the stream is made of. One that is gone on with has its
// schema already.
func (t *tail) Write(b []byte) (int, error) {
	skip := min(t.skip, int64(len(b)))
	t.skip -= skip
	n, err := t.buffer.Write(b[skip:])
	t.size += int64(n)
	return n + int(skip), err
}

// add adds the rows of a batch.
func (t *tail) add(record arrow.RecordBatch) error {
	if err := t.stream.Write(record); err != nil {
		return explain("write", t.path, err)
	}
	return nil
}

// flush hands the system what was added.
func (t *tail) flush() error {
	if err := t.buffer.Flush(); err != nil {
		return explain("write", t.path, err)
	}
	return nil
}

// sync makes durable what was added.
func (t *tail) sync() error {
	if err := t.flush(); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return explain("write", t.path, err)
	}
	return nil
}

// close lets go of the file, and of rows that are not in it yet.
func (t *tail) close() error { return t.file.Close() }

// remove removes a tail whose rows are elsewhere.
func (t *tail) remove() error {
	err := t.file.Close()
	if gone := os.Remove(t.path); err == nil {
		err = gone
	}
	if err != nil {
		return explain("remove", t.path, err)
	}
	return nil
}

// readTail gives out the batches of a tail up to a place.
func readTail(path string, size int64, each func(arrow.RecordBatch) error) error {
	f, err := os.Open(path)
	if err != nil {
		return explain("read", path, err)
	}
	defer f.Close()
	return readBatches(path, io.LimitReader(f, size), each)
}

// readBatches gives out the batches of a stream that is read from a path.
func readBatches(path string, stream io.Reader, each func(arrow.RecordBatch) error) error {
	r, err := ipc.NewReader(bufio.NewReaderSize(stream, tailBuffer))
	if err != nil {
		return damaged(path, err)
	}
	defer r.Release()
	for r.Next() {
		if err := each(r.RecordBatch()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return damaged(path, err)
	}
	return nil
}

func truncate(path string, size int64) error {
	if err := os.Truncate(path, size); err != nil {
		return explain("cut", path, err)
	}
	return nil
}

func damaged(path string, err error) error {
	return stopf("read %s: %w: it is damaged: put it back as it was, or begin anew with `penstock run --fresh`", path, err)
}
