package remote

import (
	"bytes"
	"io"
)

// maxLine is what is kept of a line; the rest is counted and dropped.
const maxLine = 64 << 10

// lines is a writer that hands on line by line. A line of any length is taken
// in; each sees its first maxLine bytes and how many were dropped, and must not
// keep the slice.
type lines struct {
	each func(line []byte, dropped int)

	partial []byte
	dropped int
}

func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			l.keep(b)
			return n, nil
		}
		l.keep(b[:end])
		l.hand()
		b = b[end+1:]
	}
}

// flush hands on what came last and had no newline.
func (l *lines) flush() {
	if len(l.partial) > 0 {
		l.hand()
	}
}

func (l *lines) keep(b []byte) {
	if room := maxLine - len(l.partial); len(b) > room {
		l.dropped += len(b) - room
		b = b[:room]
	}
	l.partial = append(l.partial, b...)
}

func (l *lines) hand() {
	l.each(bytes.TrimSuffix(l.partial, []byte("\r")), l.dropped)
	l.partial, l.dropped = l.partial[:0], 0
}

// outlet takes what a plugin prints. Its Write never fails, so that whoever
// reads from the plugin never stops.
type outlet interface {
	io.Writer
	// flush passes on what came last and had no newline.
	flush()
}

// forward passes on what a plugin prints for people, whole lines at a time
// where they are not too long, so that several plugins can share a terminal.
type forward struct {
	to    io.Writer
	hides *Redactor

	partial []byte
}

func (f *forward) Write(b []byte) (int, error) {
	end := bytes.LastIndexByte(b, '\n') + 1
	if end == 0 && len(f.partial)+len(b) > maxLine {
		end = len(b)
	}
	if end == 0 {
		f.partial = append(f.partial, b...)
		return len(b), nil
	}
	f.partial = append(f.partial, b[:end]...)
	f.flush()
	f.partial = append(f.partial, b[end:]...)
	return len(b), nil
}

func (f *forward) flush() {
	if len(f.partial) > 0 {
		_, _ = f.to.Write(f.hides.bytes(f.partial)) // where nobody takes it any more, it is dropped
		f.partial = f.partial[:0]
	}
}
