package chain

import (
	"bytes"
	"strconv"

	"github.com/penstock-io/penstock/sdk/chain"
)

// need is what a call asks of an endpoint: to have a block, and the state of one.
type need struct {
	block  uint64 // the newest block that the call is about
	oldest uint64
	known  bool // block is a height and no tag or hash
	byHash bool // the call is about a hash
	state  bool // it is about what was stored when the block was the newest
}

// places says which parameter of a method is a block's height.
var places = map[string]struct {
	at    int
	state bool
}{
	"eth_getBlockByNumber": {at: 0}, "eth_getBlockReceipts": {at: 0}, "eth_getHeaderByNumber": {at: 0},
	"eth_getBlockTransactionCountByNumber": {at: 0}, "eth_getUncleCountByBlockNumber": {at: 0}, "eth_getUncleByBlockNumberAndIndex": {at: 0},
	"eth_getTransactionByBlockNumberAndIndex": {at: 0}, "eth_getRawTransactionByBlockNumberAndIndex": {at: 0}, "eth_feeHistory": {at: 1},
	"eth_call": {at: 1, state: true}, "eth_estimateGas": {at: 1, state: true}, "eth_createAccessList": {at: 1, state: true},
	"eth_getBalance": {at: 1, state: true}, "eth_getCode": {at: 1, state: true}, "eth_getTransactionCount": {at: 1, state: true},
	"eth_getStorageAt": {at: 2, state: true}, "eth_getProof": {at: 2, state: true}, "eth_simulateV1": {at: 1, state: true},
	"trace_block": {at: 0, state: true}, "trace_replayBlockTransactions": {at: 0, state: true}, "trace_call": {at: 2, state: true},
	"debug_traceBlockByNumber": {at: 0, state: true}, "debug_traceCall": {at: 1, state: true},
	"debug_storageRangeAt": {at: 0, state: true},
}

// nullByHash are methods that answer null where they do not know a hash.
var nullByHash = map[string]bool{
	"eth_getBlockByHash": true, "eth_getTransactionReceipt": true, "eth_getTransactionByHash": true, "eth_getHeaderByHash": true,
	"eth_getBlockTransactionCountByHash": true,
}

// stateOfHash are methods about the state of a block that is named by a hash.
var stateOfHash = map[string]bool{
	"trace_transaction": true, "trace_replayTransaction": true, "debug_traceTransaction": true, "debug_traceBlockByHash": true,
}

func needOf(q *chain.Query) need {
	if q.Method == "eth_getLogs" || q.Method == "trace_filter" {
		filter := element(q.Params, 0)
		to, known := quantityIn(member(filter, "toBlock"))
		from, _ := quantityIn(member(filter, "fromBlock"))
		return need{block: to, oldest: min(from, to), known: known}
	}
	place, listed := places[q.Method]
	if !listed {
		return need{byHash: nullByHash[q.Method], state: stateOfHash[q.Method]}
	}
	where := element(q.Params, place.at)
	if len(where) > 0 && where[0] == '{' {
		where = member(where, "blockNumber")
	}
	height, known := quantityIn(where)
	n := need{block: height, oldest: height, known: known, state: place.state}
	n.byHash = !known && len(where) == len(`"0x"`)+64
	return n
}

// spanOf is how many blocks a call asks about, where it may ask about fewer.
func spanOf(q *chain.Query) (spans bool, blocks uint64) {
	if q.Method != "eth_getLogs" && q.Method != "trace_filter" {
		return false, 0
	}
	n := needOf(q)
	if !n.known || n.oldest == 0 {
		return true, 1 << 62 // by tags, or from the first block: it may be any number
	}
	return true, n.block - min(n.block, n.oldest) + 1
}

// quantityIn reads a quantity in JSON.
func quantityIn(raw []byte) (uint64, bool) {
	digits, ok := bytes.CutPrefix(bytes.Trim(raw, `"`), []byte("0x"))
	if !ok || len(digits) > 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 16, 64)
	return n, err == nil
}

// isNull tells answers that say: there is none.
func isNull(result []byte) bool { return string(result) == "null" }

// shown is the height that an answer proves its endpoint to have; newest if it is
// also the highest that it has.
func shown(q *chain.Query, n need, result []byte) (height uint64, newest, known bool) {
	switch q.Method {
	case "eth_blockNumber":
		height, known = quantityIn(result)
		return height, true, known
	case "eth_getBlockByNumber", "eth_getHeaderByNumber":
	default:
		return 0, false, false
	}
	if n.known {
		return n.block, false, !isNull(result)
	}
	if string(element(q.Params, 0)) != `"latest"` {
		return 0, false, false
	}
	height, known = numberIn(result)
	return height, true, known
}

// numberIn is the number of a block or header in JSON.
func numberIn(block []byte) (uint64, bool) {
	key := []byte(`"number":`)
	at := bytes.Index(block, key)
	if at < 0 {
		return 0, false
	}
	s := scanner{text: block, at: at + len(key)}
	value, err := s.value()
	if err != nil {
		return 0, false
	}
	return quantityIn(value)
}
