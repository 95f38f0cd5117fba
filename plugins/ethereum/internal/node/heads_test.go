package node_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/node"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

func next(t *testing.T, h *node.Heads) node.Ref {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ref, err := h.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return ref
}

// follows checks that heads are seen as the chain moves.
func follows(t *testing.T, chain *nodetest.Chain, n *node.Node) {
	t.Helper()
	h := n.Heads(time.Millisecond)
	defer h.Close()
	if got := next(t, h); got != chain.Head().Ref {
		t.Errorf("first head: got %+v, want %+v", got, chain.Head().Ref)
	}
	for range 5 {
		chain.Mine(1)
		if got := next(t, h); got != chain.Head().Ref {
			t.Errorf("got %+v, want %+v", got, chain.Head().Ref)
		}
	}
	chain.Reorg(2, 2)
	if got := next(t, h); got != chain.Head().Ref {
		t.Errorf("after a reorg: got %+v, want %+v", got, chain.Head().Ref)
	}
}

func TestHeadsByPolling(t *testing.T) {
	chain := nodetest.NewChain(10)
	follows(t, chain, open(t, node.Config{}, (&nodetest.Node{Chain: chain}).Serve(t)))
}

func TestHeadsBySubscription(t *testing.T) {
	chain := nodetest.NewChain(10)
	var asks atomic.Int32
	served := &nodetest.Node{Chain: chain, Before: func(method string, _ ...any) error {
		if method == "eth_getBlockByNumber" {
			asks.Add(1)
		}
		return nil
	}}
	follows(t, chain, open(t, node.Config{}, nodetest.WebSocket(served.Serve(t))))
	if asks.Load() != 1 {
		t.Errorf("the node was asked for its head %d times beside the subscription, want once", asks.Load())
	}
}

func TestHeadsOverIPC(t *testing.T) {
	chain := nodetest.NewChain(10)
	served := &nodetest.Node{Chain: chain}
	path := filepath.Join(t.TempDir(), "node.ipc")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := served.RPC(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeListener(listener) })
	defer serving.Wait()
	defer listener.Close() // it ends ServeListener
	follows(t, chain, open(t, node.Config{}, path))
}

// Where a node cannot be subscribed to it is polled.
func TestHeadsWithoutSubscriptions(t *testing.T) {
	chain := nodetest.NewChain(10)
	served := &nodetest.Node{Chain: chain, NoHeads: true}
	follows(t, chain, open(t, node.Config{}, nodetest.WebSocket(served.Serve(t))))
}

// A connection that breaks costs no head.
func TestHeadsOverAConnectionThatBreaks(t *testing.T) {
	chain := nodetest.NewChain(10)
	served := &nodetest.Node{Chain: chain}
	var (
		mu    sync.Mutex
		conns []net.Conn
	)
	s := httptest.NewUnstartedServer(served.Handler(t))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			conns = append(conns, c)
		}
	}
	s.Start()
	defer s.Close()
	h := open(t, node.Config{}, nodetest.WebSocket(s.URL)).Heads(time.Millisecond)
	defer h.Close()
	next(t, h)
	for range 3 {
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		chain.Mine(1)
		if got := next(t, h); got != chain.Head().Ref {
			t.Errorf("got %+v, want %+v", got, chain.Head().Ref)
		}
	}
}
