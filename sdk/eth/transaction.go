package eth

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Transaction is a transaction that is in a block, with what its receipt says.
type Transaction struct {
	BlockNumber      uint64
	BlockHash        common.Hash
	Timestamp        time.Time // of the block; ethereum-etl: block_timestamp
	TransactionIndex uint64
	TransactionHash  common.Hash // ethereum-etl: hash
	TransactionType  uint8       // 0 legacy, 1 access list, 2 dynamic fee, 3 blob, 4 set code

	From     common.Address  `transit:"from_address"`
	To       *common.Address `transit:"to_address"` // nil: creates a contract
	Nonce    uint64
	Value    uint256.Int
	Input    []byte
	GasLimit uint64 // ethereum-etl: gas
	// GasPrice is what was paid for a unit of gas.
	GasPrice             uint256.Int
	MaxFeePerGas         *uint256.Int // from type 2 on
	MaxPriorityFeePerGas *uint256.Int // from type 2 on
	MaxFeePerBlobGas     *uint256.Int // type 3
	BlobVersionedHashes  []common.Hash
	AccessList           []AccessTuple
	AuthorizationList    []Authorization // type 4

	ChainID uint64      // of the network; from the reader
	V       uint256.Int // 27 and 28 of type 0: valid on every chain; from type 1 on it is the parity of y
	R       uint256.Int
	S       uint256.Int

	// These are counted from the fields above, as cryo does.
	InputBytes        uint64 `transit:"n_input_bytes"`
	InputZeroBytes    uint64 `transit:"n_input_zero_bytes"`
	InputNonzeroBytes uint64 `transit:"n_input_nonzero_bytes"`
	RLPBytes          uint64 `transit:"n_rlp_bytes"` // of its encoding, blobs not counted; 0 for types that are not Ethereum's own

	// These are from the receipt, and nil where receipts were not asked for.
	Status            *uint64 // 1 success, 0 reverted; nil before Byzantium
	Success           *bool   // Status as cryo has it
	GasUsed           *uint64
	CumulativeGasUsed *uint64
	EffectiveGasPrice *uint256.Int
	ContractAddress   *common.Address // of the contract it created
	BlobGasUsed       *uint64
	BlobGasPrice      *uint256.Int
	LogCount          *uint64
}

// TransitType names the type eth.transaction.
func (Transaction) TransitType() string { return "eth.transaction" }

// AccessTuple is an address and the storage that a transaction says it will touch there.
type AccessTuple struct {
	Address     common.Address
	StorageKeys []common.Hash
}

// Authorization lets an account run the code of Address (EIP-7702).
type Authorization struct {
	ChainID uint256.Int // 0: valid on every chain
	Address common.Address
	Nonce   uint64
	YParity uint8
	R       uint256.Int
	S       uint256.Int
}

// Receipt is what became of a transaction.
type Receipt struct {
	BlockNumber      uint64
	BlockHash        common.Hash
	Timestamp        time.Time
	TransactionIndex uint64
	TransactionHash  common.Hash
	TransactionType  uint8

	From            common.Address  `transit:"from_address"`
	To              *common.Address `transit:"to_address"` // nil: created a contract
	ContractAddress *common.Address // of the contract it created

	Status            *uint64      // 1 success, 0 reverted; nil before Byzantium
	Root              *common.Hash // state after the transaction, before Byzantium
	GasUsed           uint64
	CumulativeGasUsed uint64
	EffectiveGasPrice *uint256.Int // nil where the node does not tell
	BlobGasUsed       *uint64      // type 3
	BlobGasPrice      *uint256.Int // type 3
	LogsBloom         []byte       // 256 bytes
	LogCount          uint64

	// What a rollup paid to have the transaction on layer 1, as ethereum-etl has it; nil on other chains.
	L1Fee       *uint256.Int // in wei
	L1GasUsed   *uint64
	L1GasPrice  *uint256.Int
	L1FeeScalar *float64

	ChainID uint64 // of the network; from the reader
}

// TransitType names the type eth.receipt.
func (Receipt) TransitType() string { return "eth.receipt" }

// Log is an event that a contract emitted.
type Log struct {
	BlockNumber      uint64
	BlockHash        common.Hash
	Timestamp        time.Time // of the block
	TransactionIndex uint64
	TransactionHash  common.Hash
	LogIndex         uint64 // within the block
	Address          common.Address
	Topics           []common.Hash // at most four; the first is the hash of the event's signature unless it is anonymous
	Data             []byte

	// The topics once more, each in a column of its own, as cryo has them; nil beyond the last.
	Topic0 *common.Hash
	Topic1 *common.Hash
	Topic2 *common.Hash
	Topic3 *common.Hash

	DataBytes uint64 `transit:"n_data_bytes"` // len(Data), as cryo has it

	ChainID uint64 // of the network; from the reader
}

// TransitType names the type eth.log.
func (Log) TransitType() string { return "eth.log" }
