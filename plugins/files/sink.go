package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Ways to compress files.
const (
	plain    = "none"
	gzipped  = "gzip"
	zstdized = "zstd"
)

// endings of files that say how they are compressed.
var endings = map[string]string{".gz": gzipped, ".zst": zstdized}

// compression is how a file of that name is compressed, unless settings say it.
func compression(set, path string) string {
	if set != "" {
		return set
	}
	if by, ok := endings[filepath.Ext(path)]; ok {
		return by
	}
	return plain
}

// encoder compresses. Close ends a frame, after which others may follow: tools
// read them as one.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

func newEncoder(by string) (encoder, error) {
	switch by {
	case gzipped:
		return gzip.NewWriter(nil), nil
	case zstdized:
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	}
	return nil, nil
}

// sink is a file that grows at its end. What it is given is in the file, and can
// be read, when end has returned.
type sink struct {
	file    *os.File
	was     os.FileInfo
	encoder encoder // nil: the file has what is written
	within  bool    // of a frame
	size    int64   // of the file
}

// newSink goes on with a file that has a size.
func newSink(file *os.File, size int64, e encoder) (*sink, error) {
	was, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &sink{file: file, was: was, encoder: e, size: size}, nil
}

// Write adds text. Of what fails nothing stays, but for frames that have no end.
func (s *sink) Write(text []byte) (int, error) {
	if s.encoder == nil {
		return s.append(text)
	}
	if !s.within {
		s.encoder.Reset(raw{s})
		s.within = true
	}
	return s.encoder.Write(text)
}

// raw is the file below the encoder.
type raw struct{ *sink }

func (r raw) Write(p []byte) (int, error) { return r.append(p) }

func (s *sink) append(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if err != nil {
		_ = s.file.Truncate(s.size) // half a line is of use to nobody
		return n, err
	}
	s.size += int64(n)
	return n, nil
}

// end ends the frame, if there is one.
func (s *sink) end() error {
	if !s.within {
		return nil
	}
	s.within = false
	return s.encoder.Close()
}

// present checks that the file has its name still, and has what was written.
// Whoever has a file open can write to it long after somebody has removed it.
func (s *sink) present() error {
	path := s.file.Name()
	const remedy = "rows since the last checkpoint are lost with it: put it back as it was and start again, or begin anew with `penstock run --fresh`"
	is, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stopf("write %s: it has been removed or renamed while it was open: %s", path, remedy)
	case err != nil:
		return explain("look at", path, err)
	case !os.SameFile(is, s.was):
		return stopf("write %s: it has been replaced by another while it was open: %s", path, remedy)
	case is.Size() != s.size:
		return stopf("write %s: it has %d bytes, and %d were written: somebody else has changed it while it was open: %s", path, is.Size(), s.size, remedy)
	}
	return nil
}

// newDecoder reads what an encoder has written.
func newDecoder(by string, r io.Reader) (io.ReadCloser, error) {
	switch by {
	case gzipped:
		return gzip.NewReader(r)
	case zstdized:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

func checkCompression(by string) error {
	switch by {
	case "", plain, gzipped, zstdized:
		return nil
	}
	return fmt.Errorf("compression is %q: write \"gzip\", \"zstd\" or \"none\"; left out, it is what the ending .gz or .zst of path says", by)
}
