package node_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/node"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// Batches shrink until the node takes them, whatever it says about large ones.
func TestBatchesShrink(t *testing.T) {
	refusals := map[string]func(w http.ResponseWriter, calls []asked){
		"413": func(w http.ResponseWriter, _ []asked) { w.WriteHeader(413) },
		"one error for the first call": func(w http.ResponseWriter, c []asked) {
			_, _ = fmt.Fprintf(w, `[{"id":%s,"error":{"code":-32600,"message":"batch too large"}}]`, c[0].ID)
		},
		"one error for all": func(w http.ResponseWriter, _ []asked) {
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"batch too large"}}`)
		},
		"no batches at all": func(w http.ResponseWriter, _ []asked) {
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"batch requests are not supported"}}`)
		},
		"the rest of an answer is too large": func(w http.ResponseWriter, c []asked) {
			head := echo(c[:3], true)
			_, _ = io.WriteString(w, strings.TrimSuffix(head, "]"))
			for _, c := range c[3:] {
				_, _ = fmt.Fprintf(w, `,{"id":%s,"error":{"code":-32003,"message":"response too large"}}`, c.ID)
			}
			_, _ = io.WriteString(w, "]")
		},
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			var largest atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				largest.Store(max(largest.Load(), int32(len(calls))))
				if len(calls) > 5 {
					refuse(w, calls)
					return
				}
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			if err := open(t, node.Config{}, url).Do(t.Context(), say(60)); err != nil {
				t.Errorf("Do: %v", err)
			}
			if largest.Load() != 60 {
				t.Errorf("the first batch had %d calls", largest.Load())
			}
		})
	}
}

func TestChainIDMustBeTheNetworks(t *testing.T) {
	url := (&nodetest.Node{Chain: nodetest.NewChain(1), ChainID: 5}).Serve(t)
	err := open(t, node.Config{Network: "mainnet", ChainID: 1}, url).Do(t.Context(), say(1))
	if node.KindOf(err) != node.WrongChain || !node.Hopeless(err) {
		t.Errorf("got %v of kind %d", err, node.KindOf(err))
	}
	for _, want := range []string{"e0 (http://127.0.0.1:", "it serves chain 5", `network "mainnet" is chain 1`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
}

func TestEndpointsMustServeOneChain(t *testing.T) {
	down := atomic.Bool{}
	first := &nodetest.Node{Chain: nodetest.NewChain(1), ChainID: 5, Before: func(string, ...any) error {
		if down.Load() {
			return &nodetest.Error{Code: -32000, Message: "down"}
		}
		return nil
	}}
	second := &nodetest.Node{Chain: nodetest.NewChain(1), ChainID: 6}
	n := open(t, node.Config{}, first.Serve(t), second.Serve(t))
	if _, err := n.Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	down.Store(true)
	if _, err := n.Latest(t.Context()); node.KindOf(err) != node.WrongChain {
		t.Errorf("got %v, want it to refuse the second endpoint", err)
	}
}

func TestFailsOverAndComesBack(t *testing.T) {
	var down atomic.Bool
	var served [2]atomic.Int32
	start := func(i int) string {
		return (&nodetest.Node{Chain: nodetest.NewChain(3), Before: func(string, ...any) error {
			if i == 0 && down.Load() {
				return &nodetest.Error{Code: -32000, Message: "down"}
			}
			served[i].Add(1)
			return nil
		}}).Serve(t)
	}
	n := open(t, node.Config{}, start(0), start(1))
	ask := func() {
		t.Helper()
		if _, err := n.Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if served[1].Load() != 0 {
		t.Error("the second endpoint was asked although the first serves")
	}
	down.Store(true)
	ask()
	if served[1].Load() == 0 {
		t.Error("the second endpoint was not asked although the first fails")
	}
	down.Store(false)
	before := served[0].Load()
	for deadline := time.Now().Add(20 * time.Second); served[0].Load() == before; {
		if time.Now().After(deadline) {
			t.Fatal("the first endpoint was not asked again")
		}
		ask()
	}
}

func TestEndpointThatDoesNotLetUsInIsPassedOver(t *testing.T) {
	closed := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	n := open(t, node.Config{Retries: -1}, closed, (&nodetest.Node{Chain: nodetest.NewChain(3)}).Serve(t))
	if _, err := n.Latest(t.Context()); err != nil {
		t.Errorf("Latest: %v", err)
	}
}
