package view

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	redraw = 500 * time.Millisecond
	// flush is how long printed lines may wait, so that a flood of them does
	// not redraw the picture for each.
	flush = 50 * time.Millisecond
	// pendingBytes is how much may wait before whoever prints is held up.
	pendingBytes = 64 << 10
	logLines     = 5
)

// Live draws a picture in place, at the bottom of a terminal.
//
// Between two frames the terminal is as it was found: the cursor is visible and
// stands below the picture, lines wrap. So nothing needs to be restored, however
// the host ends.
type Live struct {
	out   io.Writer
	size  func() (width, height int)
	color bool
	now   func() time.Time
	began time.Time     // of what is shown; zero: with Run
	wake  chan struct{} // capacity 1: there is something to write

	mu      sync.Mutex
	pending bytes.Buffer // printed, not yet on the screen
	log     []string     // newest last
	notice  string
	ended   bool // Run is over: what is printed goes straight out

	// Of the goroutine that holds mu:
	drawn []string // what stands on the screen, above the cursor
}

// NewLive draws on out, which is a terminal of the size that is asked for
// before every frame.
func NewLive(out io.Writer, size func() (width, height int), color bool) *Live {
	return &Live{out: out, size: size, color: color, now: time.Now, wake: make(chan struct{}, 1)}
}

// Since says when that began which is shown, where that was before Run. It is
// called before Run.
func (l *Live) Since(began time.Time) { l.began = began }

// Write has lines appear above the picture. It blocks while many are waiting.
func (l *Live) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.out.Write(text)
	}
	l.pending.Write(text)
	if l.pending.Len() > pendingBytes {
		return len(text), l.paint(l.drawn)
	}
	l.signal()
	return len(text), nil
}

// Log shows a line below the picture, until newer ones have replaced it.
func (l *Live) Log(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, line)
	if len(l.log) > logLines {
		l.log = l.log[len(l.log)-logLines:]
	}
}

// Notice stands in the place of the state from now on.
func (l *Live) Notice(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notice = text
	l.signal()
}

func (l *Live) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run draws until ctx ends, and once more then. The last picture stays.
func (l *Live) Run(ctx context.Context, source Source) {
	began := l.began
	if began.IsZero() {
		began = l.now()
	}
	var r rates
	next := time.NewTicker(redraw)
	defer next.Stop()
	for drawn, running := false, true; running; drawn = true {
		if drawn {
			running = l.pause(ctx, next.C)
		}
		paths := source()
		r.observe(l.now(), paths)
		l.draw(picture{paths: paths, rates: &r, up: l.now().Sub(began), color: l.color}, !running)
	}
}

// pause waits until the picture is to be redrawn, and meanwhile lets printed
// lines through. It is false when ctx has ended.
func (l *Live) pause(ctx context.Context, next <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-next:
			return true
		case <-l.wake:
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(flush):
		}
		l.mu.Lock()
		_ = l.paint(l.drawn) // a terminal that is gone ends the host by a signal
		l.mu.Unlock()
	}
}

// draw draws a picture. After the last one nothing is redrawn any more.
func (l *Live) draw(p picture, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = last
	p.notice, p.log = l.notice, l.log
	width, height := l.size()
	_ = l.paint(p.lines(width, height-1)) // the cursor needs a line of its own
}

// The sequences that make a frame. Terminals that do not know the first pair
// ignore it; for all others a frame appears at once.
const (
	beginFrame = "\x1b[?2026h\x1b[?25l"
	endFrame   = "\x1b[?25h\x1b[?2026l"
	noWrap     = "\x1b[?7l"
	wrap       = "\x1b[?7h"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// paint replaces the picture on the screen, with what was printed since above
// it, in one write.
func (l *Live) paint(lines []string) error {
	var frame bytes.Buffer
	frame.WriteString(beginFrame)
	width, height := l.size()
	if up := min(l.occupied(width), height-1); up > 0 {
		frame.WriteString("\x1b[" + strconv.Itoa(up) + "A")
	}
	frame.WriteByte('\r')
	if l.pending.Len() > 0 {
		frame.WriteString(clearBelow)
		frame.Write(l.pending.Bytes())
		l.pending.Reset()
	}
	frame.WriteString(noWrap)
	for _, line := range lines {
		frame.WriteString(line + clearLine + "\n")
	}
	frame.WriteString(clearBelow + wrap + endFrame)
	l.drawn = lines
	_, err := l.out.Write(frame.Bytes())
	return err
}

// occupied is how many lines of the screen the picture takes. A window that
// has become narrower may have wrapped what was drawn before.
func (l *Live) occupied(width int) int {
	n := 0
	for _, line := range l.drawn {
		n += max(1, (visible(line)+width-1)/max(width, 1))
	}
	return n
}

// visible is the width of a line without its colours.
func visible(line string) int {
	n := utf8.RuneCountInString(line)
	for {
		begin := strings.Index(line, "\x1b[")
		if begin < 0 {
			return n
		}
		end := strings.IndexByte(line[begin:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		line = line[begin+end+1:]
	}
}
