package chain_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

func TestAnswersMayBeCompressed(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, echo(calls, batch))
		_ = zip.Close()
	})
	said(t, open(t, config.Network{}, url).ask(t, say(50)...))
}

// Bodies are read to their end as long as they get ahead, and no longer.
func TestBodyThatNeverEnds(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request, piece string) {
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(5 * time.Millisecond): // slower than any node, and not for ever
			}
		}
	}
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "say" && asked.Add(1) == 1 {
			drip(w, r, " ")
			return
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n := open(t, config.Network{RPC: config.RPC{Timeout: time.Second}}, url)
	said(t, n.ask(t, say(1)...))
	if s := n.status(t, "e0"); asked.Load() != 2 || !strings.Contains(s.LastError, "bytes of it came, then less than") {
		t.Errorf("asked %d times; the last error is %q", asked.Load(), s.LastError)
	}
	once := say(1)
	once[0].Once = true
	asked.Store(0)
	if r := n.ask(t, once...)[0]; r.Err == nil || r.Err.Kind != sdkchain.TimedOut {
		t.Errorf("got %s, %v, want that it timed out", r.Raw, r.Err)
	}
}

// A large answer that takes longer than the time an answer may need to begin is
// read to its end.
func TestLargeAnswerThatGetsAhead(t *testing.T) {
	piece := strings.Repeat("x", 32<<10)
	const pieces = 12
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method != "say" {
			_, _ = io.WriteString(w, echo(calls, batch))
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":%s,"result":"`, calls[0].ID)
		for range pieces {
			_, _ = io.WriteString(w, piece)
			w.(http.Flusher).Flush()
			<-time.After(150 * time.Millisecond) // so that it takes longer than the timeout
		}
		_, _ = io.WriteString(w, `"}`)
	})
	n := open(t, config.Network{RPC: config.RPC{Timeout: time.Second, Retries: new(uint64(0))}}, url)
	if r := n.ask(t, say(1)...)[0]; r.Err != nil || len(r.Raw) != pieces*len(piece)+2 {
		t.Errorf("got %d bytes, %v", len(r.Raw), r.Err)
	}
}

// An answer of a gigabyte is not read.
func TestAnswerOfAGigabyte(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method != "say" {
			_, _ = io.WriteString(w, echo(calls, batch))
			return
		}
		w.Header().Set("Content-Length", "1073741824")
		piece := bytes.Repeat([]byte("["), 1<<20)
		for range 1 << 10 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	n := open(t, config.Network{}, url)
	r := n.ask(t, say(1)...)[0]
	if r.Err == nil || r.Err.Kind != sdkchain.TooMuch {
		t.Errorf("got %v, want too much", r.Err)
	}
	if s := n.status(t, "e0"); s.Failures > 0 {
		t.Errorf("%d failures", s.Failures)
	}
}

func TestHeadersAreSent(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	node := (&nodetest.Node{Chain: nodetest.NewChain(3)}).Handler(t)
	var missing atomic.Int32
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); r.Header.Get("X-Key") != "open sesame" || user != "me" || password != "pass" {
			missing.Add(1)
		}
		node.ServeHTTP(w, r)
	})
	server.Start()
	defer server.Close()
	with := config.Network{Endpoints: []config.Endpoint{{Headers: map[string]string{"X-Key": "open sesame"}}}}
	url := strings.Replace(server.URL, "http://", "http://me:pass@", 1)
	for _, url := range []string{url, "ws" + strings.TrimPrefix(url, "http")} {
		if r := open(t, with, url).ask(t, query("eth_chainId"))[0]; r.Err != nil {
			t.Error(r.Err)
		}
	}
	if missing.Load() > 0 {
		t.Errorf("%d requests came without the header or the password", missing.Load())
	}
}

// sockets are the ways to reach a node that can send events.
func sockets(t *testing.T, served *nodetest.Node) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node.ipc")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := served.RPC(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeListener(listener) })
	t.Cleanup(func() {
		_ = listener.Close() // it ends ServeListener
		serving.Wait()
	})
	return map[string]string{"IPC": path, "IPC, as a URL": "ipc://" + path, "WebSocket": nodetest.WebSocket(served.Serve(t))}
}

func TestSockets(t *testing.T) {
	blocks := nodetest.NewChain(10)
	served := &nodetest.Node{Chain: blocks, Before: func(method string, params ...any) error {
		if method == "eth_getBlockByNumber" && len(params) > 0 && fmt.Sprint(params[0]) == "0x3" {
			return &nodetest.Error{Code: 3, Message: "execution reverted"}
		}
		return nil
	}}
	for name, url := range sockets(t, served) {
		t.Run(name, func(t *testing.T) {
			n := open(t, config.Network{}, url)
			results := n.ask(t, query("eth_getBlockByNumber", "0x2", false), query("eth_getBlockByNumber", "0x3", false),
				query("eth_getBlockByNumber", "0xffff", false), query("eth_nothing"))
			if got := string(results[0].Raw); results[0].Err != nil || !strings.Contains(got, `"number":"0x2"`) {
				t.Errorf("got %s, %v", got, results[0].Err)
			}
			if err := results[1].Err; err == nil || err.Kind != sdkchain.Reverted || !strings.Contains(err.Error(), "execution reverted (code 3)") {
				t.Errorf("got %v, want the error of the node", err)
			}
			if string(results[2].Raw) != "null" || results[2].Err != nil {
				t.Errorf("got %s, %v, want null", results[2].Raw, results[2].Err)
			}
			if err := results[3].Err; err == nil || err.Kind != sdkchain.NoMethod {
				t.Errorf("got %v, want that it does not know the method", err)
			}
			if s := n.status(t, "e0"); s.Failures > 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestSubscription(t *testing.T) {
	blocks := nodetest.NewChain(10)
	served := &nodetest.Node{Chain: blocks}
	for name, url := range sockets(t, served) {
		t.Run(name, func(t *testing.T) {
			n := open(t, config.Network{}, start(t, nil).url, url) // HTTP cannot
			events := make(chan string)
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			done := make(chan error)
			go func() {
				done <- n.Subscribe(ctx, []byte(`["newHeads"]`), func(event []byte) error {
					events <- string(event)
					return nil
				})
			}()
			until(t, "a head comes", func() bool {
				blocks.Mine(1)
				select {
				case event := <-events:
					return strings.Contains(event, `"parentHash"`)
				case <-time.After(time.Millisecond):
					return false
				}
			})
			if s := n.status(t, "e1"); s.Height == 0 {
				t.Error("the height of the head was not learned")
			}
			cancel(enough)
			for {
				select {
				case <-events:
					continue
				case err := <-done:
					if !errors.Is(err, enough) {
						t.Errorf("got %v, want %v", err, enough)
					}
				}
				break
			}
			stop := errors.New("that is all")
			go func() { done <- n.Subscribe(t.Context(), []byte(`["newHeads"]`), func([]byte) error { return stop }) }()
			until(t, "the subscription ends", func() bool {
				blocks.Mine(1)
				select {
				case err := <-done:
					if !errors.Is(err, stop) {
						t.Errorf("got %v, want %v", err, stop)
					}
					return true
				case <-time.After(time.Millisecond):
					return false
				}
			})
		})
	}
}

func TestSubscriptionsThatCannotBeHad(t *testing.T) {
	url := (&nodetest.Node{Chain: nodetest.NewChain(3)}).Serve(t)
	take := func([]byte) error { return nil }
	err := open(t, config.Network{}, url).Subscribe(t.Context(), []byte(`["newHeads"]`), take)
	if err == nil || !strings.Contains(err.Error(), "cannot be subscribed to: use one with a WebSocket") {
		t.Errorf("over HTTP: got %v", err)
	}
	refusing := &nodetest.Node{Chain: nodetest.NewChain(3), NoHeads: true}
	err = open(t, config.Network{}, nodetest.WebSocket(refusing.Serve(t))).Subscribe(t.Context(), []byte(`["newHeads"]`), take)
	if err == nil || !strings.Contains(err.Error(), `subscribe at e0 (ws://127.0.0.1`) {
		t.Errorf("of a node that sends no heads: got %v", err)
	}
}

// breaking serves a node over connections that a test can break.
func breaking(t *testing.T, handler http.Handler) (url string, breakAll func()) {
	t.Helper()
	var (
		mu    sync.Mutex
		conns []net.Conn
	)
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			conns = append(conns, c)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
		conns = nil
	}
}

// A connection that breaks is made anew, and costs no call.
func TestConnectionThatBreaks(t *testing.T) {
	served := &nodetest.Node{Chain: nodetest.NewChain(3)}
	for _, scheme := range []string{"http", "ws"} {
		url, breakAll := breaking(t, served.Handler(t))
		n := open(t, config.Network{}, strings.Replace(url, "http", scheme, 1))
		for range 4 {
			if r := n.ask(t, query("eth_getBlockByNumber", "0x2", false))[0]; r.Err != nil {
				t.Fatalf("%s: %v", scheme, r.Err)
			}
			breakAll()
		}
	}
}

func TestSubscriptionEndsWithItsConnection(t *testing.T) {
	blocks := nodetest.NewChain(3)
	url, breakAll := breaking(t, (&nodetest.Node{Chain: blocks}).Handler(t))
	n := open(t, config.Network{}, nodetest.WebSocket(url))
	first := make(chan struct{}, 1)
	done := make(chan error)
	go func() {
		done <- n.Subscribe(t.Context(), []byte(`["newHeads"]`), func([]byte) error {
			select {
			case first <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	until(t, "a head comes", func() bool {
		blocks.Mine(1)
		select {
		case <-first:
			return true
		case <-time.After(time.Millisecond):
			return false
		}
	})
	breakAll()
	if err := <-done; err == nil {
		t.Error("a subscription over a broken connection goes on")
	}
}

// A node over a socket that hangs is given up in time.
func TestSocketThatHangs(t *testing.T) {
	server := rpc.NewServer()
	defer server.Stop()
	release := make(chan struct{})
	if err := server.RegisterName("eth", &hanging{release}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(server.WebsocketHandler([]string{"*"}))
	defer s.Close()
	defer close(release)
	n := open(t, config.Network{RPC: config.RPC{Timeout: time.Second, Retries: new(uint64(1))}}, nodetest.WebSocket(s.URL))
	err := n.ask(t, query("eth_hang"))[0].Err
	if err == nil || err.Kind != sdkchain.TimedOut || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("got %v", err)
	}
}

type hanging struct{ release chan struct{} }

func (*hanging) ChainId() string { return "0x1" }

func (h *hanging) Hang() string {
	<-h.release
	return ""
}
