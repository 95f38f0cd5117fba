// Package epoch cuts a chain into stretches of blocks of one size. An epoch begins and ends with a block that is part of it: its end is not
// the beginning of the next one.
package epoch

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

// atOnce is how many epochs one span of history has.
const atOnce = 50

// Source reads epochs: a row each, in the place of its last block.
type Source struct {
	Client  *chain.Client
	ChainID uint64
	Length  uint64 // blocks in an epoch
	First   uint64 // where epochs are counted from; blocks before it are in none
}

// Size is how many blocks the next span should have.
func (s *Source) Size(final bool) uint64 {
	if final {
		return s.schedule().Blocks(atOnce)
	}
	return atOnce
}

func (s *Source) schedule() place.Schedule { return place.LastOf(s.Length, s.First) }

// Span reads the epochs that end in an extent.
func (s *Source) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Epoch], error) {
	span, err := place.Read(ctx, s.Client, e, s.schedule())
	if err != nil {
		return follow.Span[eth.Epoch]{}, err
	}
	for len(span.Due) > 0 && span.Due[0].Number+1 < s.First+s.Length {
		span.Due = span.Due[1:] // it ends before the first one does
	}
	begins, err := s.begins(ctx, e, span)
	if err != nil {
		return follow.Span[eth.Epoch]{}, err
	}
	rows, end := make([]eth.Epoch, len(span.Due)), make([]int, len(span.Due))
	for i, last := range span.Due {
		rows[i], end[i] = s.row(begins[i], last), i+1
	}
	return place.Build(span, rows, end), nil
}

// begins is the first block of each epoch that ends in a span. They are read after the ends: had the chain changed in between, the ends would
// not link to what was read before them, or the epoch is taken back with everything after the fork.
func (s *Source) begins(ctx context.Context, e follow.Extent, span *place.Span) ([]view.Ref, error) {
	known := make(map[uint64]view.Ref, len(span.Refs))
	for _, ref := range span.Refs {
		known[ref.Number] = ref
	}
	var missing []uint64
	for _, last := range span.Due {
		if _, ok := known[s.begin(last.Number)]; !ok {
			missing = append(missing, s.begin(last.Number))
		}
	}
	e.Head = view.Ref{} // none of these is the head
	refs, err := place.Numbers(ctx, s.Client, e, missing)
	if err != nil {
		return nil, fmt.Errorf("read where epochs begin: %w", err)
	}
	for _, ref := range refs {
		known[ref.Number] = ref
	}
	begins := make([]view.Ref, len(span.Due))
	for i, last := range span.Due {
		begins[i] = known[s.begin(last.Number)]
	}
	return begins, nil
}

func (s *Source) begin(last uint64) uint64 { return last - (s.Length - 1) }

func (s *Source) row(first, last view.Ref) eth.Epoch {
	return eth.Epoch{
		BlockNumber: last.Number, BlockHash: last.Hash, Timestamp: last.Time,
		EpochNumber: (first.Number - s.First) / s.Length,
		BeginBlock:  first.Number, EndBlock: last.Number, BeginHash: first.Hash, EndHash: last.Hash,
		BeginTime: first.Time, EndTime: last.Time, BlockCount: s.Length, ChainID: s.ChainID,
	}
}

// Behind is a chain whose head is so many blocks behind that of another: what is read of it has that many blocks after it.
type Behind struct {
	follow.Chain
	Offset uint64
	told   common.Hash
}

// Next waits until there is another block with enough blocks after it.
func (b *Behind) Next(ctx context.Context) (view.Ref, error) {
	for {
		head, err := b.Chain.Next(ctx)
		if err != nil {
			return view.Ref{}, err
		}
		ref, err := b.below(ctx, head)
		if err != nil {
			return view.Ref{}, err
		}
		if ref.Hash != b.told && ref.Hash != (common.Hash{}) {
			b.told = ref.Hash
			return ref, nil
		}
	}
}

// Latest is the newest block with enough blocks after it.
func (b *Behind) Latest(ctx context.Context) (view.Ref, error) {
	for {
		head, err := b.Chain.Latest(ctx)
		if err != nil {
			return view.Ref{}, err
		}
		ref, err := b.below(ctx, head)
		if err != nil || ref.Hash != (common.Hash{}) {
			return ref, err
		}
		if _, err := b.Chain.Next(ctx); err != nil { // the chain has become shorter than that
			return view.Ref{}, err
		}
	}
}

// below is the block so far below a head; the zero Ref if there is none.
func (b *Behind) below(ctx context.Context, head view.Ref) (view.Ref, error) {
	switch {
	case b.Offset == 0:
		return head, nil
	case head.Number < b.Offset:
		return view.Ref{}, nil
	}
	refs, err := b.Canonical(ctx, []uint64{head.Number - b.Offset})
	if err != nil {
		return view.Ref{}, fmt.Errorf("look for the block %d below the head: %w", b.Offset, err)
	}
	return refs[0], nil
}
