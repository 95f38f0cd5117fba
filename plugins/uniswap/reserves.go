package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// reserve is what a pair holds after a change. The last one of a block is what getReserves answers at that block.
type reserve struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Pair            common.Address
	Reserve0        uint256.Int
	Reserve1        uint256.Int
}

// TransitType names the type uniswap.reserve.
func (reserve) TransitType() string { return "uniswap.reserve" }

// reserves turns logs into reserves. Logs of other events are passed over.
type reserves struct{ chosen }

var syncEvent = newEvent("Sync(uint112,uint112)", 0, 2)

// reserveBits is the width of a reserve: what is wider was not emitted by a pair.
const reserveBits = 112

// Transform emits the reserves that a log tells of, if it does.
func (r *reserves) Transform(_ context.Context, l log, emit func(reserve) error) error {
	if !syncEvent.matches(&l) || !r.has(l.Address) {
		return nil
	}
	row := reserve{
		BlockNumber: l.BlockNumber, BlockHash: l.BlockHash, Timestamp: l.Timestamp, TransactionHash: l.TransactionHash, LogIndex: l.LogIndex,
		Pair: l.Address,
	}
	row.Reserve0.SetBytes32(l.word(0))
	row.Reserve1.SetBytes32(l.word(1))
	if row.Reserve0.BitLen() > reserveBits || row.Reserve1.BitLen() > reserveBits {
		return nil
	}
	return emit(row)
}
