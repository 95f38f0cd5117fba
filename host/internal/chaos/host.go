package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// hostGrace is how long a host may take to end when it is asked to.
	hostGrace = time.Minute
	// mostEnds is how often a host may end by itself before nobody starts it again.
	mostEnds = 12
	// afterEnd is how long a host that ended by itself stays away.
	afterEnd = 500 * time.Millisecond
)

// host is `penstock run` in a directory of its own, started again whenever it
// ends before its time, as by those who supervise services.
type host struct {
	dir    string // the working directory is out in it
	args   []string
	env    []string
	states *states

	out, log *os.File
	last     *lastLine
	over     chan struct{} // closed when it is not started again
	work     sync.WaitGroup

	mu      sync.Mutex
	current *process      // nil: it is not running
	pause   time.Duration // how long it stays away after having been killed
	killed  bool
	ending  bool
	ends    []string // how it ended by itself
}

// outDir is where the loaders write.
func (h *host) outDir() string { return filepath.Join(h.dir, "out") }

// startHost starts a host that runs until end, or until ctx ends it.
func startHost(ctx context.Context, dir string, program string, args, env []string) (*host, error) {
	h := &host{
		dir: dir, args: append([]string{program}, args...), env: env,
		states: &states{}, last: &lastLine{}, over: make(chan struct{}),
	}
	var err error
	if h.out, err = os.Create(filepath.Join(dir, "stdout.txt")); err != nil {
		return nil, fmt.Errorf("start a host: %w", err)
	}
	if h.log, err = os.Create(filepath.Join(dir, "host.log")); err != nil {
		_ = h.out.Close()
		return nil, fmt.Errorf("start a host: %w", err)
	}
	h.work.Go(func() { h.keep(ctx) })
	return h, nil
}

// keep starts the host again and again.
func (h *host) keep(ctx context.Context) {
	defer close(h.over)
	for ctx.Err() == nil {
		p, err := h.launch()
		if err != nil {
			h.note(err.Error())
			return
		}
		if p == nil {
			return
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			p.signal(os.Kill)
			<-p.done
		}
		pause, again := h.ended(p)
		if !again {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// launch starts the host once; nil if it is to end.
func (h *host) launch() (*process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		return nil, nil
	}
	cmd := exec.Command(h.args[0], h.args[1:]...)
	cmd.Dir, cmd.Env = h.outDir(), h.env
	cmd.Stdout = tee{h.out, h.states}
	cmd.Stderr = tee{h.log, h.last}
	p, err := start(cmd)
	if err == nil {
		h.current = p
	}
	return p, err
}

// ended says whether and when the host is started again.
func (h *host) ended(p *process) (pause time.Duration, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = nil
	if h.killed {
		h.killed = false
		return h.pause, !h.ending
	}
	code := p.cmd.ProcessState.ExitCode()
	if h.ending && code == 0 {
		return 0, false
	}
	h.ends = append(h.ends, fmt.Sprintf("exit code %d: %s", code, h.last.text()))
	return afterEnd, !h.ending && len(h.ends) < mostEnds
}

func (h *host) note(end string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, end)
}

// endings are how the host ended when nobody wanted it to.
func (h *host) endings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.ends...)
}

// pid is the process now, 0 if there is none.
func (h *host) pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil || h.current.gone() {
		return 0
	}
	return h.current.cmd.Process.Pid
}

// kill kills the host, which comes again after a pause. It is false if there is
// none just now.
func (h *host) kill(pause time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil || h.current.gone() || h.ending {
		return false
	}
	h.killed, h.pause = true, pause
	h.current.signal(os.Kill)
	return true
}

// end asks the host to end and returns when it has. It is false if it had to be
// killed.
func (h *host) end() bool {
	h.mu.Lock()
	h.ending = true
	p := h.current
	h.mu.Unlock()
	inTime := true
	if p != nil {
		inTime = p.end(os.Interrupt, hostGrace)
	}
	h.work.Wait()
	_ = h.out.Close()
	_ = h.log.Close()
	return inTime
}

// gaveUp tells whether the host is not started again.
func (h *host) gaveUp() bool {
	select {
	case <-h.over:
		return true
	default:
		return false
	}
}

// tee writes to a file and to somebody who watches.
type tee struct {
	file  *os.File
	watch interface{ Write([]byte) (int, error) }
}

func (t tee) Write(text []byte) (int, error) {
	_, _ = t.watch.Write(text) // it cannot fail
	return t.file.Write(text)
}

// lastLine remembers the last line that was written, for an account of an end.
type lastLine struct {
	mu   sync.Mutex
	line []byte
	rest []byte
}

func (l *lastLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, text...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(text), nil
		}
		if len(bytes.TrimSpace(line)) > 0 {
			l.line = append([]byte(nil), line...)
		}
		l.rest = rest
	}
}

func (l *lastLine) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) == 0 {
		return "it said nothing"
	}
	return strings.TrimSpace(string(l.line))
}
