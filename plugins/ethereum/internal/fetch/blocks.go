package fetch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Part says what to read of blocks besides their headers.
type Part struct {
	Full     bool // transactions, withdrawals and uncles
	Receipts bool
	Logs     bool // those in the receipts
}

// Blocks reads blocks one by one, several at once, and turns each into rows. NewBlocks makes it.
type Blocks[T any] struct {
	node *Node
	part Part
	rows func(dst []T, b *Block) []T
	pace *pace

	oneByOne atomic.Bool // the node has no eth_getBlockReceipts
}

// NewBlocks makes a source that asks for so many blocks at once at most.
func NewBlocks[T any](n *Node, part Part, most uint64, rows func(dst []T, b *Block) []T) *Blocks[T] {
	first := uint64(10)
	if !part.Full && !part.Receipts {
		first = 50
	}
	return &Blocks[T]{node: n, part: part, rows: rows, pace: newPace(first, most)}
}

// Block is what was read of a block.
type Block struct {
	eth.Block               // without transactions, withdrawals and uncles unless in full
	Hashes    []common.Hash // of the transactions
	Receipts  []eth.Receipt // nil if they were not asked for
	Logs      []eth.Log     // the same
	bloomed   bool          // the bloom is proven
	unlisted  bool          // Hashes are still to be asked for
	bytes     int           // of the answers
}

// AttachReceipts copies what the receipts say, if there are any, to the transactions.
func (b *Block) AttachReceipts() { decode.Attach(b.Transactions, b.Receipts) }

// Size is the same in history and at the head: all blocks are linked either way.
func (b *Blocks[T]) Size(bool) uint64 { return b.pace.blocks() }

// Weight is about how many bytes the answers for an extent have.
func (b *Blocks[T]) Weight(e follow.Extent) int { return b.pace.weight(e.To - e.From + 1) }

// Span reads the blocks of an extent, in halves if the answers are too much.
func (b *Blocks[T]) Span(ctx context.Context, e follow.Extent) (follow.Span[T], error) {
	count := e.To - e.From + 1
	began := time.Now()
	blocks, err := b.read(ctx, e)
	switch kind := chain.KindOf(err); {
	case err == nil:
	case count > 1 && (kind == chain.TooMuch || kind == chain.TimedOut):
		b.pace.refused(count)
		return b.halves(ctx, e)
	default:
		return follow.Span[T]{}, err
	}
	bytes := 0
	for i := range blocks {
		bytes += blocks[i].bytes
	}
	b.pace.took(count, bytes, time.Since(began))
	return b.span(blocks)
}

func (b *Blocks[T]) halves(ctx context.Context, e follow.Extent) (follow.Span[T], error) {
	first, second := e, e
	first.To = e.From + (e.To-e.From)/2
	second.From = first.To + 1
	one, err := b.Span(ctx, first)
	if err != nil {
		return one, err
	}
	two, err := b.Span(ctx, second)
	if err != nil {
		return two, err
	}
	if last := one.Blocks[len(one.Blocks)-1]; last.Hash != two.Parent {
		return one, unlinked(second.From, two.Parent, last.Ref)
	}
	for i := range two.Blocks {
		two.Blocks[i].End += len(one.Rows)
	}
	one.Rows, one.Blocks = append(one.Rows, two.Rows...), append(one.Blocks, two.Blocks...)
	return one, nil
}

// span links blocks and makes rows of them.
func (b *Blocks[T]) span(blocks []Block) (follow.Span[T], error) {
	span := follow.Span[T]{Parent: blocks[0].ParentHash, Blocks: make([]follow.Block, len(blocks))}
	for i := range blocks {
		at := &blocks[i]
		if i > 0 && at.ParentHash != blocks[i-1].BlockHash {
			return follow.Span[T]{}, unlinked(at.BlockNumber, at.ParentHash, refOf(&blocks[i-1].Header))
		}
		span.Rows = b.rows(span.Rows, at)
		span.Blocks[i] = follow.Block{Ref: refOf(&at.Header), End: len(span.Rows)}
	}
	return span, nil
}

// read asks for blocks and their receipts.
func (b *Blocks[T]) read(ctx context.Context, e follow.Extent) ([]Block, error) {
	t := b.node.take()
	defer b.node.give(t)
	numbers := make([]uint64, e.To-e.From+1)
	for i := range numbers {
		numbers[i] = e.From + uint64(i)
	}
	return b.node.blocks(ctx, t, numbers, b.part, &places{final: e.Final || e.Doubted}, &b.oneByOne)
}

// blocks reads blocks by their numbers. oneByOne is set when it turns out that the node has no eth_getBlockReceipts.
func (n *Node) blocks(ctx context.Context, t *tools, numbers []uint64, part Part, at *places, oneByOne *atomic.Bool) ([]Block, error) {
	var (
		blocks = make([]Block, len(numbers))
		calls  = make([]chain.Call, 0, 2*len(numbers))
		single = oneByOne.Load()
	)
	for i, number := range numbers {
		calls = append(calls, n.blockCall(t, number, part, at, &blocks[i]))
		if part.Receipts && !single {
			calls = append(calls, n.receiptsCall(t, number, part, at, &blocks[i]))
		}
	}
	err := at.outcome(n.Client.Do(ctx, calls))
	if chain.KindOf(err) == chain.NoMethod && part.Receipts && !single {
		if !oneByOne.Swap(true) {
			n.Log.Info("the node has no eth_getBlockReceipts: asking for receipts one by one", "because", err)
		}
		return n.blocks(ctx, t, numbers, part, at, oneByOne)
	}
	if err == nil && part.Receipts && single {
		err = at.outcome(n.receiptsOneByOne(ctx, t, pointers(blocks), part, at))
	}
	return blocks, err
}

func pointers(blocks []Block) []*Block {
	all := make([]*Block, len(blocks))
	for i := range blocks {
		all[i] = &blocks[i]
	}
	return all
}

func (n *Node) blockCall(t *tools, number uint64, part Part, at *places, into *Block) chain.Call {
	return chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(number), part.Full}, Decode: func(raw []byte) error {
		err := n.decodeBlock(t, raw, part.Full, into)
		switch {
		case err != nil:
			into.BlockHash = common.Hash{} // there is none yet
			return at.weigh(err)
		case into.BlockNumber != number:
			into.BlockHash = common.Hash{}
			return errNumber(number, into.BlockNumber)
		}
		return nil
	}}
}

// decodeBlock decodes and verifies.
func (n *Node) decodeBlock(t *tools, raw []byte, full bool, into *Block) (err error) {
	into.bytes = len(raw)
	if full {
		if into.Block, err = t.Decoder.Block(raw); err != nil {
			return err
		}
		into.Hashes = decode.HashesOf(into.Hashes[:0], into.Transactions)
		if n.Verify {
			err = t.Verifier.Block(&into.Block, t.Extra()...)
		}
	} else {
		if into.Header, into.Hashes, err = t.Decoder.Header(raw); err != nil {
			return err
		}
		if n.Verify {
			err = t.Verifier.Header(&into.Header, t.Extra()...)
		}
	}
	into.bloomed = n.Verify && err == nil
	return n.verdict(err)
}
