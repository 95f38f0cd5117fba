package nodetest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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

// RPC is the node without a transport.
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

type api struct{ n *Node }

type object = map[string]any

func quantity(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

func (a *api) before(method string, params ...any) error {
	if a.n.Before == nil {
		return nil
	}
	return a.n.Before(method, params...)
}

func (a *api) height() uint64 {
	if a.n.Height != nil {
		return min(a.n.Height(), a.n.Chain.Height())
	}
	return a.n.Chain.Height()
}

// at is the block at a height or tag, nil if the node does not have it.
func (a *api) at(which string) (*Block, error) {
	switch which {
	case "latest":
		return a.n.Chain.At(a.height()), nil
	case "finalized", "safe":
		if a.n.NoFinal {
			return nil, &Error{-39001, "finalized block not found"}
		}
		return a.n.Chain.At(a.n.Chain.Final()), nil
	}
	number, err := strconv.ParseUint(which, 0, 64)
	if err != nil || number > a.height() {
		return nil, err
	}
	return a.n.Chain.At(number), nil
}

// ChainId is eth_chainId.
func (a *api) ChainId() (string, error) {
	return quantity(max(1, a.n.ChainID)), a.before("eth_chainId")
}

// GetBlockByNumber is eth_getBlockByNumber.
func (a *api) GetBlockByNumber(which string, full bool) (object, error) {
	if err := a.before("eth_getBlockByNumber", which); err != nil {
		return nil, err
	}
	b, err := a.at(which)
	if b == nil || err != nil {
		return nil, err
	}
	return a.block(b, full), nil
}

// GetBlockByHash is eth_getBlockByHash.
func (a *api) GetBlockByHash(hash common.Hash, full bool) (object, error) {
	if err := a.before("eth_getBlockByHash", hash); err != nil {
		return nil, err
	}
	if b := a.n.Chain.By(hash); b != nil {
		return a.block(b, full), nil
	}
	return nil, nil
}

func (a *api) block(b *Block, full bool) object {
	o := a.header(b)
	var transactions []any
	for i, hash := range b.Transactions {
		if !full {
			transactions = append(transactions, hash)
			continue
		}
		transactions = append(transactions, object{
			"hash": hash, "blockHash": b.Hash, "blockNumber": quantity(b.Number), "transactionIndex": quantity(uint64(i)),
			"type": "0x2", "from": Address(0), "to": Address(1), "nonce": "0x0", "value": "0x1", "input": "0x", "gas": "0x5208", "gasPrice": "0x1",
		})
	}
	o["transactions"] = slices.Concat([]any{}, transactions)
	return o
}

func (a *api) header(b *Block) object {
	bloom := strings.Repeat("00", 256)
	if !b.Quiet {
		bloom = "01" + bloom[2:]
	}
	return object{
		"number": quantity(b.Number), "hash": b.Hash, "parentHash": b.Parent, "timestamp": quantity(uint64(b.Time.Unix())),
		"logsBloom": "0x" + bloom, "gasLimit": "0x1c9c380", "gasUsed": "0x0", "miner": Address(9), "size": "0x200",
	}
}

// GetBlockReceipts is eth_getBlockReceipts.
func (a *api) GetBlockReceipts(which string) ([]object, error) {
	if err := a.before("eth_getBlockReceipts", which); err != nil {
		return nil, err
	}
	if a.n.NoReceipts {
		return nil, &Error{-32601, "the method eth_getBlockReceipts does not exist/is not available"}
	}
	b, err := a.at(which)
	if b == nil || err != nil {
		return nil, err
	}
	out := []object{}
	for i := range b.Transactions {
		out = append(out, a.receipt(b, i))
	}
	return out, nil
}

// GetTransactionReceipt is eth_getTransactionReceipt.
func (a *api) GetTransactionReceipt(hash common.Hash) (object, error) {
	if err := a.before("eth_getTransactionReceipt", hash); err != nil {
		return nil, err
	}
	for _, b := range a.n.Chain.Range(0, a.height()) {
		if i := slices.Index(b.Transactions, hash); i >= 0 {
			return a.receipt(b, i), nil
		}
	}
	return nil, nil
}

func (a *api) receipt(b *Block, i int) object {
	logs := []object{}
	for _, l := range b.Logs {
		if l.Transaction == i {
			logs = append(logs, a.log(b, l))
		}
	}
	return object{
		"blockHash": b.Hash, "blockNumber": quantity(b.Number), "transactionHash": b.Transactions[i], "transactionIndex": quantity(uint64(i)),
		"type": "0x2", "from": Address(0), "to": Address(1), "status": "0x1", "gasUsed": "0x5208", "cumulativeGasUsed": "0x5208",
		"effectiveGasPrice": "0x7", "logs": logs,
	}
}

func (a *api) log(b *Block, l Log) object {
	o := object{
		"blockHash": b.Hash, "blockNumber": quantity(b.Number), "transactionHash": b.Transactions[l.Transaction],
		"transactionIndex": quantity(uint64(l.Transaction)), "logIndex": quantity(l.Index), "address": l.Address, "topics": l.Topics,
		"data": "0x0102", "removed": false,
	}
	if !a.n.NoTimes {
		o["blockTimestamp"] = quantity(uint64(b.Time.Unix()))
	}
	return o
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
				b := a.n.Chain.At(a.height())
				if b == nil {
					continue // it has just become shorter, and will move again
				}
				if err := notifier.Notify(sub.ID, a.header(b)); err != nil {
					return
				}
			case <-sub.Err(): //nolint:errcheck // the subscriber has gone
				return
			}
		}
	}()
	return sub, nil
}

// Query is the parameter of eth_getLogs.
type Query struct {
	FromBlock string           `json:"fromBlock"`
	ToBlock   string           `json:"toBlock"`
	BlockHash *common.Hash     `json:"blockHash"`
	Address   []common.Address `json:"address"`
	Topics    [][]common.Hash  `json:"topics"`
}

// Blocks is the range that is asked for.
func (q Query) Blocks() (from, to uint64) {
	from, _ = strconv.ParseUint(q.FromBlock, 0, 64) // 0 if there is none
	to, _ = strconv.ParseUint(q.ToBlock, 0, 64)     // 0 if there is none
	return from, to
}

// GetLogs is eth_getLogs.
func (a *api) GetLogs(raw json.RawMessage) ([]object, error) {
	var q Query
	if err := json.Unmarshal(raw, &q); err != nil {
		return nil, &Error{-32602, err.Error()}
	}
	height := a.height()
	if err := a.before("eth_getLogs", q); err != nil {
		return nil, err
	}
	out, err := a.logs(q, height)
	if err != nil && a.n.Denied != nil {
		a.n.Denied()
	}
	return out, err
}

func (a *api) logs(q Query, height uint64) ([]object, error) {
	out := []object{}
	if a.n.Hide != nil && a.n.Hide() {
		return out, nil
	}
	blocks, err := a.chosen(q, height)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		for _, l := range b.Logs {
			if q.Takes(l) {
				out = append(out, a.log(b, l))
			}
		}
	}
	if a.n.MostLogs > 0 && uint64(len(out)) > a.n.MostLogs {
		return nil, &Error{-32005, "query returned more than " + strconv.FormatUint(a.n.MostLogs, 10) + " results"}
	}
	return out, nil
}

// chosen is the blocks that a query is about.
func (a *api) chosen(q Query, height uint64) ([]*Block, error) {
	if a.n.MostAddresses > 0 && len(q.Address) > a.n.MostAddresses {
		return nil, &Error{-32602, "exceed max addresses or topics per search position"}
	}
	if q.BlockHash != nil {
		if b := a.n.Chain.By(*q.BlockHash); b != nil {
			return []*Block{b}, nil
		}
		return nil, &Error{-32000, "unknown block"}
	}
	from, to := q.Blocks()
	if a.n.Partial {
		to = min(to, height)
	}
	if to > a.height() {
		return nil, &Error{-32602, "block range extends beyond current head block"}
	}
	if a.n.MostBlocks > 0 && to-from+1 > a.n.MostBlocks {
		return nil, &Error{-32602, "exceed maximum block range " + strconv.FormatUint(a.n.MostBlocks, 10)}
	}
	return a.n.Chain.Range(from, to), nil
}

// Takes reports whether a log is one of those asked for.
func (q Query) Takes(l Log) bool {
	if len(q.Address) > 0 && !slices.Contains(q.Address, l.Address) {
		return false
	}
	for i, any := range q.Topics {
		if len(any) > 0 && (i >= len(l.Topics) || !slices.Contains(any, l.Topics[i])) {
			return false
		}
	}
	return true
}
