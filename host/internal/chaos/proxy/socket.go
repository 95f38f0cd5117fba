package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// socket is one WebSocket connection: calls are answered one by one as over
// HTTP, and subscriptions have a connection to the node of their own.
type socket struct {
	proxy *Proxy
	down  *websocket.Conn // to whoever asks
	up    *websocket.Conn // to the node
	tasks sync.WaitGroup

	write sync.Mutex // one message at a time to down
	ask   sync.Mutex // one message at a time to up
}

func (p *Proxy) serveSocket(w http.ResponseWriter, r *http.Request) {
	if p.cfg.WS == "" {
		http.Error(w, "no WebSocket here", http.StatusNotFound)
		return
	}
	f := p.next()
	if f.Kind == Broken || f.Kind == Busy {
		p.tell(f, "connect by WebSocket")
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	up, resp, err := websocket.DefaultDialer.DialContext(r.Context(), p.cfg.WS, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if resp.Body != nil {
		_ = resp.Body.Close() // there is nothing in it
	}
	p.tasks.Add(1) // once it is taken over the server does not wait for it
	defer p.tasks.Done()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	down, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		_ = up.Close()
		return // the upgrader has answered
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket{proxy: p, down: down, up: up}
	p.mu.Lock()
	p.socks[s] = struct{}{}
	p.mu.Unlock()
	s.run(ctx)
	cancel()
	s.tasks.Wait()
	p.mu.Lock()
	delete(p.socks, s)
	p.mu.Unlock()
}

// close ends the connection from any goroutine.
func (s *socket) close() {
	_ = s.up.Close()
	_ = s.down.Close()
}

// drop resets the connection.
func (s *socket) drop() {
	abort(s.down.UnderlyingConn())
	s.close()
}

func (s *socket) run(ctx context.Context) {
	defer s.close()
	if ctx.Err() != nil {
		return // the proxy was closed in between
	}
	s.tasks.Go(s.relay)
	for {
		_, raw, err := s.down.ReadMessage()
		if err != nil {
			return
		}
		m := parse(raw)
		if m.subscription() {
			s.ask.Lock()
			err = s.up.WriteMessage(websocket.TextMessage, raw)
			s.ask.Unlock()
			if err != nil {
				return
			}
			continue
		}
		f := s.proxy.next()
		s.tasks.Go(func() { s.answer(ctx, &m, f) })
	}
}

// send writes one message to whoever asks.
func (s *socket) send(raw []byte) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.down.WriteMessage(websocket.TextMessage, raw) != nil {
		s.close()
	}
}

// answer answers a message that is about no subscription.
func (s *socket) answer(ctx context.Context, m *message, f Fault) {
	p := s.proxy
	switch f.Kind {
	case Busy, Page:
		e := refusals[f.of(3)] // those about rates
		p.tell(f, fmt.Sprintf("%s: %s", m.about(), e.Message))
		s.send(m.refuse(e))
		return
	case Broken:
		p.tell(f, m.about()+": the connection is closed")
		s.close()
		return
	case Silent:
		p.tell(f, fmt.Sprintf("%s: for %s", m.about(), f.Pause))
		p.hold(ctx, f.Pause)
		s.drop()
		return
	case Slow:
		p.tell(f, fmt.Sprintf("%s: by %s", m.about(), f.Pause))
		p.hold(ctx, f.Pause)
	default:
	}
	raw, err := p.ask(ctx, m, f)
	if err != nil {
		s.close()
		return
	}
	switch f.Kind {
	case Cut:
		p.tell(f, fmt.Sprintf("%s: %d of %d bytes", m.about(), len(raw)/2, len(raw)))
		s.send(raw[:len(raw)/2])
	case Reset:
		p.tell(f, m.about())
		s.drop()
	default:
		s.send(raw)
	}
}

// relay passes on what the node says of subscriptions.
func (s *socket) relay() {
	defer s.close()
	for {
		_, raw, err := s.up.ReadMessage()
		if err != nil {
			return
		}
		times := 1
		if notification(raw) {
			times = s.notified()
		}
		for range times {
			s.send(raw)
		}
	}
}

// notified says how often a notification comes.
func (s *socket) notified() int {
	f := s.proxy.nextNotification()
	switch f.Kind {
	case Doubled:
		s.proxy.tell(f, "a notification twice")
		return 2
	case Missing, Silent:
		f.Kind = Missing
		s.proxy.tell(f, "a notification does not come")
		return 0
	default:
		return 1
	}
}

func notification(raw []byte) bool {
	var c struct{ Method string }
	return json.Unmarshal(raw, &c) == nil && c.Method == "eth_subscription"
}
