package fetch

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// receiptsCall must come after the call for its block.
func (n *Node) receiptsCall(t *tools, number uint64, part Part, at *places, into *Block) chain.Call {
	return chain.Call{Method: "eth_getBlockReceipts", Params: []any{chain.Hex(number)}, Decode: func(raw []byte) (err error) {
		if into.BlockHash == (common.Hash{}) {
			if at.moved != nil && !at.final {
				return nil // it is known already
			}
			return errEarly
		}
		logs := t.logs[:0]
		if part.Logs {
			logs = nil // they are kept
		}
		if part.Logs || n.Verify {
			into.Receipts, logs, err = t.ReceiptsWithLogs(raw, &into.Header, into.Hashes, logs)
		} else {
			into.Receipts, err = t.Decoder.Receipts(raw, &into.Header, into.Hashes)
		}
		if err != nil {
			return at.weigh(err)
		}
		into.bytes += len(raw)
		return n.keep(t, part, into, logs)
	}}
}

// keep verifies receipts, and keeps their logs if they are wanted. Otherwise these are in the memory of tools.
func (n *Node) keep(t *tools, part Part, into *Block, logs []eth.Log) error {
	if !part.Logs {
		t.logs = logs
	}
	if n.Verify {
		if err := n.verdict(t.Verifier.Receipts(&into.Header, into.Receipts, logs)); err != nil {
			return err
		}
		if part.Full && verify.Ethereum(n.ChainID) {
			if err := n.verdict(t.Outcomes(&into.Header, into.Transactions, into.Receipts)); err != nil {
				return err
			}
		}
	}
	if part.Logs {
		into.Logs = logs
	}
	return nil
}

// receipts reads the receipts of blocks that are there.
func (n *Node) receipts(ctx context.Context, t *tools, blocks []*Block, part Part, at *places, oneByOne *atomic.Bool) error {
	if len(blocks) == 0 {
		return nil
	}
	if oneByOne.Load() {
		return at.outcome(n.receiptsOneByOne(ctx, t, blocks, part, at))
	}
	calls := make([]chain.Call, len(blocks))
	for i, b := range blocks {
		calls[i] = n.receiptsCall(t, b.BlockNumber, part, at, b)
	}
	err := at.outcome(n.Client.Do(ctx, calls))
	if chain.KindOf(err) == chain.NoMethod && !oneByOne.Swap(true) {
		return n.receipts(ctx, t, blocks, part, at, oneByOne)
	}
	return err
}

// again is how often the receipts of a block are asked for where they do not go together, each for itself being well-formed.
const again = 3

// receiptsOneByOne serves nodes that have eth_getTransactionReceipt only.
func (n *Node) receiptsOneByOne(ctx context.Context, t *tools, blocks []*Block, part Part, at *places) error {
	for _, b := range blocks {
		var err error
		for range again {
			err = n.receiptsOf(ctx, t, b, part, at)
			if !errors.Is(err, chain.ErrMismatch) || ctx.Err() != nil {
				break
			}
		}
		if err != nil || at.moved != nil && !at.final {
			return err
		}
	}
	return nil
}

// receiptsOf reads the receipts of one block.
func (n *Node) receiptsOf(ctx context.Context, t *tools, into *Block, part Part, at *places) error {
	into.Receipts = make([]eth.Receipt, len(into.Hashes))
	var (
		logged = part.Logs || n.Verify
		logs   = make([][]eth.Log, len(into.Hashes))
		calls  = make([]chain.Call, len(into.Hashes))
	)
	for k, hash := range into.Hashes {
		calls[k] = chain.Call{Method: "eth_getTransactionReceipt", Params: []any{hash}, Decode: func(raw []byte) (err error) {
			if logged {
				into.Receipts[k], logs[k], err = t.ReceiptWithLogs(raw, &into.Header, k, hash, nil)
			} else {
				into.Receipts[k], err = t.Receipt(raw, &into.Header, k, hash)
			}
			into.bytes += len(raw)
			return at.weigh(err)
		}}
	}
	if err := n.Client.Do(ctx, calls); err != nil || at.moved != nil && !at.final {
		return err
	}
	return n.keep(t, part, into, slices.Concat(logs...))
}
