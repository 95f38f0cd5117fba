package decode

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// deepestCall is how far calls may call each other: what the virtual machine allows, and the transaction's own.
const deepestCall = 1025

// pathRoom is how many bytes of trace addresses there may be per byte of an answer. The address of a call is as long as it is deep: no call
// of a real transaction comes near.
const pathRoom = 64

// CallTraces decodes what debug_traceBlockByNumber and debug_traceBlockByHash answer with go-ethereum's callTracer. There must be one tree
// of calls for each transaction of the block, in their order. The calls come out in the order and with the addresses that Traces has.
func (d *Decoder) CallTraces(raw []byte, block *eth.Header, transactions []common.Hash) ([]eth.Trace, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	d.traces = d.traces[:0]
	d.room = pathRoom * len(raw) / 8
	count := 0
	for d.begin('['); d.element(); count++ {
		if count >= len(transactions) {
			d.skip() // only how many there are matters now
			continue
		}
		d.part, d.index = "transaction", count
		d.tree(block, count, transactions[count])
	}
	if d.end(); d.err == nil && count != len(transactions) {
		d.stop(fmt.Errorf("block %d (%s) has %d transactions but %d traces: %w",
			block.BlockNumber, block.BlockHash, len(transactions), count, ErrElsewhere))
	}
	if d.err == nil {
		finishTraces(d.traces)
	}
	out := rows(d.traces)
	return out, d.finish()
}

// errTracer is for what go-ethereum's other tracers answer.
var errTracer = errors.New(`the node did not trace calls, field type is missing: ask it for {"tracer": "callTracer"}`)

// tree reads the calls of a transaction.
func (d *Decoder) tree(block *eth.Header, index int, transaction common.Hash) {
	var (
		hash   = transaction
		failed []byte
		traced bool
		first  = len(d.traces)
	)
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "txHash":
			d.hash(&hash)
		case "error":
			failed = d.text()
		case "result":
			traced = true
			d.traces, d.path = d.traces[:first], d.path[:0]
			d.call()
		default:
			d.skip()
		}
	}
	switch {
	case hash != transaction:
		d.stop(fmt.Errorf("trace %d of block %d: %w, it is for transaction %s and not %s", index, block.BlockNumber, ErrElsewhere, hash, transaction))
	case len(failed) > 0:
		d.stop(fmt.Errorf("the node could not trace transaction %d (%s) of block %d: %s", index, transaction, block.BlockNumber, failed))
	}
	d.require("result", traced)
	number, id := &cut(&d.nums, 1, 64)[0], &cut(&d.hashes, 1, 64)[0]
	*number, *id = uint64(index), transaction
	for i := first; i < len(d.traces); i++ {
		t := &d.traces[i]
		t.BlockNumber, t.BlockHash, t.Timestamp, t.ChainID = block.BlockNumber, block.BlockHash, block.Timestamp, d.ChainID
		t.TransactionIndex, t.TransactionHash = number, id
	}
}

// call reads a call whose address is d.path, and then those that it makes.
func (d *Decoder) call() {
	at := len(d.traces)
	if d.room -= len(d.path); d.room < 0 || len(d.path) > deepestCall {
		d.stop(fmt.Errorf("transaction %d: calls are nested too deeply", d.index))
	}
	t := eth.Trace{TraceAddress: d.keptPath()}
	d.traces = append(d.traces, eth.Trace{})
	kind := ""
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "type":
			kind = d.kind()
		case "from":
			t.From = d.optAddress()
		case "to":
			t.To = d.optAddress()
		case "value":
			d.word(&t.Value)
		case "gas":
			if d.peek()-'0' < 10 {
				d.stop(errTracer)
			}
			t.Gas = d.optQuantity()
		case "gasUsed":
			t.GasUsed = d.optQuantity()
		case "input":
			t.Input = d.data()
		case "output":
			t.Output = d.data()
		case "error":
			t.Error = string(d.text())
		case "calls":
			d.traces = d.traces[:at+1]
			t.Subtraces = d.calls()
		default:
			d.skip()
		}
	}
	if kind == "" {
		d.stop(errTracer)
		return
	}
	if t.From == nil {
		d.missing("from")
	}
	speakParity(&t, kind)
	d.traces[at] = t
}

// calls reads the calls that a call makes, and counts them.
func (d *Decoder) calls() (count uint64) {
	for d.begin('['); d.element(); count++ {
		d.path = append(d.path, count)
		d.call()
		d.path = d.path[:len(d.path)-1]
	}
	return count
}

// speakParity says in the words of the other dialect what a trace is.
func speakParity(t *eth.Trace, kind string) {
	switch kind {
	case "call", "callcode", "delegatecall", "staticcall":
		t.TraceType, t.CallType = "call", kind
	case "create", "create2":
		t.TraceType = "create"
		t.Init, t.Input = t.Input, nil
		if t.Error == "" {
			t.Code, t.Output = t.Output, nil
		}
	case "selfdestruct":
		t.TraceType = "suicide"
		t.Gas, t.GasUsed = nil, nil
	default:
		t.TraceType = kind
	}
}
