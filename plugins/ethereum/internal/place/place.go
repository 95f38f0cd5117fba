// Package place says where the blocks of a span stand on the chain, for sources that look at the state after some blocks and not at what is
// in them.
//
// Which blocks these are is said by a Schedule. Of final blocks only they are asked for, besides the first and the last of the span, which
// package follow links to what lies around them. Of blocks that may still change all are, each the parent of the next: what is then asked
// by their hashes belongs to this chain and no other.
package place

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Schedule is blocks at equal distances: those whose number has a remainder.
type Schedule struct {
	Every     uint64 // 0: 1
	Remainder uint64
}

// EveryBlocks is the blocks whose number is a multiple.
func EveryBlocks(n uint64) Schedule { return Schedule{Every: n} }

// LastOf is the last blocks of epochs of a size, which are counted from a block.
func LastOf(size, first uint64) Schedule {
	size = max(1, size)
	return Schedule{Every: size, Remainder: (first%size + size - 1) % size}
}

// Due reports whether a block is one of them.
func (s Schedule) Due(number uint64) bool { return number%max(1, s.Every) == s.Remainder }

// Next is the first of them at or after a block.
func (s Schedule) Next(number uint64) uint64 {
	every := max(1, s.Every)
	return number + (s.Remainder+every-number%every)%every
}

// Blocks is a span with so many of them.
func (s Schedule) Blocks(n uint64) uint64 { return max(1, n) * max(1, s.Every) }

// Span is the places that were asked for.
type Span struct {
	Refs  []view.Ref // ascending
	Due   []view.Ref // those of the schedule among them
	Final bool
}

// Read asks where the blocks of an extent are that are due.
func Read(ctx context.Context, client *chain.Client, e follow.Extent, s Schedule) (*Span, error) {
	refs, err := Numbers(ctx, client, e, wanted(e, s))
	if err != nil {
		return nil, err
	}
	span := &Span{Refs: refs, Final: e.Final}
	for _, ref := range refs {
		if s.Due(ref.Number) {
			span.Due = append(span.Due, ref)
		}
	}
	return span, nil
}

// wanted is the numbers of the blocks that have to be asked for.
func wanted(e follow.Extent, s Schedule) []uint64 {
	step := func(n uint64) uint64 { return n + 1 }
	if e.Final {
		step = func(n uint64) uint64 { return max(n+1, min(e.To, s.Next(n+1))) }
	}
	var numbers []uint64
	for n := e.From; n <= e.To; n = step(n) {
		numbers = append(numbers, n)
	}
	return numbers
}

// Numbers asks where some blocks of an extent are, in ascending order. Those that follow one another have to be linked; if they are not the
// error is follow.ErrUnlinked. The head is taken as it is known.
func Numbers(ctx context.Context, client *chain.Client, e follow.Extent, numbers []uint64) ([]view.Ref, error) {
	refs := make([]view.Ref, len(numbers))
	calls := make([]chain.Call, 0, len(numbers))
	for i, number := range numbers {
		if !e.Final && number == e.Head.Number && (e.Head.Hash != common.Hash{}) {
			refs[i] = e.Head
			continue
		}
		calls = append(calls, refCall(number, &refs[i]))
	}
	if err := client.Do(ctx, calls); err != nil {
		return nil, fmt.Errorf("read the places of blocks %d to %d: %w", e.From, e.To, err)
	}
	return refs, linked(refs)
}

func linked(refs []view.Ref) error {
	for i := 1; i < len(refs); i++ {
		last, at := &refs[i-1], &refs[i]
		if at.Number == last.Number+1 && at.Parent != last.Hash {
			return fmt.Errorf("%w: block %d has parent %s, but block %d is %s", follow.ErrUnlinked, at.Number, at.Parent, last.Number, last.Hash)
		}
	}
	return nil
}

func refCall(number uint64, into *view.Ref) chain.Call {
	return chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(number), false}, Decode: func(raw []byte) (err error) {
		var dec decode.Decoder
		if *into, err = dec.Ref(raw); err == nil && into.Number != number {
			err = fmt.Errorf("asked for block %d, the node answered with block %d", number, into.Number)
		}
		return err
	}}
}

// Ask makes calls about blocks. Where they may still change, and the node answers with an error, it is found out first whether they have:
// then the error is follow.ErrUnlinked, and nobody waits for what will not come any more.
func Ask(ctx context.Context, client *chain.Client, blocks []view.Ref, final bool, calls []chain.Call) error {
	if final {
		return client.Do(ctx, calls)
	}
	once := make([]chain.Call, len(calls))
	for i, call := range calls {
		once[i] = call
		once[i].Never = true
	}
	err := client.Do(ctx, once)
	if err == nil || ctx.Err() != nil || settled(err) {
		return err
	}
	if moved := Moved(ctx, client, blocks); moved != nil {
		return moved
	}
	if !mayPass(err) {
		return err
	}
	return client.Do(ctx, calls)
}

// settled reports whether an error says nothing about where a block is.
func settled(err error) bool {
	switch chain.KindOf(err) {
	case chain.Reverted, chain.NoMethod, chain.Invalid, chain.TooMuch, chain.TooManyAddresses:
		return true
	default:
		return false
	}
}

// mayPass reports whether an error is worth asking again.
func mayPass(err error) bool {
	switch chain.KindOf(err) {
	case chain.Transient, chain.Unclear, chain.TimedOut, chain.Moved, chain.Mismatch:
		return true
	default:
		return false
	}
}

// Moved is follow.ErrUnlinked if one of the blocks is not on the chain any more.
func Moved(ctx context.Context, client *chain.Client, blocks []view.Ref) error {
	now := make([]view.Ref, len(blocks))
	calls := make([]chain.Call, len(blocks))
	for i, ref := range blocks {
		calls[i] = chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(ref.Number), false}, Decode: func(raw []byte) (err error) {
			var dec decode.Decoder
			if now[i], err = dec.Ref(raw); errors.Is(err, decode.ErrNull) {
				now[i], err = view.Ref{}, nil // the chain is shorter
			}
			return err
		}}
	}
	if err := client.Do(ctx, calls); err != nil {
		return err
	}
	for i, ref := range blocks {
		if now[i].Hash != ref.Hash {
			return fmt.Errorf("%w: block %d was %s and is %s now", follow.ErrUnlinked, ref.Number, ref.Hash, now[i].Hash)
		}
	}
	return nil
}

// Build makes a span of rows of the blocks that are due: rows of block i are those before end[i].
func Build[T any](s *Span, rows []T, end []int) follow.Span[T] {
	out := follow.Span[T]{Parent: s.Refs[0].Parent, Rows: rows, Blocks: make([]follow.Block, len(s.Refs))}
	due, done := 0, 0
	for i, ref := range s.Refs {
		if due < len(s.Due) && s.Due[due].Number == ref.Number {
			done = end[due]
			due++
		}
		out.Blocks[i] = follow.Block{Ref: ref, End: done}
	}
	return out
}
