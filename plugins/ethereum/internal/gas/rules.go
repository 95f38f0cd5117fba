package gas

import (
	"math/big"

	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
)

const (
	elasticity  = 2 // the limit of a block is so many times what it should use
	denominator = 8 // the base fee changes by at most this part of it

	// slot is the time from a block to the next, in seconds: it says by which rules the next one goes.
	slot = 12
	// mostExcess is more blob gas in excess than there can ever be: no node that is in its senses says more.
	mostExcess = 10_000_000_000
)

// nextBaseFee is the base fee of the block after one, by the rule of EIP-1559; nil before it.
func nextBaseFee(h *eth.Header) *uint256.Int {
	target := h.GasLimit / elasticity
	if h.BaseFeePerGas == nil || target == 0 {
		return nil
	}
	base := h.BaseFeePerGas
	next := new(uint256.Int)
	part := func(distance uint64) *uint256.Int {
		n := new(uint256.Int).Mul(base, uint256.NewInt(distance))
		return n.Div(n.Div(n, uint256.NewInt(target)), uint256.NewInt(denominator))
	}
	switch {
	case h.GasUsed > target:
		more := part(h.GasUsed - target)
		if more.IsZero() {
			more.SetOne()
		}
		return next.Add(base, more)
	case h.GasUsed < target:
		return next.Sub(base, part(target-h.GasUsed))
	}
	return next.Set(base)
}

// rulesOf are the rules of a chain for blobs, by the time of the block; nil where they are not known.
func rulesOf(chainID uint64) *params.ChainConfig {
	for _, config := range []*params.ChainConfig{params.MainnetChainConfig, params.SepoliaChainConfig, params.HoodiChainConfig} {
		if config.ChainID.IsUint64() && config.ChainID.Uint64() == chainID {
			return config
		}
	}
	return nil
}

// blobs fills what the rules say of blobs in a block; false where they say nothing.
func blobs(config *params.ChainConfig, h *eth.Header, row *eth.Gas) bool {
	time := uint64(h.Timestamp.Unix()) //nolint:gosec // blocks have no time before 1970
	if config == nil || h.ExcessBlobGas == nil || h.BlobGasUsed == nil || *h.ExcessBlobGas > mostExcess || eip4844.MaxBlobGasPerBlock(config, time) == 0 {
		return false
	}
	header := &types.Header{Time: time, ExcessBlobGas: h.ExcessBlobGas, BlobGasUsed: h.BlobGasUsed, BaseFee: new(big.Int), Number: new(big.Int).SetUint64(h.BlockNumber)}
	if h.BaseFeePerGas != nil {
		header.BaseFee = h.BaseFeePerGas.ToBig()
	}
	excess := eip4844.CalcExcessBlobGas(config, header, time+slot)
	row.BlobBaseFee = word(eip4844.CalcBlobFee(config, header))
	row.NextBlobBaseFee = word(eip4844.CalcBlobFee(config, &types.Header{Time: time + slot, ExcessBlobGas: &excess}))
	ratio := float64(*h.BlobGasUsed) / float64(eip4844.MaxBlobGasPerBlock(config, time))
	row.BlobGasUsedRatio = &ratio
	return true
}

func word(n *big.Int) *uint256.Int {
	w, overflow := uint256.FromBig(n)
	if overflow {
		return nil // unreachable: the excess is bounded
	}
	return w
}
