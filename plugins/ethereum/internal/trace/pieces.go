package trace

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

// pieces traces a block transaction by transaction.
func (s *Source) pieces(ctx context.Context, b *block, speak Dialect, final bool) error {
	raws := make([][]byte, len(b.hashes))
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(apart)
	for i, hash := range b.hashes {
		call := chain.Call{Method: "trace_transaction", Params: []any{hash}, Decode: func(raw []byte) error {
			raws[i] = raw
			return nil
		}}
		if speak == Geth {
			call.Method, call.Params = "debug_traceTransaction", []any{hash, s.tracer()}
		}
		g.Go(func() error { return place.Ask(asking, s.Client, []view.Ref{b.ref()}, final, []chain.Call{call}) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if speak == Geth {
		traces, err := s.decoder().CallTraces(assemble(b.hashes, raws), &b.Header, b.hashes)
		return s.take(b, traces, err)
	}
	var all []eth.Trace
	for i, raw := range raws {
		traces, err := s.decoder().Traces(raw)
		if err != nil {
			return fmt.Errorf("transaction %d (%s): %w", i, b.hashes[i], err)
		}
		all = append(all, traces...)
	}
	rewards, err := s.rewards(ctx, b)
	if err != nil {
		return err
	}
	return s.take(b, append(all, rewards...), nil)
}

// assemble makes answers about transactions one about a block.
func assemble(hashes []common.Hash, raws [][]byte) []byte {
	var all bytes.Buffer
	for i, raw := range raws {
		separator := ','
		if i == 0 {
			separator = '['
		}
		fmt.Fprintf(&all, `%c{"txHash":%q,"result":`, separator, hashes[i])
		all.Write(raw)
		all.WriteByte('}')
	}
	all.WriteByte(']')
	return all.Bytes()
}

// ether is 10^18 wei.
func ether(n uint64) *uint256.Int {
	return new(uint256.Int).Mul(uint256.NewInt(n), uint256.NewInt(1_000_000_000_000_000_000))
}

// rewards are the traces of a block that belong to no transaction, which nodes tell with those of the whole block only. Here they are made up
// from the rules of the Ethereum main network. Since the Merge there are none.
func (s *Source) rewards(ctx context.Context, b *block) ([]eth.Trace, error) {
	if b.Difficulty.IsZero() {
		return nil, nil
	}
	if s.ChainID != 1 {
		return nil, sdk.Stop(fmt.Errorf("block %d is too much for trace_block, and which rewards were paid in it is not told otherwise: raise block_timeout", b.BlockNumber))
	}
	base := ether(2) // since Constantinople
	switch {
	case b.BlockNumber < 4_370_000:
		base = ether(5)
	case b.BlockNumber < 7_280_000: // since Byzantium
		base = ether(3)
	}
	uncles, err := s.uncles(ctx, b)
	if err != nil {
		return nil, err
	}
	share := new(uint256.Int).Rsh(base, 5)
	own := new(uint256.Int).Add(base, share.Mul(share, uint256.NewInt(uint64(len(uncles)))))
	out := []eth.Trace{s.reward(b, "block", b.Miner, own, 0)}
	for i := range uncles {
		part := new(uint256.Int).Mul(base, uint256.NewInt(uncles[i].BlockNumber+8-b.BlockNumber))
		out = append(out, s.reward(b, "uncle", uncles[i].Miner, part.Rsh(part, 3), i+1))
	}
	return out, nil
}

func (s *Source) reward(b *block, kind string, to common.Address, value *uint256.Int, index int) eth.Trace {
	return eth.Trace{
		BlockNumber: b.BlockNumber, BlockHash: b.BlockHash, TraceType: "reward", RewardType: kind, Author: &to, To: &to, Value: *value, Status: 1,
		TraceID: fmt.Sprintf("reward_%d_%d", b.BlockNumber, index),
	}
}

// uncles are the headers of the uncles of a block.
func (s *Source) uncles(ctx context.Context, b *block) ([]eth.Header, error) {
	var count uint64
	err := s.Client.Do(ctx, []chain.Call{{Method: "eth_getUncleCountByBlockHash", Params: []any{b.BlockHash}, Decode: func(raw []byte) (err error) {
		count, err = s.decoder().Quantity(raw)
		return err
	}}})
	if err != nil || count == 0 {
		return nil, err
	}
	uncles := make([]eth.Header, min(count, 2))
	calls := make([]chain.Call, len(uncles))
	for i := range calls {
		calls[i] = chain.Call{Method: "eth_getUncleByBlockHashAndIndex", Params: []any{b.BlockHash, chain.Hex(uint64(i))}, Decode: func(raw []byte) (err error) {
			uncles[i], _, err = s.decoder().Header(raw)
			return err
		}}
	}
	return uncles, s.Client.Do(ctx, calls)
}
