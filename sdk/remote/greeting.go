package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-plugin"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

const (
	// maxPreamble is what a program may print before its handshake: a library
	// that greets its user is forgiven, a program that is no plugin is found
	// out before it has printed much.
	maxPreamble = 64 << 10
	// preambleLines and preambleWidth bound what an error shows of it.
	preambleLines = 5
	preambleWidth = 200
)

// greeting is the handshake: the one line on a plugin's standard output that
// says where it listens. It is read and judged here; go-plugin gets to see the
// line only when it is right, in a form that it cannot trip over.
type greeting struct {
	dir         string
	hides       *Redactor
	forGoPlugin *io.PipeReader
	toGoPlugin  *io.PipeWriter
	certified   bool // the plugin has to leave a certificate

	mu      sync.Mutex
	ended   bool     // the output has ended, or the handshake went wrong
	address string   // the socket, once it is known
	printed []string // the first lines before the handshake
	err     error    // what is wrong with the handshake
}

func newGreeting(dir string, hides *Redactor) *greeting {
	g := &greeting{dir: dir, hides: hides}
	g.forGoPlugin, g.toGoPlugin = io.Pipe()
	return g
}

// greeter reads a plugin's standard output: first for the handshake, then for
// ever, so that nobody who prints is held up.
type greeter struct {
	greeting *greeting
	before   func(line []byte, dropped int) // takes the lines before the handshake
	after    outlet                         // takes what follows it

	first   lines // reads until the handshake
	read    int
	settled bool
}

func (g *greeter) Write(b []byte) (int, error) {
	n := len(b)
	for !g.settled && len(b) > 0 {
		upTo := len(b)
		if end := bytes.IndexByte(b, '\n'); end >= 0 {
			upTo = end + 1
		}
		g.seek(b[:upTo])
		b = b[upTo:]
	}
	_, _ = g.after.Write(b) // never fails
	return n, nil
}

func (g *greeter) flush() {
	if !g.settled {
		g.first.flush()
	}
	g.after.flush()
}

// seek takes at most one line, which may be the handshake.
func (g *greeter) seek(b []byte) {
	g.first.each = g.line
	_, _ = g.first.Write(b) // never fails
	g.read += len(b)
	if !g.settled && g.read > maxPreamble {
		g.greeting.remember(g.first.partial)
		g.greeting.fail(ErrNotPlugin)
		g.settled = true
	}
}

func (g *greeter) line(line []byte, dropped int) {
	fields := strings.Split(strings.TrimSpace(string(line)), "|")
	if dropped > 0 || !isHandshake(fields) {
		g.greeting.remember(line)
		g.before(line, dropped)
		return
	}
	g.settled = true
	g.greeting.accept(fields)
}

// isHandshake tells a handshake, good or bad, from any other line.
func isHandshake(fields []string) bool {
	if len(fields) < 4 {
		return false
	}
	_, core := strconv.Atoi(fields[0])
	_, app := strconv.Atoi(fields[1])
	return core == nil && app == nil
}

// accept checks a handshake and hands it on to go-plugin.
func (g *greeting) accept(fields []string) {
	path, err := g.check(fields)
	if err != nil {
		g.fail(err)
		return
	}
	g.mu.Lock()
	g.address = path
	g.mu.Unlock()
	// What may follow the address is left out: go-plugin would take a
	// certificate for the start of a TLS session that was never agreed on.
	line := fmt.Sprintf("%d|%d|unix|%s|%s|\n", plugin.CoreProtocolVersion, wire.Protocol, path, plugin.ProtocolGRPC)
	_, _ = io.WriteString(g.toGoPlugin, line) // go-plugin closes its end only when the process is gone
}

// check returns the path of the socket.
func (g *greeting) check(fields []string) (string, error) {
	if core := fields[0]; core != strconv.Itoa(plugin.CoreProtocolVersion) {
		return "", fmt.Errorf("%w: its go-plugin speaks core protocol %s, this host's %d: rebuild the plugin with a current SDK",
			ErrProtocol, core, plugin.CoreProtocolVersion)
	}
	if app := fields[1]; app != strconv.Itoa(wire.Protocol) {
		return "", fmt.Errorf("%w: it speaks protocol %s, this host protocol %d: install a release of the plugin that was made for protocol %d, or a host that speaks %s",
			ErrProtocol, app, wire.Protocol, wire.Protocol, app)
	}
	network, address := fields[2], fields[3]
	if len(fields) < 5 || fields[4] != string(plugin.ProtocolGRPC) {
		return "", fmt.Errorf("%w: its handshake does not offer gRPC: rebuild the plugin with a current SDK", ErrProtocol)
	}
	if network != "unix" {
		return "", fmt.Errorf("%w: it listens on %s address %q, where others can reach it: a plugin listens on a unix socket in the directory %s names",
			ErrSocket, network, address, socketDirEnv)
	}
	if filepath.Dir(address) != g.dir {
		return "", fmt.Errorf("%w: it says that it listens at %q, which is outside of its own directory %s", ErrSocket, address, g.dir)
	}
	info, err := os.Lstat(address)
	if err != nil {
		return "", fmt.Errorf("%w: it says that it listens at %q: %w", ErrSocket, address, errors.Unwrap(err))
	}
	if info.Mode().Type() != os.ModeSocket {
		return "", fmt.Errorf("%w: it says that it listens at %q, which is no socket", ErrSocket, address)
	}
	if g.certified {
		if _, err := wire.PluginCertificate(g.dir); err != nil {
			return "", fmt.Errorf("%w: it has left no certificate in its directory, as mtls wants (%w): rebuild it with a current SDK, or take mtls out of its plugin block",
				ErrProtocol, err)
		}
	}
	return address, nil
}

// remember keeps the first lines of a program that may turn out to be no plugin.
func (g *greeting) remember(line []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.printed) < preambleLines && len(line) > 0 {
		g.printed = append(g.printed, shorten(clean(string(g.hides.bytes(line))), preambleWidth))
	}
}

// fail ends go-plugin's wait for a handshake.
func (g *greeting) fail(err error) {
	g.mu.Lock()
	g.err = err
	g.mu.Unlock()
	g.end()
}

// end tells go-plugin that nothing more will come.
func (g *greeting) end() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	_ = g.toGoPlugin.Close() // never fails
}

func (g *greeting) socket() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.address
}

// judgement is what came of the handshake: the lines before it, and what was
// wrong with it.
func (g *greeting) judgement() (printed []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.printed, g.err
}
