package eth

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Gas is what gas cost in a block and what it will cost in the next.
type Gas struct {
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time // of the block

	BaseFeePerGas     *uint256.Int // since London
	NextBaseFeePerGas *uint256.Int // of the block after this one
	GasLimit          uint64
	GasUsed           uint64
	GasUsedRatio      float64 // of the limit

	BlobBaseFee      *uint256.Int // since Cancun
	NextBlobBaseFee  *uint256.Int // of the block after this one
	BlobGasUsed      *uint64      // since Cancun
	BlobGasUsedRatio *float64     // of the limit, since Cancun

	// PriorityFees are what was paid on top of the base fee at each of Percentiles of the block's gas; empty where they were not asked for.
	Percentiles  []float64
	PriorityFees []uint256.Int

	// These are what the node suggests at the time of asking, so that they are known at the head of the chain only.
	GasPrice             *uint256.Int
	MaxPriorityFeePerGas *uint256.Int

	ChainID uint64 // of the network; from the reader
}

// TransitType names the type eth.gas.
func (Gas) TransitType() string { return "eth.gas" }

// PendingTransaction is a transaction that waits to be put into a block. Whether it ever is remains to be seen.
type PendingTransaction struct {
	Timestamp       time.Time // when the reader first saw it
	BlockNumber     uint64    // of the head of the chain at that time
	TransactionHash common.Hash
	TransactionType uint8 // 0 legacy, 1 access list, 2 dynamic fee, 3 blob, 4 set code

	From     common.Address  `transit:"from_address"`
	To       *common.Address `transit:"to_address"` // nil: creates a contract
	Nonce    uint64
	Value    uint256.Int
	Input    []byte
	GasLimit uint64
	// GasPrice is the most that is offered for a unit of gas.
	GasPrice             uint256.Int
	MaxFeePerGas         *uint256.Int // from type 2 on
	MaxPriorityFeePerGas *uint256.Int // from type 2 on
	MaxFeePerBlobGas     *uint256.Int // type 3
	BlobVersionedHashes  []common.Hash
	AccessList           []AccessTuple
	AuthorizationList    []Authorization // type 4

	ChainID uint64      // of the network; from the reader
	V       uint256.Int // as in Transaction
	R       uint256.Int
	S       uint256.Int

	InputBytes        uint64 `transit:"n_input_bytes"`
	InputZeroBytes    uint64 `transit:"n_input_zero_bytes"`
	InputNonzeroBytes uint64 `transit:"n_input_nonzero_bytes"`
	RLPBytes          uint64 `transit:"n_rlp_bytes"` // of its encoding, blobs not counted; 0 for types that are not Ethereum's own
}

// TransitType names the type eth.pending_transaction.
func (PendingTransaction) TransitType() string { return "eth.pending_transaction" }
