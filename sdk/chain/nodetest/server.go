package nodetest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// Node serves a Chain over JSON-RPC. Its fields are set before it is first asked.
type Node struct {
	Chain   *Chain
	ChainID uint64
	// Before is asked before every call; an error is the answer.
	Before func(method string, params ...any) error
	// After may put something else in the place of an answer; the bytes are its own.
	After func(method string, answer []byte) []byte
	// Height is the newest block the node admits to having; nil: the chain's.
	Height func() uint64
	// MostBlocks and MostLogs bound eth_getLogs; 0: nothing does.
	MostBlocks, MostLogs uint64
	// MostAddresses bounds the addresses of a filter.
	MostAddresses int
	// BatchItems bounds a batch.
	BatchItems int
	// NoReceipts leaves out eth_getBlockReceipts, NoTimes the time of logs, NoFinal the tag "finalized".
	NoReceipts, NoTimes, NoFinal bool
	// Partial answers for as much of a range as the node has.
	Partial bool
	// Hide makes eth_getLogs answer with none.
	Hide func() bool
	// Denied is told of every eth_getLogs that was refused.
	Denied func()
	// NoHeads refuses subscriptions.
	NoHeads bool
}

// Error is an answer with a code.
type Error struct {
	Code    int
	Message string
}

func (e *Error) Error() string { return e.Message }

// ErrorCode is the code of the answer.
func (e *Error) ErrorCode() int { return e.Code }

// TB is the part of testing.TB that is used here.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
}

// RPC is the node without a transport, as go-ethereum serves it.
func (n *Node) RPC(tb TB) *rpc.Server {
	tb.Helper()
	server := rpc.NewServer()
	tb.Cleanup(server.Stop)
	if n.BatchItems > 0 {
		server.SetBatchLimits(n.BatchItems, 25<<20)
	}
	if err := server.RegisterName("eth", &api{n}); err != nil {
		tb.Fatal(err)
	}
	return server
}

// Handler serves HTTP and, on the same path, WebSocket.
func (n *Node) Handler(tb TB) http.Handler {
	tb.Helper()
	server := n.RPC(tb)
	ws := server.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			ws.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

// Serve serves the node on loopback and returns its URL.
func (n *Node) Serve(tb TB) string {
	tb.Helper()
	s := httptest.NewServer(n.Handler(tb))
	tb.Cleanup(s.Close)
	return s.URL
}

// WebSocket is the URL of the same node for WebSocket.
func WebSocket(url string) string { return "ws" + strings.TrimPrefix(url, "http") }

// api is the methods of a node as go-ethereum's server finds them.
type api struct{ n *Node }

// ChainId is eth_chainId.
func (a *api) ChainId() (json.RawMessage, error) { return a.n.chainID() }

// BlockNumber is eth_blockNumber.
func (a *api) BlockNumber() (json.RawMessage, error) { return a.n.blockNumber() }

// GetBlockByNumber is eth_getBlockByNumber.
func (a *api) GetBlockByNumber(which string, full bool) (json.RawMessage, error) {
	return a.n.blockByNumber(which, full)
}

// GetBlockByHash is eth_getBlockByHash.
func (a *api) GetBlockByHash(hash common.Hash, full bool) (json.RawMessage, error) {
	return a.n.blockByHash(hash, full)
}

// GetBlockReceipts is eth_getBlockReceipts.
func (a *api) GetBlockReceipts(which string) (json.RawMessage, error) {
	return a.n.blockReceipts(which)
}

// GetTransactionReceipt is eth_getTransactionReceipt.
func (a *api) GetTransactionReceipt(hash common.Hash) (json.RawMessage, error) {
	return a.n.transactionReceipt(hash)
}

// GetLogs is eth_getLogs.
func (a *api) GetLogs(raw json.RawMessage) (json.RawMessage, error) { return a.n.getLogs(raw) }

// FeeHistory is eth_feeHistory.
func (a *api) FeeHistory(count json.RawMessage, newest string, percentiles []float64) (json.RawMessage, error) {
	return a.n.feeHistory(count, newest, percentiles)
}

// GetBalance is eth_getBalance.
func (a *api) GetBalance(of common.Address, which string) (json.RawMessage, error) {
	return a.n.balance(of, which)
}

// Call is eth_call.
func (a *api) Call(what json.RawMessage, which string) (json.RawMessage, error) {
	return a.n.call(what, which)
}

// NewHeads is eth_subscribe("newHeads").
func (a *api) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok || a.n.NoHeads {
		return nil, rpc.ErrNotificationsUnsupported
	}
	sub := notifier.CreateSubscription()
	moved := a.n.Chain.Moved()
	go func() { // ends with the subscription
		for {
			select {
			case <-moved:
				moved = a.n.Chain.Moved()
				b := a.n.Chain.At(a.n.height())
				if b == nil {
					continue // it has just become shorter, and will move again
				}
				if err := notifier.Notify(sub.ID, json.RawMessage(b.appendBlock(nil, false, true))); err != nil {
					return
				}
			case <-sub.Err(): //nolint:errcheck // the subscriber has gone
				return
			}
		}
	}()
	return sub, nil
}
