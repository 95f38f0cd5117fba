package proxy

import (
	"context"
	"encoding/json"
)

// replica is a node that lags: it answers as if its head were the chain's.
type replica struct{ head uint64 }

// Where methods have the block that they are about.
var (
	// Those answer null to a block that they do not have.
	nullable = map[string]int{
		"eth_getBlockByNumber": 0, "eth_getBlockReceipts": 0, "eth_getBlockTransactionCountByNumber": 0,
		"eth_getTransactionByBlockNumberAndIndex": 0, "eth_getUncleCountByBlockNumber": 0,
	}
	// And those with an error.
	failing = map[string]int{
		"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1, "eth_estimateGas": 1, "eth_createAccessList": 1,
		"eth_getStorageAt": 2, "eth_getProof": 2, "eth_feeHistory": 1,
	}
)

// before turns a call into one about blocks that the replica has, or answers it.
func (r replica) before(c *call) *reply {
	if at, ok := nullable[c.Method]; ok && r.beyond(c, at) {
		null := c.result("null")
		return &null
	}
	if at, ok := failing[c.Method]; ok && r.beyond(c, at) {
		failed := c.fail(rpcError{-32000, "header not found"})
		return &failed
	}
	if c.Method == "eth_getLogs" && len(c.Params) > 0 && r.logsBeyond(c) {
		failed := c.fail(rpcError{-32602, "block range extends beyond current head block"})
		return &failed
	}
	return nil
}

// beyond tells whether a parameter is a block that the replica does not have.
// The newest block becomes the one that it has.
func (r replica) beyond(c *call, at int) bool {
	if at >= len(c.Params) {
		return false
	}
	var text string
	if json.Unmarshal(c.Params[at], &text) != nil {
		return false
	}
	if text == "latest" || text == "pending" {
		c.Params = append([]json.RawMessage(nil), c.Params...) // they may be shared
		c.Params[at] = json.RawMessage(quoted(r.head))
	}
	n, ok := quantity(text)
	return ok && n > r.head
}

// logsBeyond is beyond for the range of an eth_getLogs.
func (r replica) logsBeyond(c *call) bool {
	var query map[string]json.RawMessage
	if json.Unmarshal(c.Params[0], &query) != nil || query["blockHash"] != nil {
		return false
	}
	for _, end := range []string{"fromBlock", "toBlock"} {
		var text string
		if raw := query[end]; raw != nil && json.Unmarshal(raw, &text) != nil {
			return false
		}
		if text == "" || text == "latest" || text == "pending" {
			query[end] = json.RawMessage(quoted(r.head))
		}
		if n, ok := quantity(text); ok && n > r.head {
			return true
		}
	}
	if raw, err := json.Marshal(query); err == nil {
		c.Params = append([]json.RawMessage{raw}, c.Params[1:]...)
	}
	return false
}

// after takes back what an answer says of blocks that the replica does not have.
func (r replica) after(ctx context.Context, p *Proxy, c *call, answer *reply) {
	switch c.Method {
	case "eth_blockNumber":
		*answer = c.result(quoted(r.head))
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		if r.has(answer.Result, "number") {
			return
		}
		*answer = c.result("null")
	case "eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getBlockReceipts":
		if r.has(answer.Result, "blockNumber") {
			return
		}
		*answer = c.result("null")
	case "eth_getLogs":
		if !r.hasBlockOf(ctx, p, c) {
			*answer = c.fail(rpcError{-32000, "unknown block"})
		}
	}
}

// has tells whether an answer, or the first of several, is about a block that
// the replica has. One that does not say so is.
func (r replica) has(result json.RawMessage, field string) bool {
	var one map[string]json.RawMessage
	var many []map[string]json.RawMessage
	if json.Unmarshal(result, &many) == nil && len(many) > 0 {
		one = many[0]
	} else if json.Unmarshal(result, &one) != nil {
		return true
	}
	var text string
	if json.Unmarshal(one[field], &text) != nil {
		return true
	}
	n, ok := quantity(text)
	return !ok || n <= r.head
}

// hasBlockOf tells whether the replica has the block whose hash an eth_getLogs
// names. That it has no logs would not tell.
func (r replica) hasBlockOf(ctx context.Context, p *Proxy, c *call) bool {
	var query struct{ BlockHash json.RawMessage }
	if len(c.Params) == 0 || json.Unmarshal(c.Params[0], &query) != nil || query.BlockHash == nil {
		return true
	}
	block, err := p.result(ctx, "eth_getBlockByHash", query.BlockHash, json.RawMessage("false"))
	return err == nil && string(block) != "null" && r.has(block, "number")
}
