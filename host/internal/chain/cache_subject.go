package chain

import (
	"bytes"
	"math"
	"strconv"
)

// subject is what part of a chain an answer is about, as far as its call says so.
type subject struct {
	kind   subjectKind
	height uint64 // the highest block that it is about, where it is aboutHeight
}

type subjectKind uint8

const (
	changing    subjectKind = iota // it may be another one at any time
	aboutHash                      // a block of this hash: it is what it is, as long as the block is there
	aboutHeight                    // a height: it is settled once the height is final
	aboutAnswer                    // something whose block the answer tells
)

// Where a call that names no height says what it is about.
type where uint8

const (
	nowhere       where = iota
	inHash              // its first parameter is the hash of a block
	inFilter            // its first parameter is a filter of blocks
	inTransaction       // its first parameter is the hash of a transaction
)

// named are the methods of which that is known. Those that name a block by its
// height or, as some can, by its hash stand in places.
var named = map[string]where{
	"eth_getBlockByHash": inHash, "eth_getHeaderByHash": inHash, "eth_getBlockTransactionCountByHash": inHash,
	"eth_getTransactionByBlockHashAndIndex": inHash, "eth_getUncleCountByBlockHash": inHash, "eth_getUncleByBlockHashAndIndex": inHash,
	"debug_traceBlockByHash": inHash,
	"eth_getLogs":            inFilter, "trace_filter": inFilter,
	"eth_getTransactionByHash": inTransaction, "eth_getTransactionReceipt": inTransaction, "trace_transaction": inTransaction,
}

// subjectOf tells what a call is about. Tags such as "latest" are about nothing
// settled, whatever they stand for today.
func subjectOf(method string, params []byte) subject {
	place, listed := places[method]
	if !listed && named[method] == nowhere {
		return subject{}
	}
	argument := element(params, place.at)
	switch named[method] {
	case inHash:
		return hashed(argument)
	case inFilter:
		return filtered(argument)
	case inTransaction:
		if isHash(argument) {
			return subject{kind: aboutAnswer}
		}
		return subject{}
	case nowhere:
	}
	if bytes.HasPrefix(argument, []byte("{")) {
		if bytes.Contains(argument, []byte(`"requireCanonical"`)) {
			return subject{} // the answer is an error as soon as the block has left the chain
		}
		if hash := member(argument, "blockHash"); hash != nil {
			return hashed(hash)
		}
		argument = member(argument, "blockNumber")
	}
	if isHash(argument) {
		return hashed(argument)
	}
	return atHeight(argument)
}

func hashed(argument []byte) subject {
	if isHash(argument) {
		return subject{kind: aboutHash}
	}
	return subject{}
}

func atHeight(argument []byte) subject {
	if height, known := quantityIn(argument); known {
		return subject{kind: aboutHeight, height: height}
	}
	return subject{}
}

// filtered is what a filter of logs or traces is about. One whose ends are not
// both numbers follows the head.
func filtered(filter []byte) subject {
	if hash := member(filter, "blockHash"); hash != nil {
		return hashed(hash)
	}
	if _, known := quantityIn(member(filter, "fromBlock")); !known {
		return subject{}
	}
	return atHeight(member(filter, "toBlock"))
}

// isHash tells the JSON text of 32 bytes in hex.
func isHash(text []byte) bool { return len(text) == 68 && bytes.HasPrefix(text, []byte(`"0x`)) }

// unknownHeight is the height of what a fork may concern at any depth.
const unknownHeight = math.MaxUint64

// heightTold is the height of the block that an answer is about, as the answer
// itself tells: the first number of a block in it. What a contract answers tells
// none.
func heightTold(method string, answer []byte) uint64 {
	name := `"blockNumber":`
	switch method {
	case "eth_getBlockByHash", "eth_getHeaderByHash", "eth_getUncleByBlockHashAndIndex":
		name = `"number":`
	}
	at := bytes.Index(answer, []byte(name))
	if at < 0 {
		return unknownHeight
	}
	s := scanner{text: answer, at: at + len(name)}
	value, err := s.value()
	if err != nil {
		return unknownHeight
	}
	height, err := strconv.ParseUint(string(bytes.Trim(value, `"`)), 0, 64) // traces have it in decimals
	if err != nil {
		return unknownHeight
	}
	return height
}
