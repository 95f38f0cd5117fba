package eth

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Trace is one call, creation or other step in a block, whichever dialect the node speaks: trace_block of Erigon, Nethermind, Reth and
// once Parity, or the call tracer of go-ethereum. Names in brackets are those of cryo and ethereum-etl where they differ.
//
// The dialects agree on order: a call comes before the calls that it makes. They do not agree on everything: go-ethereum lists calls of
// precompiled contracts and has no rewards, and the text of an error is the node's own.
type Trace struct {
	BlockNumber      uint64
	BlockHash        common.Hash
	Timestamp        time.Time    // of the block
	TransactionIndex *uint64      // nil where no transaction did it, as for rewards; cryo: transaction_position
	TransactionHash  *common.Hash // nil likewise

	// TraceAddress is the way from the transaction's own call, which has none, to this one: [0 2] is the third call that the first call made.
	TraceAddress []uint64
	Subtraces    uint64 // how many calls it made itself
	TraceType    string // call, create, suicide, reward, genesis or daofork; cryo: action_type
	CallType     string // of a call: call, callcode, delegatecall or staticcall; cryo: action_call_type
	RewardType   string // of a reward: block, uncle, emptyStep or external; cryo: action_reward_type

	From    *common.Address `transit:"from_address"` // the caller, creator, or the contract that destructs itself; cryo: action_from
	To      *common.Address `transit:"to_address"`   // the callee, the contract created, or who gets the money; cryo: action_to, result_address
	Author  *common.Address // who gets a reward; To likewise
	Value   uint256.Int     // cryo: action_value
	Gas     *uint64         // given; nil where there is none to give; cryo: action_gas
	GasUsed *uint64         // nil where the node does not tell, as after an error; cryo: result_gas_used
	Input   []byte          // of a call; cryo: action_input
	Output  []byte          // of a call; cryo: result_output
	Init    []byte          // code that runs at a creation; cryo: action_init, ethereum-etl: input
	Code    []byte          // of the contract created; cryo: result_code, ethereum-etl: output

	Error string // empty: none of its own
	// Status is 0 if it or a call above it failed, so that nothing is left of what it did; 1 otherwise.
	Status uint64
	// TraceID tells traces apart within a chain, as ethereum-etl does: call_<transaction>_0_2, or reward_<block>_0.
	TraceID string

	ChainID uint64 // of the network; from the reader
}

// TransitType names the type eth.trace.
func (Trace) TransitType() string { return "eth.trace" }
