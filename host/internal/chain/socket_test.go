package chain_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// talk serves an IPC socket: what a function does with the lines of a connection.
func talk(tb testing.TB, with func(line string, conn net.Conn)) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "node.ipc")
	listener, err := net.Listen("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				for lines := bufio.NewReaderSize(conn, 1<<20); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					if strings.Contains(line, "eth_chainId") {
						line = idOf(line)
						_, _ = fmt.Fprintf(conn, `{"jsonrpc":"2.0","id":%s,"result":"0x1"}`, line)
						continue
					}
					with(line, conn)
				}
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return path
}

// idOf is the first id in a message.
func idOf(line string) string {
	_, after, _ := strings.Cut(line, `"id":`)
	id, _, _ := strings.Cut(after, ",")
	return id
}

func TestAnswersOverASocket(t *testing.T) {
	cases := map[string]func(id string, conn net.Conn){
		"at once":         func(id string, conn net.Conn) { _, _ = fmt.Fprintf(conn, `{"id":%s,"result":0}`, id) },
		"with a new line": func(id string, conn net.Conn) { _, _ = fmt.Fprintf(conn, "\n {\"id\":%s,\"result\":0}\n\n", id) },
		"in pieces": func(id string, conn net.Conn) {
			for _, c := range []byte(fmt.Sprintf(`{"x":"\"}\\","id":%s,"result":0}`, id)) {
				_, _ = conn.Write([]byte{c})
			}
		},
		"after one that nobody waits for": func(id string, conn net.Conn) {
			_, _ = fmt.Fprintf(conn, `{"id":99999,"result":7}{"id":"98","result":7}[{"id":97,"result":7}]{"id":%s,"result":0}`, id)
		},
		"after an event that nobody asked for": func(id string, conn net.Conn) {
			_, _ = fmt.Fprintf(conn, `{"method":"eth_subscription","params":{"subscription":"0x1","result":{}}}{"id":%s,"result":0}`, id)
		},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			n := open(t, config.Network{}, talk(t, func(line string, conn net.Conn) { answer(idOf(line), conn) }))
			said(t, n.ask(t, say(1)...))
			if s := n.status(t, "e0"); s.Failures > 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestTroubleOverASocketPasses(t *testing.T) {
	cases := map[string]func(conn net.Conn){
		"an error of nobody": func(conn net.Conn) {
			_, _ = io.WriteString(conn, `{"id":null,"error":{"code":-32000,"message":"try later"}}`)
		},
		"no JSON":        func(conn net.Conn) { _, _ = io.WriteString(conn, "Go away"); _ = conn.Close() },
		"half an answer": func(conn net.Conn) { _, _ = io.WriteString(conn, `{"id":1,"res`); _ = conn.Close() },
		"the end":        func(conn net.Conn) { _ = conn.Close() },
		"silence":        func(net.Conn) {},
	}
	for name, trouble := range cases {
		t.Run(name, func(t *testing.T) {
			var troubles atomic.Int32
			n := open(t, config.Network{RPC: config.RPC{Timeout: time.Second}}, talk(t, func(line string, conn net.Conn) {
				if troubles.Add(1) == 1 {
					trouble(conn)
					return
				}
				_, _ = fmt.Fprintf(conn, `{"id":%s,"result":0}`, idOf(line))
			}))
			said(t, n.ask(t, say(1)...))
			if s := n.status(t, "e0"); s.Failures != 1 {
				t.Errorf("got %+v, want one failure", s)
			}
		})
	}
}

// Exchanges share a connection: answers may come in another order.
func TestSocketIsShared(t *testing.T) {
	const calls = 8
	var (
		mu   sync.Mutex
		held []string
	)
	n := open(t, config.Network{}, talk(t, func(line string, conn net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		_, number, _ := strings.Cut(line, `"params":[`)
		number, _, _ = strings.Cut(number, "]")
		if held = append(held, fmt.Sprintf(`{"id":%s,"result":%s}`, idOf(line), number)); len(held) < calls {
			return
		}
		for i := range held {
			_, _ = io.WriteString(conn, held[len(held)-1-i])
		}
	}))
	n.ask(t, query("eth_chainId"))
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			results, err := n.Exchange(t.Context(), sdkchain.Request{Calls: []sdkchain.Query{query("say", i)}})
			if err != nil || results[0].Err != nil || string(results[0].Raw) != fmt.Sprint(i) {
				t.Errorf("call %d: got %+v, %v", i, results, err)
			}
		})
	}
	group.Wait()
}

// The first event may come in one piece with the answer; who takes events too
// slowly is told so.
func TestEventsOverASocket(t *testing.T) {
	events := func(n int) string {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xcd","result":%d}}`, i)
		}
		return all.String()
	}
	var many atomic.Int32
	gone := make(chan string, 4)
	path := talk(t, func(line string, conn net.Conn) {
		if strings.Contains(line, "eth_unsubscribe") {
			gone <- line
			return
		}
		_, _ = fmt.Fprintf(conn, `{"id":%s,"result":"0xcd"}%s`, idOf(line), events(int(many.Load())))
	})
	n := open(t, config.Network{}, path)
	many.Store(3)
	var got []string
	enough := errors.New("enough")
	err := n.Subscribe(t.Context(), []byte(`["logs",{}]`), func(event []byte) error {
		if got = append(got, string(event)); len(got) == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || strings.Join(got, " ") != "0 1 2" {
		t.Errorf("got %q, %v", got, err)
	}
	if line := <-gone; !strings.Contains(line, `["0xcd"]`) {
		t.Errorf("the node was told %s", line)
	}
	many.Store(4000)
	told := make(chan struct{})
	taken := 0
	err = n.Subscribe(t.Context(), []byte(`["logs",{}]`), func([]byte) error {
		if taken++; taken == 1 {
			// What comes while this one is held is more than waits for it.
			go func() { defer close(told); n.ask(t, query("eth_chainId")) }()
			<-told
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "events wait for who subscribed") || taken < 1000 {
		t.Errorf("got %v after %d events", err, taken)
	}
}

func TestWebSocketThatDoesNotLetUsIn(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	err := open(t, config.Network{}, "ws"+strings.TrimPrefix(url, "http")+"/secret1234").ask(t, say(1)...)[0].Err
	if err == nil || err.Kind != sdkchain.Refused || !strings.Contains(err.Error(), "401 Unauthorized") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"ws://127.0.0.1:1/secret1234", filepath.Join(t.TempDir(), "none.ipc")} {
		err := open(t, config.Network{RPC: config.RPC{Retries: new(uint64(1))}}, url).ask(t, say(1)...)[0].Err
		if err == nil || err.Kind != sdkchain.Transient || err.Tries != 2 || !strings.Contains(err.Error(), "connect") || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}
