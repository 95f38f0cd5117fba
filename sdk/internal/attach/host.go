package attach

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// What a host's data directory holds: its control socket, or a file that says
// where that is.
const (
	socketName  = "control.sock"
	pointerName = "control.sock.path"
)

// host is the control socket of a running host.
type host struct {
	dir  string
	path string
	pid  int // 0: the kernel does not tell
}

// find finds the host that runs on a data directory.
func find(ctx context.Context, dir string) (host, error) {
	h := host{dir: dir}
	at, err := filepath.EvalSymlinks(dir) // as the host names it, which may be shorter
	if err != nil {
		return h, h.absent(err)
	}
	if h.path, err = filepath.Abs(filepath.Join(at, socketName)); err != nil {
		return h, err
	}
	if elsewhere, err := os.ReadFile(filepath.Join(dir, pointerName)); err == nil {
		h.path = strings.TrimSpace(string(elsewhere))
	}
	conn, err := h.dial(ctx, "", "")
	if err != nil {
		return h, h.absent(err)
	}
	defer func() { _ = conn.Close() }() // it was only to see who listens
	h.pid, _, err = wire.Peer(conn)
	return h, err
}

func (h host) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", h.path)
}

// absent says why nobody listens.
func (h host) absent(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("data directory %s: %w: only the user who runs its host may attach to it", h.dir, fs.ErrPermission)
	}
	here, _ := filepath.Abs(h.dir)
	if _, statErr := os.Stat(h.dir); errors.Is(statErr, fs.ErrNotExist) {
		return fmt.Errorf("there is no data directory %s: start the plugin where `penstock run` was started, or name the directory with --attach=DATA_DIR", here)
	}
	return fmt.Errorf("no host runs on %s: start one with `penstock run`, or name the data directory of another with --attach=DATA_DIR", here)
}

// request is what a host is asked, as its protocol has it.
type request struct {
	Plugin     string   `json:"plugin"`
	Steps      []string `json:"steps,omitempty"`
	Address    string   `json:"address"`
	PID        int      `json:"pid"`
	Protocol   int      `json:"protocol"`
	SDKVersion string   `json:"sdkVersion"`
}

// message is one thing that a host tells.
type message struct {
	Phase    *phase
	Attached *struct{ Steps []step }
}

// phase is how far it has come with a step.
type phase struct{ Pipeline, Step, To, Cause string }

// tellsNothing: that it is watched, and trusted, is a matter of plugins that are
// swapped, and why it was refused is told as the end of the call.
func (p *phase) tellsNothing() bool {
	return p.To == "probation" || p.To == "committed" || p.To == "refused"
}

func (p *phase) String() string {
	text := p.To
	if p.Step != "" {
		text = p.Pipeline + "/" + p.Step + ": " + text
	}
	if p.Cause != "" {
		text += ": " + p.Cause
	}
	return text
}

// step is one that the plugin has taken over.
type step struct {
	Step       string
	Checkpoint number
	Block      number
}

func (s step) String() string {
	if s.Block == "" {
		return fmt.Sprintf("%s at checkpoint %s", s.Step, s.Checkpoint)
	}
	return fmt.Sprintf("%s at checkpoint %s (block %s)", s.Step, s.Checkpoint, s.Block)
}

// number is one that JSON may have as a text, because it has 64 bits.
type number string

func (n *number) UnmarshalJSON(b []byte) error {
	*n = number(strings.Trim(string(b), `"`))
	return nil
}

const (
	attachCall  = "/penstock.host.v1.PluginService/Attach"
	lastMessage = 2       // the flag of the message that ends a stream
	longest     = 1 << 20 // what a message may take
)

// ask asks the host to let the plugin attach, and hands on what it tells until
// the attachment ends. The error is what the host says about that, nil if it has
// nothing to say.
func (h host) ask(ctx context.Context, r request, each func(message)) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://host"+attachCall, bytes.NewReader(enveloped(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/connect+json")
	req.Header.Set("Connect-Protocol-Version", "1")
	transport := &http.Transport{DialContext: h.dial, DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return h.gone(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // nothing is lost with it
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/connect+json" {
		return fmt.Errorf("the host of %s does not know how to let a plugin attach (%s): update penstock", h.dir, res.Status)
	}
	for {
		last, text, err := read(res.Body)
		if err != nil {
			return h.gone(ctx, err)
		}
		if last {
			return verdict(text)
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("read what the host of %s tells: %w", h.dir, err)
		}
		each(m)
	}
}

// gone is the error of a call that has broken off.
func (h host) gone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the host of %s is gone, and nobody takes the rows of this plugin any more (%w)", h.dir, err)
}

// enveloped is a message as it stands in a stream.
func enveloped(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

// read reads the next message of a stream. The last one says how it ended.
func read(from io.Reader) (last bool, text []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return false, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > longest {
		return false, nil, fmt.Errorf("a message of %d bytes", size)
	}
	text = make([]byte, size)
	_, err = io.ReadFull(from, text)
	return head[0]&lastMessage != 0, text, err
}

// verdict is the error with which a stream has ended.
func verdict(text []byte) error {
	var end struct {
		Error *struct{ Code, Message string }
	}
	if err := json.Unmarshal(text, &end); err != nil {
		return fmt.Errorf("read how the host ended the attachment: %w", err)
	}
	if end.Error == nil {
		return nil
	}
	return errors.New(end.Error.Message)
}
