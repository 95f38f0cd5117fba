package view

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// Lines tells the state of every path in a line of its own, now and then. It is
// for logs and pipes.
type Lines struct {
	out   io.Writer
	every time.Duration
	now   func() time.Time

	mu     sync.Mutex // one line at a time
	notice string
}

// NewLines writes to out. With every 0 the state is never told: only what
// plugins print appears.
func NewLines(out io.Writer, every time.Duration) *Lines {
	return &Lines{out: out, every: every, now: time.Now}
}

// Write passes on what a plugin prints.
func (l *Lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(text)
}

// Notice is told with the next line.
func (l *Lines) Notice(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notice = text
}

// Run tells the state of the source until ctx ends, and once more then.
func (l *Lines) Run(ctx context.Context, source Source) {
	if l.every == 0 {
		<-ctx.Done()
		return
	}
	var r rates
	r.observe(l.now(), source())
	wait := time.NewTimer(min(warmUp, l.every))
	defer wait.Stop()
	for running := true; running; {
		select {
		case <-wait.C:
			wait.Reset(l.every)
		case <-ctx.Done():
			running = false
			l.Notice("") // it was about what was under way
		}
		paths := source()
		r.observe(l.now(), paths)
		l.tell(paths, &r)
	}
}

func (l *Lines) tell(paths []engine.PathStatus, r *rates) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.now().Format(time.TimeOnly)
	var text strings.Builder
	for _, path := range paths {
		text.WriteString(at + " " + sentence(path, r))
		if l.notice != "" {
			text.WriteString("  " + l.notice)
		}
		text.WriteByte('\n')
	}
	_, _ = io.WriteString(l.out, text.String()) // a reader that is gone ends the host by a signal
}

// sentence is all that matters of a path, in a line.
func sentence(path engine.PathStatus, r *rates) string {
	var read, loaded float64
	var total uint64
	queue := engine.EdgeStatus{}
	for _, p := range path.Processes {
		if p.Type == registry.Reader {
			read += r.of(path.Pipeline, p.Step)
		}
		if p.Type == registry.Loader {
			loaded += r.of(path.Pipeline, p.Step)
			total += p.RowsIn
		}
		if e := fullest(p); e != nil && (queue.Threshold == 0 || e.Depth > queue.Depth) {
			queue = *e
		}
	}
	parts := []string{
		path.Pipeline + " " + string(path.State),
		"head " + head(path),
		"committed " + block(path.Committed),
		"read " + perSecond(read) + "/s",
		"loaded " + perSecond(loaded) + "/s",
		"rows loaded " + count(total),
	}
	if how := r.progress(path); how != "" {
		parts = append(parts, how)
	}
	if queue.Threshold > 0 {
		parts = append(parts, fmt.Sprintf("queue %d/%d", queue.Depth, queue.Threshold))
	}
	return strings.Join(append(parts, troubles(path)...), "  ")
}

// troubles are what keeps a path from going on, or has.
func troubles(path engine.PathStatus) (all []string) {
	if n := restarts(path); n > 0 {
		all = append(all, "restarts "+count(n))
	}
	for _, s := range path.Processes {
		if s.Waiting != nil {
			all = append(all, waits(s))
		}
	}
	if path.Cause != "" {
		all = append(all, path.Cause)
	}
	return all
}

// head is the newest block that the path knows of, if any.
func head(path engine.PathStatus) string {
	if path.Head == 0 {
		return "-"
	}
	return count(path.Head)
}
