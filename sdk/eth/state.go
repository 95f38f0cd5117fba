package eth

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Balance is what an account has after a block.
type Balance struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time // of the block
	Address     common.Address
	Token       *common.Address // the ERC-20 contract that keeps the balance; nil: it is ether; cryo: erc20
	Balance     uint256.Int     // in wei, or in the least unit of the token
	Nonce       *uint64         // nil where it was not asked for
	ChainID     uint64          // of the network; from the reader
}

// TransitType names the type eth.balance.
func (Balance) TransitType() string { return "eth.balance" }

// Call is what a function of a contract that changes nothing answered after a block.
type Call struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time      // of the block
	Address     common.Address // of the contract; cryo: contract_address
	Function    string         // its signature, such as balanceOf(address); empty where only the input is known
	Selector    [4]byte        // the first bytes of Input; zero where Input is shorter
	Input       []byte         // cryo: call_data
	Output      []byte         // of a call that failed: what it reverted with; cryo: output_data
	Values      string         // the output decoded, a list in JSON with numbers as decimal text; empty where it could not be
	Success     bool
	Error       string // why it failed or could not be decoded
	ChainID     uint64 // of the network; from the reader
}

// TransitType names the type eth.call.
func (Call) TransitType() string { return "eth.call" }

// Epoch is a stretch of blocks.
type Epoch struct {
	BlockNumber uint64      // of the last block
	BlockHash   common.Hash // of the last block
	Timestamp   time.Time   // of the last block

	EpochNumber uint64
	BeginBlock  uint64 // the first block
	EndBlock    uint64 // the last block, which is still part of it
	BeginHash   common.Hash
	EndHash     common.Hash
	BeginTime   time.Time
	EndTime     time.Time
	BlockCount  uint64
	ChainID     uint64 // of the network; from the reader
}

// TransitType names the type eth.epoch.
func (Epoch) TransitType() string { return "eth.epoch" }
