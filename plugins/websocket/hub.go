package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/netutil"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// hub is a server with its clients and channels.
type hub struct {
	key        string
	server     server
	log        hclog.Logger
	channels   []*channel // do not change once it listens
	bell       bell
	forks      uint64        // reorganisations so far
	generation atomic.Uint64 // of the loader

	cold      bool          // it does not know yet what clients of a hub before it were sent
	ready     chan struct{} // closed by settle
	leaving   chan struct{} // closed by close: clients go
	farewell  farewell      // set before leaving is closed
	context   func() context.Context
	cancel    context.CancelFunc
	accepting *http.Server // nil: it does not listen
	accepted  sync.WaitGroup
	address   string // where it listens, or has

	mu      sync.Mutex
	closed  bool
	clients int
	running sync.WaitGroup
}

// farewell is what a client is told that is let go.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

var restarting = farewell{websocket.StatusServiceRestart, "the pipeline stopped or was set otherwise: connect again"}

func newHub(ctx context.Context, key string, s server) *hub {
	h := &hub{key: key, server: s, log: sdk.Logger(ctx), cold: true, ready: make(chan struct{}), leaving: make(chan struct{})}
	ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.context = func() context.Context { return ctx }
	return h
}

func (h *hub) add(name string, typ transit.Type, most bounds) {
	h.channels = append(h.channels, &channel{name: name, typ: typ, bounds: most, bell: &h.bell})
}

func (h *hub) channel(name string) *channel {
	for _, c := range h.channels {
		if c.name == name {
			return c
		}
	}
	return nil
}

// settle lets clients be served: what was taken back is known as far as it will
// be. It is for the loader.
func (h *hub) settle() {
	if h.cold {
		h.cold = false
		close(h.ready)
	}
}

// beyond is how many connections may be open that are no clients yet, or will not
// become any.
const beyond = 32

// listen lets clients connect. An address that another process has may become
// free: one that is replaced lives on for a moment.
func (h *hub) listen(ctx context.Context, patience time.Duration) error {
	network, address := "tcp", h.server.Listen
	if h.server.Socket != "" {
		network, address = "unix", h.server.Socket
	}
	if h.address != "" {
		address = h.address // where its clients found it
	}
	socket, err := patiently(ctx, patience, func() (net.Listener, error) { return bind(ctx, network, address) })
	if err != nil {
		return explain(address, err)
	}
	if h.address == "" {
		h.announce(network, socket.Addr().String())
	}
	h.accepting = &http.Server{
		Handler: http.HandlerFunc(h.serve), ReadTimeout: h.server.Timeout, WriteTimeout: h.server.Timeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(discard{}, "", 0),
		BaseContext: func(net.Listener) context.Context { return h.context() },
	}
	accepting := h.accepting
	h.accepted.Go(func() {
		if err := accepting.Serve(netutil.LimitListener(socket, h.server.MaxClients+beyond)); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("nobody can connect any more", "address", h.address, "cause", err)
		}
	})
	return nil
}

// discard drops what strangers do wrong with TLS and HTTP.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func bind(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		clearSocket(ctx, address)
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}

// clearSocket removes a socket that a process which was killed has left.
func clearSocket(ctx context.Context, path string) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // what cannot be removed is told by listening
	}
}

func patiently(ctx context.Context, patience time.Duration, try func() (net.Listener, error)) (net.Listener, error) {
	const pause = 10 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		socket, err := try()
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			return socket, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// explain says what to do where nobody can connect.
func explain(address string, err error) error {
	if inner, ok := errors.AsType[*net.OpError](err); ok {
		err = inner.Err // the address is told already
	}
	passing := func(remedy string) error { return fmt.Errorf("listen on %s: %w: %s", address, err, remedy) }
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return passing("another program listens there: end it, or change listen or socket")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return passing("too many files are open: raise open_files in the limits of the plugin's block")
	case errors.Is(err, os.ErrPermission):
		return sdk.Stop(passing("write network = true into the plugin's block; ports below 1024 are for superusers, so take one above, or see that the socket's directory can be written to"))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return sdk.Stop(passing("this machine does not have that address: change listen"))
	}
	return sdk.Stop(passing("change listen or socket"))
}

func (h *hub) announce(network, address string) {
	h.address = address
	if network == "unix" {
		h.log.Info("clients can connect", "socket", address, "path", h.server.Path)
		return
	}
	h.log.Info("clients can connect", "url", "ws://"+address+h.server.Path)
	if host, _, err := net.SplitHostPort(address); err == nil && !isLoopback(host) && h.server.Token == "" {
		h.log.Warn("everybody who reaches this machine can read these rows: set token, or listen on 127.0.0.1 behind a web server", "address", address)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// deafen ends listening.
func (h *hub) deafen() error {
	if h.accepting == nil {
		return nil
	}
	err := h.accepting.Close()
	h.accepted.Wait()
	h.accepting = nil
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop listening on %s: %w", h.address, err)
	}
	return nil
}

// close lets all clients go and waits until they have.
func (h *hub) close(f farewell) {
	_ = h.deafen() // it has been told by who rested it
	h.settle()
	h.mu.Lock()
	if !h.closed {
		h.closed, h.farewell = true, f
		close(h.leaving)
	}
	h.mu.Unlock()
	h.running.Wait()
	h.cancel()
}

// serve answers a request: it becomes a client, or is refused.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != h.server.Path:
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	case !h.admits(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "show the token, as Authorization: Bearer TOKEN or as ?token=TOKEN", http.StatusUnauthorized)
		return
	}
	if !h.enter() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many clients are connected: try again later", http.StatusServiceUnavailable)
		return
	}
	defer h.leave()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OriginPatterns: h.server.Origins, InsecureSkipVerify: slices.Contains(h.server.Origins, "*"), CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		h.log.Debug("a request did not become a client", "from", r.RemoteAddr, "origin", origin(r), "cause", err)
		return
	}
	newClient(h, conn).run(h.context())
}

// origin is where a request's page is from, as far as it says so.
func origin(r *http.Request) string {
	at, err := url.Parse(r.Header.Get("Origin"))
	if err != nil {
		return "?"
	}
	return at.Host
}

// admits tells whether a request shows the token, in a time that tells nothing
// about it.
func (h *hub) admits(r *http.Request) bool {
	if h.server.Token == "" {
		return true
	}
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		shown = r.URL.Query().Get("token")
	}
	want, got := sha256.Sum256([]byte(h.server.Token)), sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// enter counts a client in, if there is room.
func (h *hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.clients >= h.server.MaxClients {
		return false
	}
	h.clients++
	h.running.Add(1)
	return true
}

func (h *hub) leave() {
	h.mu.Lock()
	h.clients--
	h.mu.Unlock()
	h.running.Done()
}
