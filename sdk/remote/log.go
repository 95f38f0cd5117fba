package remote

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// logDepth bounds the lines between a plugin that talks and the log.
	logDepth = 256
	// logPatience is how long a full log holds a plugin up, once, before
	// lines are dropped.
	logPatience = time.Second
)

// log carries a plugin's output to the host's logger. It stands between the two
// so that a logger that blocks (a terminal that is held, a full disk) cannot
// block the plugin: lines are dropped then, and counted.
type log struct {
	logger hclog.Logger
	hides  *Redactor // what is left of secrets in records; lines come without them
	lines  chan entry
	lost   atomic.Uint64
	closed chan struct{} // closed by close: what is in lines is the last
}

// entry is one line of output.
type entry struct {
	text     string
	stream   string // where it was printed
	dropped  int    // bytes that were cut off
	crashing bool   // it is part of a crash report
}

func newLog(logger hclog.Logger, hides *Redactor) *log {
	return &log{logger: logger, hides: hides, lines: make(chan entry, logDepth), closed: make(chan struct{})}
}

// run writes lines until close is called and all are written.
func (l *log) run() {
	for {
		select {
		case e := <-l.lines:
			l.write(e)
		case <-l.closed:
			l.rest()
			return
		}
	}
}

func (l *log) rest() {
	for {
		select {
		case e := <-l.lines:
			l.write(e)
		default:
			l.tellLost()
			return
		}
	}
}

func (l *log) write(e entry) {
	l.tellLost()
	if e.stream == "stdout" {
		l.logger.Info(clean(e.text), e.fields("stream", e.stream)...)
		return
	}
	e.log(l.logger, l.hides)
}

func (l *log) tellLost() {
	if n := l.lost.Swap(0); n > 0 {
		l.logger.Warn("lines of this plugin are missing here: the log could not keep up", "lines", n)
	}
}

// close ends run. What is logged afterwards is lost.
func (l *log) close() { close(l.closed) }

// source is one stream of lines. It is used by one goroutine.
type source struct {
	log     *log
	stream  string
	stalled bool // the log did not take a line in time
}

func (l *log) source(stream string) *source { return &source{log: l, stream: stream} }

// text logs a line that is for people.
func (s *source) text(line []byte, dropped int) {
	s.put(entry{text: string(line), stream: s.stream, dropped: dropped})
}

// stderr logs a line that may be an hclog record.
func (s *source) stderr(line []byte, dropped int, crashing bool) {
	s.put(entry{text: string(line), stream: s.stream, dropped: dropped, crashing: crashing})
}

func (s *source) put(e entry) {
	select {
	case s.log.lines <- e:
		s.stalled = false
		return
	default:
	}
	if s.stalled {
		s.log.lost.Add(1)
		return
	}
	timer := time.NewTimer(logPatience)
	defer timer.Stop()
	select {
	case s.log.lines <- e:
	case <-s.log.closed:
	case <-timer.C:
		s.stalled = true
		s.log.lost.Add(1)
	}
}
