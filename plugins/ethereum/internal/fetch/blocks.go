// Package fetch reads spans of blocks from a node, as package follow wants them: whole, in order, and each part checked to belong to the
// block it is given out for.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Blocks reads blocks one by one, several in a JSON-RPC batch, and turns each into rows.
type Blocks[T any] struct {
	Client   *chain.Client
	Batch    uint64 // blocks in a span
	Full     bool   // with transactions in full
	Receipts bool   // with receipts
	Rows     func(dst []T, b *Block) []T
	Log      hclog.Logger

	oneByOne atomic.Bool // the node has no eth_getBlockReceipts
}

// Block is what was read of a block.
type Block struct {
	eth.Block               // without transactions unless in full
	Hashes    []common.Hash // of the transactions
	Receipts  []eth.Receipt // nil if they were not asked for
}

// AttachReceipts copies what the receipts say, if there are any, to the transactions.
func (b *Block) AttachReceipts() { decode.Attach(b.Transactions, b.Receipts) }

// Size is the same in history and at the head: all blocks are linked either way.
func (b *Blocks[T]) Size(bool) uint64 { return b.Batch }

// Span reads the blocks of an extent.
func (b *Blocks[T]) Span(ctx context.Context, e follow.Extent) (follow.Span[T], error) {
	blocks, err := b.read(ctx, e)
	if chain.KindOf(err) == chain.NoMethod && b.Receipts && !b.oneByOne.Swap(true) {
		b.Log.Info("the node has no eth_getBlockReceipts: asking for receipts one by one")
		blocks, err = b.read(ctx, e)
	}
	if err != nil {
		return follow.Span[T]{}, err
	}
	span := follow.Span[T]{Parent: blocks[0].ParentHash, Blocks: make([]follow.Block, len(blocks))}
	for i := range blocks {
		at := &blocks[i]
		if i > 0 && at.ParentHash != blocks[i-1].BlockHash {
			return follow.Span[T]{}, fmt.Errorf("%w: block %d has parent %s, but block %d is %s",
				follow.ErrUnlinked, at.BlockNumber, at.ParentHash, at.BlockNumber-1, blocks[i-1].BlockHash)
		}
		span.Rows = b.Rows(span.Rows, at)
		span.Blocks[i] = follow.Block{
			Ref: view.Ref{Number: at.BlockNumber, Hash: at.BlockHash, Parent: at.ParentHash, Time: at.Timestamp}, End: len(span.Rows),
		}
	}
	return span, nil
}

// places notes answers that belong to another block than they were asked for. Of blocks that may change that is most likely because
// they have: such an answer is taken, so that package follow hears of it at once. Of final blocks it is refused, and asked for again.
type places struct {
	final bool
	moved error // the last such answer
}

func (p *places) weigh(err error) error {
	switch {
	case !errors.Is(err, decode.ErrElsewhere):
		return err
	case p.final:
		p.moved = err
		return fmt.Errorf("%w: %w", chain.ErrMoved, err)
	default:
		p.moved = err
		return nil
	}
}

// outcome is what an exchange came to, in the words of package follow.
func (p *places) outcome(err error) error {
	kind := chain.KindOf(err)
	switch {
	case p.moved == nil:
		return err
	case err == nil && !p.final:
		return fmt.Errorf("%w: %w", follow.ErrUnlinked, p.moved)
	case err != nil && (kind == chain.Moved || kind == chain.Transient):
		return fmt.Errorf("%w: %w", follow.ErrUnlinked, err)
	}
	return err
}

var errEarly = errors.New("the node does not have the block yet that this answer is about")

func (b *Blocks[T]) read(ctx context.Context, e follow.Extent) ([]Block, error) {
	var (
		dec    = new(decode.Decoder)
		blocks = make([]Block, e.To-e.From+1)
		calls  = make([]chain.Call, 0, 2*len(blocks))
		single = b.oneByOne.Load()
		at     = &places{final: e.Final}
	)
	for i := range blocks {
		number := e.From + uint64(i)
		calls = append(calls, b.blockCall(dec, number, &blocks[i]))
		if b.Receipts && !single {
			calls = append(calls, receiptsCall(dec, number, &blocks[i], at))
		}
	}
	if err := at.outcome(b.Client.Do(ctx, calls)); err != nil {
		return nil, err
	}
	if b.Receipts && single {
		if err := at.outcome(b.receiptsOneByOne(ctx, dec, blocks, at)); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

func (b *Blocks[T]) blockCall(dec *decode.Decoder, number uint64, into *Block) chain.Call {
	decode := func(raw []byte) (err error) {
		if b.Full {
			into.Block, err = dec.Block(raw)
			into.Hashes = into.Hashes[:0]
			for i := range into.Transactions {
				into.Hashes = append(into.Hashes, into.Transactions[i].TransactionHash)
			}
		} else {
			into.Header, into.Hashes, err = dec.Header(raw)
		}
		if err == nil && into.BlockNumber != number {
			err = fmt.Errorf("asked for block %d, the node answered with block %d", number, into.BlockNumber)
		}
		return err
	}
	return chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(number), b.Full}, Decode: decode}
}

// receiptsCall must come after the call for its block.
func receiptsCall(dec *decode.Decoder, number uint64, into *Block, at *places) chain.Call {
	return chain.Call{Method: "eth_getBlockReceipts", Params: []any{chain.Hex(number)}, Decode: func(raw []byte) (err error) {
		if into.BlockHash == (common.Hash{}) {
			return errEarly
		}
		into.Receipts, err = dec.Receipts(raw, &into.Header, into.Hashes)
		return at.weigh(err)
	}}
}

// receiptsOneByOne serves nodes that have eth_getTransactionReceipt only.
func (b *Blocks[T]) receiptsOneByOne(ctx context.Context, dec *decode.Decoder, blocks []Block, places *places) error {
	var calls []chain.Call
	for i := range blocks {
		at := &blocks[i]
		at.Receipts = make([]eth.Receipt, len(at.Hashes))
		for k, hash := range at.Hashes {
			calls = append(calls, chain.Call{Method: "eth_getTransactionReceipt", Params: []any{hash}, Decode: func(raw []byte) (err error) {
				at.Receipts[k], err = dec.Receipt(raw, &at.Header, k, hash)
				return places.weigh(err)
			}})
		}
	}
	return b.Client.Do(ctx, calls)
}
