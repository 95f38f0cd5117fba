// Package proxy stands between a pipeline and a node and makes the node as bad
// as nodes are.
//
// It serves JSON-RPC over HTTP and WebSocket on one port and passes on what it
// is asked, but for a share of the requests that go wrong in the ways that are
// known of providers. What it answers is never a lie that a careful reader could
// not see through: a replica that lags knows nothing of newer blocks, whatever
// it is asked in one request, and logs are never left out in silence.
//
// What happens to the n-th request follows from the seed and n alone. Which
// request is the n-th depends on the programs that ask.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where the node is and what goes wrong.
type Config struct {
	HTTP string // the node's URL
	WS   string // the node's URL for subscriptions; "": none are served
	Seed uint64
	// Limits is whether eth_getLogs takes a bounded range only, as most providers
	// have it; the seed says how large a range, and in which words more is refused.
	Limits bool
	// Tell is told of every fault when it begins, from any goroutine. nil: nobody.
	Tell func(Fault)
}

// Proxy is a node that has its bad moments. Close ends it.
type Proxy struct {
	cfg      Config
	limit    *limit // of eth_getLogs; nil: none
	listener net.Listener
	server   *http.Server
	client   *http.Client
	rate     atomic.Uint64 // the bits of a float64
	requests atomic.Uint64
	heard    atomic.Uint64 // notifications
	tasks    sync.WaitGroup
	stop     context.CancelFunc

	mu    sync.Mutex
	calm  chan struct{} // closed while nothing goes wrong: what is held up is let go
	socks map[*socket]struct{}
}

// closing is how long requests may take to end once they were told to.
const closing = 2 * time.Second

// Start serves the node on a free port of 127.0.0.1. Nothing goes wrong before
// SetRate. The end of ctx ends what is being answered; Close is still due.
func Start(ctx context.Context, cfg Config) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the faulty proxy: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	p := &Proxy{cfg: cfg, listener: listener, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, stop: stop}
	p.calm, p.socks = closedChannel(), make(map[*socket]struct{})
	if cfg.Limits {
		p.limit = drawLimit(cfg.Seed)
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	p.tasks.Go(func() { _ = p.server.Serve(listener) }) // it ends with Close
	return p, nil
}

// HTTP is the URL for JSON-RPC over HTTP.
func (p *Proxy) HTTP() string { return "http://" + p.listener.Addr().String() }

// WS is the URL for JSON-RPC over WebSocket.
func (p *Proxy) WS() string { return "ws://" + p.listener.Addr().String() }

// Limit says how many blocks one eth_getLogs may be about, 0 if any number.
func (p *Proxy) Limit() uint64 {
	if p.limit == nil {
		return 0
	}
	return p.limit.blocks
}

// SetRate says which share of the requests goes wrong from now on, 0 to 1. With
// 0 everything that is held up is let go too.
func (p *Proxy) SetRate(rate float64) {
	p.rate.Store(math.Float64bits(rate))
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.calm:
		if rate > 0 {
			p.calm = make(chan struct{})
		}
	default:
		if rate <= 0 {
			close(p.calm)
		}
	}
}

// Close ends all connections and returns when nothing of the proxy is left.
func (p *Proxy) Close() error {
	p.SetRate(0)
	p.stop()
	p.mu.Lock()
	for s := range p.socks {
		s.close()
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = p.server.Close()
	}
	p.tasks.Wait()
	p.client.CloseIdleConnections()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the faulty proxy: %w", err)
	}
	return nil
}

// next draws what happens to a request.
func (p *Proxy) next() Fault {
	return draw(p.cfg.Seed, p.requests.Add(1), math.Float64frombits(p.rate.Load()))
}

// nextNotification draws what happens to a notification.
func (p *Proxy) nextNotification() Fault {
	return draw(^p.cfg.Seed, p.heard.Add(1), math.Float64frombits(p.rate.Load()))
}

// tell tells of a fault that takes place.
func (p *Proxy) tell(f Fault, about string) {
	if p.cfg.Tell != nil {
		f.About = about
		p.cfg.Tell(f)
	}
}

// hold waits, but no longer than things go wrong. It is false if ctx ended.
func (p *Proxy) hold(ctx context.Context, d time.Duration) bool {
	p.mu.Lock()
	calm := p.calm
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-calm:
	case <-ctx.Done():
		return false
	}
	return true
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
