package eth

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Header is a block without what is in it.
type Header struct {
	BlockNumber uint64      // ethereum-etl: number
	BlockHash   common.Hash // ethereum-etl: hash
	ParentHash  common.Hash
	Timestamp   time.Time
	Miner       common.Address // who gets the fees; cryo: author

	GasLimit         uint64
	GasUsed          uint64
	BaseFeePerGas    *uint256.Int // since London
	Size             uint64       // of the encoded block in bytes
	TransactionCount uint64

	StateRoot        common.Hash
	TransactionsRoot common.Hash
	ReceiptsRoot     common.Hash
	Sha3Uncles       common.Hash // cryo: uncles_hash
	LogsBloom        []byte      // 256 bytes
	ExtraData        []byte

	Difficulty      uint256.Int  // 0 since the Merge
	TotalDifficulty *uint256.Int // of the chain up to this block; nil where the node no longer tells it
	MixHash         common.Hash  // prev_randao since the Merge
	Nonce           [8]byte

	WithdrawalsRoot     *common.Hash // since Shanghai
	BlobGasUsed         *uint64      // since Cancun
	ExcessBlobGas       *uint64      // since Cancun
	ParentBeaconRoot    *common.Hash // since Cancun; nodes: parentBeaconBlockRoot
	RequestsHash        *common.Hash // since Prague
	BlockAccessListHash *common.Hash // since Amsterdam (EIP-7928)
	SlotNumber          *uint64      // since Amsterdam (EIP-7843)

	ChainID uint64 // of the network; from the reader
}

// TransitType names the type eth.header.
func (Header) TransitType() string { return "eth.header" }

// Block is a header and what is in the block. Its columns are those of Header and three lists.
type Block struct {
	Header
	Uncles       []common.Hash
	Withdrawals  []Withdrawal
	Transactions []Transaction // in the order of the block
}

// TransitType names the type eth.block.
func (Block) TransitType() string { return "eth.block" }

// Withdrawal is a payment from the beacon chain.
type Withdrawal struct {
	Index          uint64
	ValidatorIndex uint64
	Address        common.Address
	Amount         uint64 // in gwei
}
