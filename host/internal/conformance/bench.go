package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/remote"
)

// bench is what one check works with: the plugin's processes, and a directory
// for what they write.
type bench struct {
	*subject
	dir        string
	generation uint64 // of the process that was opened last
	notes      []string

	mu       sync.Mutex
	plugins  []*remote.Plugin
	sessions []*session
	killed   bool // the check has run out of time
}

func (s *suite) bench(r remote.Register) *bench {
	s.checks++
	b := &bench{subject: &subject{suite: s, register: r}, dir: filepath.Join(s.dir, strconv.Itoa(s.checks))}
	_ = os.Mkdir(b.dir, 0o700) // where it cannot be made, the plugin says so
	return b
}

// note adds a figure, or something else worth knowing, to the result.
func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// start starts the plugin once more. It ends with the check.
func (b *bench) start(ctx context.Context) (*remote.Plugin, error) {
	return b.startWith(ctx, b.config())
}

// config is how the plugin is started: kept from everything that a host keeps it
// from.
func (b *bench) config() remote.Config {
	read, write := b.reaches()
	return remote.Config{
		Path: b.suite.cfg.Path, Env: append([]string{markEnv + "=" + b.suite.mark}, b.suite.cfg.Env...), RunDir: b.suite.dir,
		Logger: b.suite.cfg.Logger, Stdout: discard{}, HostVersion: b.suite.cfg.Version, Services: b.suite.cfg.Services,
		Sandbox: &remote.Sandbox{Network: b.suite.cfg.Reach, Read: read, Write: write},
	}
}

func (b *bench) startWith(ctx context.Context, cfg remote.Config) (*remote.Plugin, error) {
	p, err := remote.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plugins = append(b.plugins, p)
	if b.killed {
		go p.Kill()
	}
	return p, nil
}

// discard takes what plugins print for people.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// kill ends all processes at once, and so all that is waited for.
func (b *bench) kill() {
	b.mu.Lock()
	b.killed = true
	plugins := b.plugins
	b.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range plugins {
		all.Go(p.Kill)
	}
	all.Wait()
}

// end ends everything that the check has begun. It finds processes that nothing
// can end.
func (b *bench) end() error {
	b.mu.Lock()
	sessions := b.sessions
	b.mu.Unlock()
	for _, s := range sessions {
		s.hangUp()
	}
	b.kill()
	for deadline := time.Now().Add(orphanPatience); ; time.Sleep(10 * time.Millisecond) {
		left := marked(b.suite.mark)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			killAll(left)
			return wrong(fmt.Sprintf("processes are left that it has started: %v", left), "nothing is left of a plugin that has ended",
				"let it wait for what it starts, or start it in the plugin's own process group, which the host kills")
		}
	}
	_ = os.RemoveAll(b.dir)
	return nil
}

// orphanPatience is how long what a plugin has started may outlive it.
const orphanPatience = time.Second

// markEnv names the variable by which the processes of a run are known.
const markEnv = "PENSTOCK_CONFORMANCE"

func newMark() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// heard is a logger that remembers what was printed on standard output.
type heard struct {
	hclog.Logger
	mu    *sync.Mutex
	lines *[]string
}

func newHeard() heard { return heard{hclog.NewNullLogger(), &sync.Mutex{}, &[]string{}} }

// Named and With return the logger itself, which remembers for all.
func (h heard) Named(string) hclog.Logger { return h }

// With is as Named.
func (h heard) With(...any) hclog.Logger { return h }

// Info is what a line on standard output is logged as.
func (h heard) Info(text string, fields ...any) {
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "stream" && fields[i+1] == "stdout" {
			h.mu.Lock()
			*h.lines = append(*h.lines, text)
			h.mu.Unlock()
		}
	}
}

func (h heard) printed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), *h.lines...)
}
