// Package gas reads what gas cost in blocks: base fees and blob fees, which follow from headers by the rules of the chain, and what was paid
// on top, which nodes tell for many blocks at once (eth_feeHistory) or which follows from receipts.
package gas

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// atOnce is how many blocks go-ethereum tells of in one eth_feeHistory, and so what a span has.
const atOnce = 1024

// Source reads a row for each block.
type Source struct {
	Client      *chain.Client
	States      *place.States
	ChainID     uint64
	Percentiles []float64 // ascending, of the gas of a block; none: nothing is asked about what was paid on top
	Prices      bool      // ask what the node suggests at the head
	Log         hclog.Logger

	noHistory atomic.Bool  // the node has no eth_feeHistory
	noBlock   atomic.Bool  // it has no eth_getBlockReceipts either
	most      atomic.Int64 // blocks in one eth_feeHistory; 0: atOnce
	told      sync.Once    // that the chain has a rule of its own
}

// Size is how many blocks the next span should have.
func (s *Source) Size(final bool) uint64 {
	switch {
	case !final:
		return 64
	case s.noHistory.Load():
		return 10
	}
	return atOnce
}

// block is a block of a span.
type block struct {
	eth.Header
	hashes []common.Hash
}

func (b *block) ref() view.Ref {
	return view.Ref{Number: b.BlockNumber, Hash: b.BlockHash, Parent: b.ParentHash, Time: b.Timestamp}
}

// Span reads what gas cost in the blocks of an extent.
func (s *Source) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Gas], error) {
	none := follow.Span[eth.Gas]{}
	blocks, err := s.headers(ctx, e)
	if err != nil {
		return none, err
	}
	rows := make([]eth.Gas, len(blocks))
	if err := s.fees(ctx, blocks, rows, e.Final); err != nil {
		return none, err
	}
	for i := range blocks {
		s.complete(&blocks[i].Header, &rows[i])
	}
	for i := 1; i < len(rows); i++ {
		s.check(&rows[i-1], &rows[i])
	}
	if last := len(rows) - 1; s.Prices && !e.Final && blocks[last].BlockHash == e.Head.Hash {
		if err := s.prices(ctx, &rows[last]); err != nil {
			return none, err
		}
	}
	span := follow.Span[eth.Gas]{Parent: blocks[0].ParentHash, Rows: rows, Blocks: make([]follow.Block, len(blocks))}
	for i := range blocks {
		span.Blocks[i] = follow.Block{Ref: blocks[i].ref(), End: i + 1}
	}
	return span, nil
}

// headers reads the headers of an extent, each the parent of the next.
func (s *Source) headers(ctx context.Context, e follow.Extent) ([]block, error) {
	blocks := make([]block, e.To-e.From+1)
	calls := make([]chain.Call, len(blocks))
	dec := &decode.Decoder{ChainID: s.ChainID}
	for i := range blocks {
		b, number := &blocks[i], e.From+uint64(i)
		calls[i] = chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(number), false}, Decode: func(raw []byte) (err error) {
			if b.Header, b.hashes, err = dec.Header(raw); err == nil && b.BlockNumber != number {
				err = fmt.Errorf("asked for block %d, the node answered with block %d", number, b.BlockNumber)
			}
			return err
		}}
	}
	if err := s.Client.Do(ctx, calls); err != nil {
		return nil, fmt.Errorf("read the headers of blocks %d to %d: %w", e.From, e.To, err)
	}
	for i := 1; i < len(blocks); i++ {
		if last, at := &blocks[i-1], &blocks[i]; at.ParentHash != last.BlockHash {
			return nil, fmt.Errorf("%w: block %d has parent %s, but block %d is %s", follow.ErrUnlinked, at.BlockNumber, at.ParentHash, last.BlockNumber, last.BlockHash)
		}
	}
	return blocks, nil
}

// fees reads what a node knows of fees, from its history or from receipts.
func (s *Source) fees(ctx context.Context, blocks []block, rows []eth.Gas, final bool) error {
	if !s.noHistory.Load() {
		err := s.history(ctx, blocks, rows, final)
		if chain.KindOf(err) != chain.NoMethod {
			return err
		}
		if !s.noHistory.Swap(true) {
			s.Log.Info("the node has no eth_feeHistory: what was paid on top of base fees is computed from receipts", "error", err)
		}
	}
	if len(s.Percentiles) == 0 {
		return nil
	}
	return s.fromReceipts(ctx, blocks, rows, final)
}

// history fills rows from eth_feeHistory, from the newest to the oldest, as nodes that tell of fewer blocks than asked leave out the oldest.
func (s *Source) history(ctx context.Context, blocks []block, rows []eth.Gas, final bool) error {
	for end := len(blocks); end > 0; {
		count := min(end, s.limit())
		told, err := s.some(ctx, blocks[end-count:end], final)
		if err != nil && count > 1 && tooMany(err) {
			s.most.Store(int64(max(1, count/2)))
			continue
		}
		if err != nil {
			return fmt.Errorf("read the fees of blocks %d to %d: %w", blocks[end-count].BlockNumber, blocks[end-1].BlockNumber, err)
		}
		copy(rows[end-len(told):end], told)
		end -= len(told)
	}
	return nil
}

func (s *Source) limit() int {
	if most := s.most.Load(); most > 0 {
		return int(most)
	}
	return atOnce
}

// tooMany reports whether fewer blocks may be to the node's liking.
func tooMany(err error) bool {
	switch chain.KindOf(err) {
	case chain.TooMuch, chain.TimedOut, chain.Invalid, chain.Unclear:
		return true
	default:
		return false
	}
}

// some asks for the fees of blocks, of which the node may tell the last ones only.
func (s *Source) some(ctx context.Context, blocks []block, final bool) (told []eth.Gas, err error) {
	last := blocks[len(blocks)-1]
	percentiles := s.Percentiles
	if percentiles == nil {
		percentiles = []float64{}
	}
	call := chain.Call{
		Method: "eth_feeHistory", Params: []any{chain.Hex(uint64(len(blocks))), chain.Hex(last.BlockNumber), percentiles}, Once: true,
		Decode: func(raw []byte) error {
			dec := &decode.Decoder{ChainID: s.ChainID}
			var err error
			if told, err = dec.FeeHistory(raw, s.Percentiles); err != nil {
				return err
			}
			return fits(told, blocks)
		},
	}
	if final {
		return told, s.Client.Do(ctx, []chain.Call{call})
	}
	return told, s.States.Guarded(ctx, last.ref(), []chain.Call{call})
}

// fits checks that fees are of the blocks that they should be of.
func fits(told []eth.Gas, blocks []block) error {
	if len(told) == 0 || len(told) > len(blocks) {
		return fmt.Errorf("asked for the fees of %d blocks, the node answered with those of %d", len(blocks), len(told))
	}
	blocks = blocks[len(blocks)-len(told):]
	for i := range told {
		row, b := &told[i], &blocks[i]
		ratio := float64(b.GasUsed) / float64(max(1, b.GasLimit))
		switch {
		case row.BlockNumber != b.BlockNumber:
			return fmt.Errorf("asked for the fees of block %d, the node answered with those of block %d", b.BlockNumber, row.BlockNumber)
		case b.BaseFeePerGas != nil && row.BaseFeePerGas != nil && !row.BaseFeePerGas.Eq(b.BaseFeePerGas):
			return fmt.Errorf("%w: field baseFeePerGas of block %d is %s, but its header says %s", chain.ErrMismatch, b.BlockNumber, row.BaseFeePerGas, b.BaseFeePerGas)
		case math.Abs(row.GasUsedRatio-ratio) > 1e-6:
			return fmt.Errorf("%w: field gasUsedRatio of block %d is %v, but by its header it is %v", chain.ErrMismatch, b.BlockNumber, row.GasUsedRatio, ratio)
		}
	}
	return nil
}

// complete fills a row from the header of its block. What the header says, or the rules, counts more than what a history does.
func (s *Source) complete(h *eth.Header, row *eth.Gas) {
	row.BlockNumber, row.BlockHash, row.Timestamp, row.ChainID = h.BlockNumber, h.BlockHash, h.Timestamp, s.ChainID
	row.GasLimit, row.GasUsed = h.GasLimit, h.GasUsed
	row.GasUsedRatio = float64(h.GasUsed) / float64(max(1, h.GasLimit))
	row.BaseFeePerGas, row.BlobGasUsed = h.BaseFeePerGas, h.BlobGasUsed
	switch {
	case h.BaseFeePerGas == nil && (row.NextBaseFeePerGas == nil || row.NextBaseFeePerGas.IsZero()):
		row.NextBaseFeePerGas = nil // before London
	case row.NextBaseFeePerGas == nil:
		row.NextBaseFeePerGas = nextBaseFee(h)
	case h.BaseFeePerGas != nil && !row.NextBaseFeePerGas.Eq(nextBaseFee(h)):
		s.ownRule(row)
	}
	if !blobs(rulesOf(s.ChainID), h, row) && h.BlobGasUsed == nil {
		row.BlobBaseFee, row.NextBlobBaseFee, row.BlobGasUsedRatio = nil, nil, nil // before Cancun
	}
}

// check corrects what one row says of the next block by what that says itself.
func (s *Source) check(row, next *eth.Gas) {
	if row.NextBaseFeePerGas != nil && next.BaseFeePerGas != nil && !row.NextBaseFeePerGas.Eq(next.BaseFeePerGas) {
		s.ownRule(row)
	}
	if next.BaseFeePerGas != nil {
		row.NextBaseFeePerGas = next.BaseFeePerGas
	}
	if next.BlobBaseFee != nil && row.BlobBaseFee != nil {
		row.NextBlobBaseFee = next.BlobBaseFee
	}
}

func (s *Source) ownRule(row *eth.Gas) {
	s.told.Do(func() {
		s.Log.Info("this chain has a rule of its own for base fees: what the node says counts", "block", row.BlockNumber, "next_base_fee", row.NextBaseFeePerGas)
	})
}

// prices asks what the node suggests now. A node that suggests nothing leaves the columns empty.
func (s *Source) prices(ctx context.Context, row *eth.Gas) error {
	for _, ask := range []struct {
		method string
		into   **uint256.Int
	}{{"eth_gasPrice", &row.GasPrice}, {"eth_maxPriorityFeePerGas", &row.MaxPriorityFeePerGas}} {
		var n uint256.Int
		err := s.Client.Do(ctx, []chain.Call{{Method: ask.method, Never: true, Decode: func(raw []byte) (err error) {
			n, err = place.Word(raw)
			return err
		}}})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			s.Log.Debug("the node suggests no price", "method", ask.method, "error", err)
		default:
			*ask.into = &n
		}
	}
	return nil
}
