package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// dialSocket connects to the URL of a WebSocket or the path of an IPC socket.
func dialSocket(ctx context.Context, url string, header http.Header) (frames, error) {
	if strings.HasPrefix(url, "ws://") || strings.HasPrefix(url, "wss://") {
		return dialWebSocket(ctx, url, header)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", url)
	if err != nil {
		return nil, err
	}
	return &stream{conn: conn}, nil
}

// webSocket is frames over a WebSocket.
type webSocket struct {
	conn *websocket.Conn
	http *http.Transport
	over context.CancelFunc // ends reading
	next func() (io.Reader, error)
	all  atomic.Int64
	body bytes.Buffer
}

func dialWebSocket(ctx context.Context, url string, header http.Header) (frames, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header}) //nolint:bodyclose // the library closes it
	if err != nil {
		transport.CloseIdleConnections()
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &statusError{status: resp.StatusCode}
		}
		return nil, err
	}
	conn.SetReadLimit(longestAnswer)
	living, over := context.WithCancel(context.WithoutCancel(ctx))
	w := &webSocket{conn: conn, http: transport, over: over}
	w.next = func() (io.Reader, error) {
		_, r, err := conn.Reader(living)
		return r, err
	}
	return w, nil
}

func (w *webSocket) read() ([]byte, error) {
	from, err := w.next()
	if err != nil {
		return nil, ending(err)
	}
	w.body.Reset()
	if _, err := w.body.ReadFrom(&counter64{from, &w.all}); err != nil {
		return nil, ending(err)
	}
	message := bytes.Clone(w.body.Bytes())
	if w.body.Cap() > 32<<20 {
		w.body = bytes.Buffer{} // one answer out of all proportion
	}
	return message, nil
}

// ending says why a connection ended.
func ending(err error) error {
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return errTooLong
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		return errEnded
	}
	return err
}

func (w *webSocket) write(ctx context.Context, message []byte) error {
	return w.conn.Write(ctx, websocket.MessageText, message)
}

func (w *webSocket) progress() int64 { return w.all.Load() }

func (w *webSocket) close() {
	w.over()
	_ = w.conn.CloseNow() // nobody can act on it
	w.http.CloseIdleConnections()
}

// counter64 counts what is read.
type counter64 struct {
	from io.Reader
	all  *atomic.Int64
}

func (c *counter64) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.all.Add(int64(n))
	return n, err
}

// stream is frames over a connection on which one JSON value follows another.
type stream struct {
	conn    net.Conn
	writing sync.Mutex
	all     atomic.Int64
	text    []byte // what was read and not returned yet
	state   nesting
}

func (s *stream) read() ([]byte, error) {
	for {
		if end := s.state.end(s.text); end > 0 {
			message := bytes.Clone(s.text[:end])
			s.text = append(s.text[:0], s.text[end:]...)
			s.state = nesting{}
			if cap(s.text) > 32<<20 {
				s.text = bytes.Clone(s.text) // one answer out of all proportion
			}
			return message, nil
		}
		if len(s.text) > longestAnswer {
			return nil, errTooLong
		}
		if cap(s.text)-len(s.text) < 64<<10 {
			s.text = append(make([]byte, 0, 2*cap(s.text)+128<<10), s.text...)
		}
		n, err := s.conn.Read(s.text[len(s.text):cap(s.text)])
		s.all.Add(int64(n))
		s.text = s.text[:len(s.text)+n]
		if err != nil {
			return nil, ending(err)
		}
	}
}

func (s *stream) write(ctx context.Context, message []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.conn.SetWriteDeadline(deadline); err != nil {
			return fmt.Errorf("bound the time of a message: %w", err)
		}
	}
	_, err := s.conn.Write(append(message, '\n'))
	return err
}

func (s *stream) progress() int64 { return s.all.Load() }

func (s *stream) close() { _ = s.conn.Close() } // nobody can act on it

// nesting finds the end of a value in text that grows, from where it was the last
// time.
type nesting struct {
	at, depth int
	quoted    bool
	escaped   bool
}

// end is what stands behind the first object or array in the text; 0 if it has no
// end yet.
func (n *nesting) end(text []byte) int {
	for n.at < len(text) {
		c := text[n.at]
		n.at++
		switch {
		case n.escaped:
			n.escaped = false
		case n.quoted:
			n.inString(text, c)
		case c == '"':
			n.quoted = true
		case c|0x20 == '{': // or [
			n.depth++
		case c|0x20 == '}': // or ]
			if n.depth--; n.depth <= 0 {
				return n.at
			}
		}
	}
	return 0
}

// inString goes on in a string after c, to the next byte that means something.
func (n *nesting) inString(text []byte, c byte) {
	switch c {
	case '"':
		n.quoted = false
	case '\\':
		n.escaped = true
	default:
		next := bytes.IndexByte(text[n.at:], '"')
		if next < 0 {
			next = len(text) - n.at
		}
		if escape := bytes.IndexByte(text[n.at:n.at+next], '\\'); escape >= 0 {
			next = escape
		}
		n.at += next
	}
}
