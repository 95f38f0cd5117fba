package chain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// faked is the nodes of a network, in memory.
type faked struct {
	mu       sync.Mutex // protects the fields below
	answer   func(q sdk.Query) (string, *sdk.Error)
	asked    []string // method and parameters of every call, in order
	requests []sdk.Request
	hold     chan struct{} // answers wait until it is closed; nil: they do not
	events   chan string   // of newHeads; nil: it cannot be subscribed to
	subs     int           // subscriptions that were begun
	closed   bool
}

func (n *faked) Exchange(ctx context.Context, r sdk.Request) ([]sdk.Result, error) {
	n.mu.Lock()
	n.requests = append(n.requests, r)
	for _, q := range r.Calls {
		n.asked = append(n.asked, q.Method+string(q.Params))
	}
	hold, answer := n.hold, n.answer
	n.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	out := make([]sdk.Result, len(r.Calls))
	for i, q := range r.Calls {
		text, err := answer(q)
		out[i] = sdk.Result{Raw: []byte(text), Err: err, Endpoint: "main"}
	}
	return out, nil
}

func (n *faked) Subscribe(ctx context.Context, _ []byte, take func([]byte) error) error {
	n.mu.Lock()
	n.subs++
	events := n.events
	n.mu.Unlock()
	if events == nil {
		return chain.ErrNoSubscriptions
	}
	for {
		select {
		case e, open := <-events:
			if !open {
				return errors.New("the connection broke")
			}
			if err := take([]byte(e)); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (n *faked) Status() []chain.EndpointStatus { return []chain.EndpointStatus{{Name: "main"}} }

func (n *faked) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
}

// set changes what the node answers.
func (n *faked) set(answer func(q sdk.Query) (string, *sdk.Error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// count is how often a call was made.
func (n *faked) count(call string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, asked := range n.asked {
		if asked == call {
			times++
		}
	}
	return times
}

// calls is how many calls were made.
func (n *faked) calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

// subscriptions is how many were begun.
func (n *faked) subscriptions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.subs
}

// tell tells of a head through the subscription, and waits until it is taken.
func (n *faked) tell(head string) {
	n.mu.Lock()
	events := n.events
	n.mu.Unlock()
	events <- head
}

// isClosed tells whether the nodes were hung up.
func (n *faked) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// always answers the same to everything, and the tag "finalized" with block 100.
func always(text string) func(sdk.Query) (string, *sdk.Error) {
	return func(q sdk.Query) (string, *sdk.Error) {
		if q.Method == "eth_getBlockByNumber" && strings.Contains(string(q.Params), "finalized") {
			return headJSON(100, "final", "before"), nil
		}
		return text, nil
	}
}

// headJSON is a header whose hashes are made of names.
func headJSON(number int, name, parent string) string {
	return fmt.Sprintf(`{"number":"0x%x","hash":"%s","parentHash":"%s"}`, number, hashOf(name), hashOf(parent))
}

func hashOf(name string) string { return fmt.Sprintf("0x%064x", name) }

// networkOf is a network of one endpoint.
func networkOf(name string) *config.Network {
	return &config.Network{Name: name, ChainID: 1, Finality: "finalized", Endpoints: []config.Endpoint{{Name: "main", URL: "http://node.invalid"}}}
}

// serviceOf is a service that asks a node about the network "main".
func serviceOf(t *testing.T, n *faked, change ...func(*config.Network)) *chain.Service {
	t.Helper()
	network := networkOf("main")
	for _, f := range change {
		f(network)
	}
	s, err := chain.NewServiceOf(chain.Config{Networks: []*config.Network{network}}, func(*config.Network, func(chain.Observation)) (chain.Nodes, error) {
		return n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var asker = sdk.Asker{Plugin: "ethereum", Step: "swaps/logs"}

// requestOf is calls written as method and parameters: eth_getCode["0x1"].
func requestOf(calls ...string) sdk.Request {
	r := sdk.Request{Asker: asker, Network: "main"}
	for _, call := range calls {
		method, params, _ := strings.Cut(call, "[")
		r.Calls = append(r.Calls, sdk.Query{Method: method, Params: []byte("[" + params)})
	}
	return r
}

// raws makes calls and returns the answers.
func raws(t *testing.T, s *chain.Service, calls ...string) []string {
	t.Helper()
	results, err := s.Exchange(t.Context(), requestOf(calls...))
	if err != nil {
		t.Fatalf("Exchange: %v", err)
	}
	var out []string
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("got %v", r.Err)
		}
		out = append(out, string(r.Raw))
	}
	return out
}

// settled makes a service know that block 100 is final.
func settled(t *testing.T, s *chain.Service) {
	t.Helper()
	raws(t, s, `eth_getBlockByNumber["finalized",false]`)
}

// eventually waits until something is so that is being done beside the test.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for begin := time.Now(); !so(); runtime.Gosched() {
		if time.Since(begin) > bound {
			t.Fatalf("it did not come to be within %s", bound)
		}
	}
}
