package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// swap is an exchange of one token of a pair for the other. Of each token, what the pair took in and what it paid out are given;
// both can be more than zero where a part is paid back at once.
type swap struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Pair            common.Address
	Sender          common.Address // who called the pair, mostly a router
	Recipient       common.Address
	Amount0In       uint256.Int
	Amount1In       uint256.Int
	Amount0Out      uint256.Int
	Amount1Out      uint256.Int
}

// TransitType names the type uniswap.swap.
func (swap) TransitType() string { return "uniswap.swap" }

// swaps turns logs into swaps. Logs of other events are passed over.
type swaps struct{ chosen }

var swapEvent = newEvent("Swap(address,uint256,uint256,uint256,uint256,address)", 2, 4)

// Transform emits the swap that a log tells of, if it does.
func (s *swaps) Transform(_ context.Context, l log, emit func(swap) error) error {
	if !swapEvent.matches(&l) || !s.has(l.Address) {
		return nil
	}
	sender, ok := l.address(0)
	recipient, ok2 := l.address(1)
	if !ok || !ok2 {
		return nil
	}
	row := swap{
		BlockNumber: l.BlockNumber, BlockHash: l.BlockHash, Timestamp: l.Timestamp, TransactionHash: l.TransactionHash, LogIndex: l.LogIndex,
		Pair: l.Address, Sender: sender, Recipient: recipient,
	}
	for i, amount := range []*uint256.Int{&row.Amount0In, &row.Amount1In, &row.Amount0Out, &row.Amount1Out} {
		amount.SetBytes32(l.word(i))
	}
	return emit(row)
}
