package statetest

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// Traces says in which dialects a node tells of traces. Each transaction made one call, which made another.
type Traces struct {
	Parity, Geth bool
	// Heavy are blocks that are too much at once: an error is the answer.
	Heavy func(b *nodetest.Block) error
	// Spoil changes what the node is about to answer about a block.
	Spoil func(b *nodetest.Block, answer []any) []any
}

type object = map[string]any

type (
	parityAPI struct{ *State }
	gethAPI   struct{ *State }
)

func (s *State) traced(method string, b *nodetest.Block, which any) error {
	if s.Before != nil {
		if err := s.Before(method, which); err != nil {
			return err
		}
	}
	switch {
	case b == nil:
		return &nodetest.Error{Code: -32000, Message: "header not found"}
	case b.Number < s.Oldest:
		return &nodetest.Error{Code: -32000, Message: "required historical state unavailable (reexec=0)"}
	}
	return nil
}

func (s *State) whole(b *nodetest.Block, answer []any) ([]any, error) {
	if s.Traces.Heavy != nil {
		if err := s.Traces.Heavy(b); err != nil {
			return nil, err
		}
	}
	if s.Traces.Spoil != nil {
		answer = s.Traces.Spoil(b, answer)
	}
	return answer, nil
}

// Block is trace_block.
func (a *parityAPI) Block(which hexutil.Uint64) ([]any, error) {
	b := a.Chain.At(uint64(which))
	if a.Height != nil && uint64(which) > a.Height() {
		b = nil
	}
	if err := a.traced("trace_block", b, uint64(which)); err != nil {
		return nil, err
	}
	out := []any{}
	for i := range b.Transactions {
		out = append(out, parityTraces(b, i)...)
	}
	return a.whole(b, out)
}

// Transaction is trace_transaction.
func (a *parityAPI) Transaction(hash common.Hash) ([]any, error) {
	b, i := a.owner(hash)
	if err := a.traced("trace_transaction", b, hash); err != nil {
		return nil, err
	}
	return parityTraces(b, i), nil
}

func parityTraces(b *nodetest.Block, i int) []any {
	one := func(address []int, subtraces int, to common.Address) object {
		return object{
			"type": "call", "action": object{"callType": "call", "from": nodetest.Address(i), "to": to, "value": "0x1", "gas": "0x64", "input": hexutil.Bytes(b.Hash[:4])},
			"result": object{"gasUsed": "0xa", "output": "0x"}, "subtraces": subtraces, "traceAddress": address,
			"blockHash": b.Hash, "blockNumber": b.Number, "transactionHash": b.Transactions[i], "transactionPosition": i,
		}
	}
	return []any{one([]int{}, 1, nodetest.Address(1)), one([]int{0}, 0, nodetest.Address(2))}
}

// TraceBlockByHash is debug_traceBlockByHash.
func (a *gethAPI) TraceBlockByHash(hash common.Hash, _ json.RawMessage) ([]any, error) {
	b := a.Chain.By(hash)
	if err := a.traced("debug_traceBlockByHash", b, hash); err != nil {
		return nil, err
	}
	out := []any{}
	for i := range b.Transactions {
		out = append(out, object{"txHash": b.Transactions[i], "result": gethTrace(b, i)})
	}
	return a.whole(b, out)
}

// TraceTransaction is debug_traceTransaction.
func (a *gethAPI) TraceTransaction(hash common.Hash, _ json.RawMessage) (object, error) {
	b, i := a.owner(hash)
	if err := a.traced("debug_traceTransaction", b, hash); err != nil {
		return nil, err
	}
	return gethTrace(b, i), nil
}

func gethTrace(b *nodetest.Block, i int) object {
	one := func(to common.Address) object {
		return object{"type": "CALL", "from": nodetest.Address(i), "to": to, "value": "0x1", "gas": "0x64", "gasUsed": "0xa", "input": hexutil.Bytes(b.Hash[:4])}
	}
	root := one(nodetest.Address(1))
	root["calls"] = []any{one(nodetest.Address(2))}
	return root
}

// owner finds the block of a transaction; nil if no block on the chain has it.
func (s *State) owner(hash common.Hash) (*nodetest.Block, int) {
	for _, b := range s.Chain.Range(0, s.Chain.Height()) {
		for i, other := range b.Transactions {
			if other == hash {
				return b, i
			}
		}
	}
	return nil, 0
}
