package remote_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/remote"
)

// startLogged starts a plugin whose log can be looked at.
func startLogged(t *testing.T) (*remote.Plugin, *recorder) {
	t.Helper()
	c := config(t, "good")
	log := newRecorder()
	c.Logger = log.logger
	return start(t, c), log
}

func TestLogKeepsLevelAndFields(t *testing.T) {
	p, log := startLogged(t)
	ask(t, p, "log")
	e := log.find(t, "a node is slow")
	for key, want := range map[string]any{
		"@level": "warn", "@module": "host.tested", "module": "author", "endpoint": "primary", "seconds": 3.0,
	} {
		if e[key] != want {
			t.Errorf("%s: got %v, want %v", key, e[key], want)
		}
	}
}

// Lines that are no records get a level; what looks like one and is not, is
// only text.
func TestLogOfOtherLines(t *testing.T) {
	p, log := startLogged(t)
	lines := []struct{ line, level, message string }{
		{"[WARN] the cache is cold", "warn", "[WARN] the cache is cold"},
		{"[ERROR] no node answers", "error", "[ERROR] no node answers"},
		{"just text", "debug", "just text"},
		{`{"@level":"info","@message":42}`, "debug", `{"@level":"info","@message":42}`},
		{`{"@level":"info","@message":"odd time","@timestamp":42}`, "info", "odd time"},
		{`{"price":1}`, "debug", `{"price":1}`},
		{"colour \x1b[31mred", "debug", "colour \ufffd[31mred"},
	}
	for _, l := range lines {
		if _, err := p.Configure(t.Context(), "raw stderr", []byte(l.line+"\n")); err != nil {
			t.Fatal(err)
		}
		if e := log.find(t, l.message); e["@level"] != l.level {
			t.Errorf("%q: got level %v, want %s", l.line, e["@level"], l.level)
		}
	}
}

func TestLogOfAHugeLine(t *testing.T) {
	p, log := startLogged(t)
	ask(t, p, "long log")
	e := log.find(t, `{"@level":"warn","@message":"mmm`)
	if text := e["@message"].(string); len(text) != 64<<10 {
		t.Errorf("%d bytes of the line are logged, want 64 KiB", len(text))
	}
	if e["@level"] != "warn" || e["dropped_bytes"].(float64) < 900_000 {
		t.Errorf("got level %v and %v dropped bytes", e["@level"], e["dropped_bytes"])
	}
	ask(t, p, "log")
	log.find(t, "a node is slow")
}

// Two megabytes without a newline do not hold a plugin up, whichever way they
// are printed.
func TestPrinting(t *testing.T) {
	for _, how := range []string{"flood stdout", "flood os.Stdout"} {
		p, log := startLogged(t)
		ask(t, p, how)
		if e := log.find(t, "xxxx"); e["stream"] != "stdout" || e["@level"] != "info" || e["dropped_bytes"].(float64) != 2<<20-64<<10 {
			t.Errorf("%s: got stream %v at %v, %v bytes dropped", how, e["stream"], e["@level"], e["dropped_bytes"])
		}
		log.find(t, "after the flood")
	}
	p, log := startLogged(t)
	ask(t, p, "print")
	log.find(t, "printed to os.Stdout")
	log.find(t, "printed to os.Stderr")
}

// A logger that blocks, as a held terminal does, must not block the plugin.
func TestBlockedLog(t *testing.T) {
	held := &gate{open: make(chan struct{})}
	t.Cleanup(held.release)
	c := config(t, "good")
	c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: held})
	p := start(t, c)
	t.Cleanup(held.release) // before the plugin is stopped
	lines := strings.Repeat(strings.Repeat("l", 99)+"\n", 1000)
	for range 10 {
		if _, err := p.Configure(t.Context(), "raw stderr", []byte(lines)); err != nil {
			t.Fatal(err)
		}
	}
	held.release()
	eventually(t, "the log does not tell that lines are missing", func() bool {
		held.mu.Lock()
		defer held.mu.Unlock()
		return strings.Contains(held.written.String(), "lines of this plugin are missing here")
	})
}

// gate is a writer that blocks until it is released.
type gate struct {
	open chan struct{}
	once sync.Once

	mu      sync.Mutex
	written strings.Builder
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.written.Write(b)
}

var _ io.Writer = (*gate)(nil)

// A log or a page that nobody ever reads cannot keep a plugin from ending.
func TestStopWithBlockedOutput(t *testing.T) {
	for _, blocked := range []string{"log", "page"} {
		held := &gate{open: make(chan struct{})}
		t.Cleanup(held.release)
		c := config(t, "sdk")
		switch blocked {
		case "log":
			c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: held})
		case "page":
			c.Stdout = held
		}
		p := start(t, c)
		ask(t, p, "print")
		if err := p.Stop(t.Context()); !errors.Is(err, remote.ErrUnread) {
			t.Errorf("%s: Stop: got %v, want %v", blocked, err, remote.ErrUnread)
		}
		if exit := p.Exit(); exit == nil || exit.Code != 0 {
			t.Errorf("%s: got %+v, want an orderly end", blocked, exit)
		}
		held.release()
	}
}

// Every line that is printed before a plugin is stopped arrives, in order and
// whole, whether the author prints to os.Stdout of now or of before Serve.
func TestPrintedForPeople(t *testing.T) {
	page := &gate{open: make(chan struct{})}
	page.release()
	c := config(t, "sdk")
	c.Stdout = page
	p := start(t, c)
	ask(t, p, "count")
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	var want strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&want, "line %d\nfd 1 %d\n", i, i)
	}
	if got := page.written.String(); got != want.String() {
		t.Errorf("%d bytes of %d are printed, ending in %q", len(got), want.Len(), got[max(0, len(got)-40):])
	}
}
