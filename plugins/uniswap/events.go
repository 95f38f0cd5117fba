package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// The events of a pair, by their first topic.
var (
	swapTopic = crypto.Keccak256Hash([]byte("Swap(address,uint256,uint256,uint256,uint256,address)"))
	syncTopic = crypto.Keccak256Hash([]byte("Sync(uint112,uint112)"))
)

// event is the columns of a log that tell where it stands and what it says.
type event struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Address         common.Address
	Topics          []common.Hash
	Data            []byte
}

// TransitType names the type eth.log.
func (event) TransitType() string { return "eth.log" }

// is tells whether the event is of a signature, and has its exact shape: other
// contracts may use the same signature with other indexed parameters.
func (e event) is(topic common.Hash, topics, words int) bool {
	return len(e.Topics) == topics && e.Topics[0] == topic && len(e.Data) == 32*words
}

// word is the i-th word of the data as an integer.
func (e event) word(i int) (out uint256.Int) {
	out.SetBytes32(e.Data[32*i : 32*i+32])
	return out
}

// filter is the setting both subscribers have.
type filter struct {
	Pairs []common.Address `hcl:"pairs,optional" doc:"only these pairs; all if left out"`
}

func (f filter) passes(pair common.Address) bool {
	return len(f.Pairs) == 0 || slices.Contains(f.Pairs, pair)
}

// Swap is one swap through a pair.
type Swap struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Pair            common.Address
	Sender          common.Address // who called the pair, mostly a router
	Recipient       common.Address
	Amount0In       uint256.Int `transit:"amount0_in"`
	Amount1In       uint256.Int `transit:"amount1_in"`
	Amount0Out      uint256.Int `transit:"amount0_out"`
	Amount1Out      uint256.Int `transit:"amount1_out"`
}

// TransitType names the type uniswap.swap.
func (Swap) TransitType() string { return "uniswap.swap" }

type swaps struct{ filter }

// Transform decodes a swap and passes over every other event.
func (s *swaps) Transform(_ context.Context, e event, emit func(Swap) error) error {
	if !e.is(swapTopic, 3, 4) || !s.passes(e.Address) {
		return nil
	}
	return emit(Swap{
		BlockNumber: e.BlockNumber, BlockHash: e.BlockHash, Timestamp: e.Timestamp,
		TransactionHash: e.TransactionHash, LogIndex: e.LogIndex, Pair: e.Address,
		Sender:    common.BytesToAddress(e.Topics[1][:]),
		Recipient: common.BytesToAddress(e.Topics[2][:]),
		Amount0In: e.word(0), Amount1In: e.word(1), Amount0Out: e.word(2), Amount1Out: e.word(3),
	})
}

// Reserve is what a pair holds after a change.
type Reserve struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Pair            common.Address
	Reserve0        uint256.Int `transit:"reserve0"`
	Reserve1        uint256.Int `transit:"reserve1"`
}

// TransitType names the type uniswap.reserve.
func (Reserve) TransitType() string { return "uniswap.reserve" }

type reserves struct{ filter }

// maxReserve is the largest value of a uint112, which reserves are.
var maxReserve = new(uint256.Int).SubUint64(new(uint256.Int).Lsh(uint256.NewInt(1), 112), 1)

// Transform decodes the reserves after a change and passes over every other
// event.
func (r *reserves) Transform(_ context.Context, e event, emit func(Reserve) error) error {
	if !e.is(syncTopic, 1, 2) || !r.passes(e.Address) {
		return nil
	}
	out := Reserve{
		BlockNumber: e.BlockNumber, BlockHash: e.BlockHash, Timestamp: e.Timestamp,
		TransactionHash: e.TransactionHash, LogIndex: e.LogIndex, Pair: e.Address,
		Reserve0: e.word(0), Reserve1: e.word(1),
	}
	if out.Reserve0.Gt(maxReserve) || out.Reserve1.Gt(maxReserve) {
		return poison(e, fmt.Errorf("a reserve is larger than a uint112 can be"))
	}
	return emit(out)
}
