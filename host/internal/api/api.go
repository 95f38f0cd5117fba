// Package api lets people and programs see and steer a running host: a Connect
// service on a unix socket in the data directory, with metrics for Prometheus
// beside it. It holds both ends: Server is the host's, Client that of whoever
// asks.
//
// The engine knows nothing of it. What it tells goes into Events, which takes it
// without waiting; whoever watches reads from there at his own pace.
package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

const (
	// usualTime is how long a call may take that does not say, longestTime how
	// long one that does: to end a path may take half an hour.
	usualTime   = time.Minute
	longestTime = time.Hour

	largestRequest = 64 << 10
	watchersAtOnce = 64

	// These together are how long the end of a server may take: calls may come to
	// their own end first, then they are told to, then they are cut off.
	politeEnd = 500 * time.Millisecond
	urgedEnd  = 300 * time.Millisecond
)

// Engine is what is seen and steered, as *engine.Engine says it.
type Engine interface {
	Status() []engine.PathStatus
	Pause(ctx context.Context, pipeline string) error
	Resume(ctx context.Context, pipeline string) error
	Stop(ctx context.Context, pipeline string) error
	Checkpoint(ctx context.Context, pipeline string) error
	Rewind(ctx context.Context, pipeline string, block uint64) error
}

// Letters are the rows that steps could not work on, as *engine.Engine keeps
// them.
type Letters interface {
	DeadLetters() ([]store.DeadLetter, error)
	DeadLetter(id string) (store.DeadLetter, error)
	Replay(ctx context.Context, ids ...string) error
	Discard(ids ...string) error
}

// Config is what a server needs. All of it is required, but for what a host
// cannot do: calls for it are refused.
type Config struct {
	Engine        Engine
	Letters       Letters
	Plugins       Plugins       // nil: no plugin can be swapped
	Configuration Configuration // nil: nothing else can be run
	Taps          Taps          // nil: nobody can look at rows
	Sets          Sets          // nil: pipelines share no state
	Words         Words         // nil: sets take any words
	Nodes         Nodes         // nil: no node is asked
	Events        *Events       // what the engine tells
	DataDir       string
	Version       string
	Logger        hclog.Logger
}

// Server is the host's end.
type Server struct {
	cfg      Config
	started  time.Time
	owner    int           // whose socket it is
	watchers chan struct{} // holds one for each; full: no more
	errors   *connect.ErrorWriter

	mu     sync.Mutex
	ending bool
}

// New makes a server; Serve serves.
func New(cfg Config) *Server {
	return &Server{
		cfg: cfg, started: time.Now(), owner: os.Geteuid(),
		watchers: make(chan struct{}, watchersAtOnce), errors: connect.NewErrorWriter(),
	}
}

// Serve answers on a listener until ctx ends. Watchers then get what they have
// not read and an end, other calls their answers, all within a second, after
// which the listener is closed and no goroutine is left.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return calls },
		ConnContext:       withPeer,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		Protocols:         new(http.Protocols),
		ErrorLog:          s.cfg.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for gRPC

	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = server.Serve(l)
	}()
	select {
	case <-ended:
		_ = server.Close() // failed says what is wrong
		return fmt.Errorf("serve the control API: %w", failed)
	case <-ctx.Done():
	}
	s.end()
	if shutdown(calls, server, politeEnd) != nil {
		cut()
		if shutdown(context.WithoutCancel(calls), server, urgedEnd) != nil {
			_ = server.Close() // what is left of it are connections
		}
	}
	<-ended
	return nil
}

func shutdown(ctx context.Context, server *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return server.Shutdown(ctx)
}

// end lets watchers come to their end, and calls know why they are refused.
func (s *Server) end() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.cfg.Events.end()
}

func (s *Server) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// handler is all that is served.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	usual := connect.WithHandlerOptions(
		connect.WithReadMaxBytes(largestRequest),
		connect.WithCompression("gzip", nil, nil), // it would only cost time on a socket
		connect.WithInterceptors(deadlines()),
	)
	mux.Handle(hostv1connect.NewControlServiceHandler(&service{s}, usual))
	if s.cfg.Plugins != nil {
		mux.Handle(hostv1connect.NewPluginServiceHandler(&pluginService{s}, usual))
	}
	if s.cfg.Configuration != nil {
		mux.Handle(hostv1connect.NewConfigurationServiceHandler(&configurationService{s}, usual))
	}
	(&tapService{s}).handle(mux, usual)
	(&stateService{s}).handle(mux, usual)
	(&rpcService{s}).handle(mux, usual)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // whoever asked is gone otherwise
	})
	return s.guarded(mux)
}

// guarded lets only the user in who runs the host. The modes of the socket and
// of its directory say the same, but modes can be changed.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(peer)
		if p.err != nil || p.known && p.uid != s.owner {
			s.refuse(w, r, connect.NewError(connect.CodePermissionDenied,
				fmt.Errorf("this host belongs to user %d: only that user may control it", s.owner)), http.StatusForbidden)
			return
		}
		if p.plugin {
			s.refuse(w, r, connect.NewError(connect.CodePermissionDenied,
				errors.New("plugins may not control their host, and neither may what they start: run penstock from a shell of your own")), http.StatusForbidden)
			return
		}
		if s.isEnding() {
			s.refuse(w, r, connect.NewError(connect.CodeUnavailable, errEnding), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err *connect.Error, status int) {
	if s.errors.IsSupported(r) {
		_ = s.errors.Write(w, r, err) // whoever asked is gone otherwise
		return
	}
	http.Error(w, err.Message(), status)
}

type peerKey struct{}

// peer is who is at the other end of a connection.
type peer struct {
	uid    int
	plugin bool // it is one of this host's plugins, or was started by one
	known  bool
	err    error
}

func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOf(conn))
}

// deadlines sees to it that every unary call ends.
func deadlines() connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			most := longestTime
			if _, says := ctx.Deadline(); !says {
				most = usualTime
			}
			ctx, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			return next(ctx, request)
		}
	}
}
