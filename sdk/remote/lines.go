package remote

import "bytes"

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
