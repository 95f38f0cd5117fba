// Package statetest adds a state to the made-up chains of tests: what an account has, or a contract answers, follows from the hash of the
// block and the address, so that every row shows which block it is of.
package statetest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// State is what a node can be asked besides its blocks. Its fields are set before it is first asked.
type State struct {
	*nodetest.Node
	NoHashes bool // blocks are named by number only
	Traces   Traces
	// Oldest is the oldest block whose state the node has.
	Oldest uint64
}

// Balance is what an account has after a block.
func Balance(block common.Hash, address common.Address) uint256.Int {
	var n uint256.Int
	n.SetBytes32(crypto.Keccak256(block[:], address[:]))
	return n
}

// Nonce is that of an account after a block.
func Nonce(block common.Hash, address common.Address) uint64 {
	n := Balance(block, address)
	return n.Uint64() >> 8
}

// Handler serves the node with its state over HTTP and WebSocket.
func (s *State) Handler(tb nodetest.TB) http.Handler {
	server := s.RPC(tb)
	register(tb, server, "eth", &api{s})
	if s.Traces.Parity {
		register(tb, server, "trace", &parityAPI{s})
	}
	if s.Traces.Geth {
		register(tb, server, "debug", &gethAPI{s})
	}
	ws := server.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			ws.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

func register(tb nodetest.TB, server *rpc.Server, name string, api any) {
	tb.Helper()
	if err := server.RegisterName(name, api); err != nil {
		tb.Fatal(err)
	}
}

type api struct{ s *State }

// at finds the block that a parameter names.
func (a *api) at(method string, which json.RawMessage) (*nodetest.Block, error) {
	if a.s.Before != nil {
		if err := a.s.Before(method, string(which)); err != nil {
			return nil, err
		}
	}
	var object struct{ BlockHash *common.Hash }
	var number hexutil.Uint64
	var b *nodetest.Block
	switch {
	case json.Unmarshal(which, &object) == nil && object.BlockHash != nil && a.s.NoHashes:
		return nil, &nodetest.Error{Code: -32602, Message: "invalid argument 1: json: cannot unmarshal object into Go value of type string"}
	case object.BlockHash != nil:
		b = a.s.Chain.By(*object.BlockHash)
	case json.Unmarshal(which, &number) != nil:
		return nil, &nodetest.Error{Code: -32602, Message: "invalid argument 1: no block"}
	case a.s.Height == nil || uint64(number) <= a.s.Height():
		b = a.s.Chain.At(uint64(number))
	}
	switch {
	case b == nil:
		return nil, &nodetest.Error{Code: -32000, Message: "header not found"}
	case b.Number < a.s.Oldest:
		return nil, &nodetest.Error{Code: -32000, Message: "missing trie node 0000 (path ) state is not available"}
	}
	return b, nil
}

// GetBalance is eth_getBalance.
func (a *api) GetBalance(address common.Address, which json.RawMessage) (string, error) {
	b, err := a.at("eth_getBalance", which)
	if err != nil {
		return "", err
	}
	n := Balance(b.Hash, address)
	return n.Hex(), nil
}

// GetTransactionCount is eth_getTransactionCount.
func (a *api) GetTransactionCount(address common.Address, which json.RawMessage) (hexutil.Uint64, error) {
	b, err := a.at("eth_getTransactionCount", which)
	if err != nil {
		return 0, err
	}
	return hexutil.Uint64(Nonce(b.Hash, address)), nil
}

// GetCode is eth_getCode: there is none.
func (a *api) GetCode(_ common.Address, which json.RawMessage) (string, error) {
	_, err := a.at("eth_getCode", which)
	return "0x", err
}

// Call is eth_call, without a third parameter: every contract tells the balance of the address in the first argument, or its own.
func (a *api) Call(request struct {
	To   common.Address `json:"to"`
	Data hexutil.Bytes  `json:"data"`
}, which json.RawMessage,
) (hexutil.Bytes, error) {
	b, err := a.at("eth_call", which)
	if err != nil {
		return nil, err
	}
	address := request.To
	if len(request.Data) >= 36 {
		address = common.BytesToAddress(request.Data[4:36])
	}
	n := Balance(b.Hash, address)
	word := n.Bytes32()
	return word[:], nil
}
