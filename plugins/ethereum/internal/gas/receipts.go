package gas

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// fromReceipts computes what was paid on top of base fees as go-ethereum does for its history.
func (s *Source) fromReceipts(ctx context.Context, blocks []block, rows []eth.Gas, final bool) error {
	receipts := make([][]eth.Receipt, len(blocks))
	err := s.receipts(ctx, blocks, receipts, final)
	if chain.KindOf(err) == chain.NoMethod && !s.noBlock.Swap(true) {
		s.Log.Info("the node has no eth_getBlockReceipts: asking for receipts one by one", "error", err)
		err = s.receipts(ctx, blocks, receipts, final)
	}
	if err != nil {
		return fmt.Errorf("read the receipts of blocks %d to %d: %w", blocks[0].BlockNumber, blocks[len(blocks)-1].BlockNumber, err)
	}
	for i := range blocks {
		rows[i].Percentiles = s.Percentiles
		if rows[i].PriorityFees, err = rewards(&blocks[i].Header, receipts[i], s.Percentiles); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) receipts(ctx context.Context, blocks []block, into [][]eth.Receipt, final bool) error {
	var (
		calls []chain.Call
		refs  []view.Ref
		dec   = new(decode.Decoder)
	)
	for i := range blocks {
		b := &blocks[i]
		refs = append(refs, b.ref())
		if len(b.hashes) == 0 {
			continue
		}
		if !s.noBlock.Load() {
			calls = append(calls, chain.Call{Method: "eth_getBlockReceipts", Params: []any{chain.Hex(b.BlockNumber)}, Decode: func(raw []byte) (err error) {
				into[i], err = dec.Receipts(raw, &b.Header, b.hashes)
				return elsewhere(err)
			}})
			continue
		}
		into[i] = make([]eth.Receipt, len(b.hashes))
		for k, hash := range b.hashes {
			calls = append(calls, chain.Call{Method: "eth_getTransactionReceipt", Params: []any{hash}, Decode: func(raw []byte) (err error) {
				into[i][k], err = dec.Receipt(raw, &b.Header, k, hash)
				return elsewhere(err)
			}})
		}
	}
	return place.Ask(ctx, s.Client, refs, final, calls)
}

func elsewhere(err error) error {
	if errors.Is(err, decode.ErrElsewhere) {
		return fmt.Errorf("%w: %w", chain.ErrMoved, err)
	}
	return err
}

// rewards is what was paid on top of the base fee at each percentile of the gas of a block, cheapest first; zeros for a block without
// transactions.
func rewards(h *eth.Header, receipts []eth.Receipt, percentiles []float64) ([]uint256.Int, error) {
	out := make([]uint256.Int, len(percentiles))
	if len(receipts) == 0 {
		return out, nil
	}
	type paid struct {
		gas uint64
		tip uint256.Int
	}
	all := make([]paid, len(receipts))
	for i := range receipts {
		r := &receipts[i]
		if r.EffectiveGasPrice == nil {
			return nil, fmt.Errorf("the receipts of block %d do not say what was paid for gas, and the node has no eth_feeHistory: leave percentiles out", h.BlockNumber)
		}
		all[i] = paid{gas: r.GasUsed, tip: *r.EffectiveGasPrice}
		if h.BaseFeePerGas != nil {
			all[i].tip.Sub(&all[i].tip, h.BaseFeePerGas)
		}
	}
	slices.SortStableFunc(all, func(a, b paid) int { return a.tip.Cmp(&b.tip) })
	at, sum := 0, all[0].gas
	for i, p := range percentiles {
		threshold := uint64(float64(h.GasUsed) * p / 100)
		for sum < threshold && at < len(all)-1 {
			at++
			sum += all[at].gas
		}
		out[i] = all[at].tip
	}
	return out, nil
}
