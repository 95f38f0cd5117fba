// Package follow reads a chain from a block to its head and then along with it, every block once and in order.
//
// There is one way of reading, for the past and for the present: spans of blocks, several fetched at once and handed on in order, each
// of which must begin where the last one ended, by number and by hash. In the past, up to the newest final block, spans are as large as
// the node allows; above it a span knows each of its blocks by hash. So there is no seam between history and the head at which a
// block could be lost or come twice. A span that does not link means that the chain has changed (or that endpoints disagree): the newest
// block that is still there is looked for, and reported.
package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
)

// ErrUnlinked is what a Source returns when the blocks of a span are not each other's parents.
var ErrUnlinked = errors.New("blocks do not follow one another")

// Chain is what is asked about the chain as a whole.
type Chain interface {
	// Next waits for a head other than the one it returned last; the first comes at once.
	Next(ctx context.Context) (view.Ref, error)
	Latest(ctx context.Context) (view.Ref, error)
	// Final is the newest final block; false if nobody can tell.
	Final(ctx context.Context, head uint64) (uint64, bool, error)
	// Canonical has a zero Ref for every height that the chain does not have.
	Canonical(ctx context.Context, numbers []uint64) ([]view.Ref, error)
	// ByHash finds blocks that are no longer on the chain too, if the node still has them.
	ByHash(ctx context.Context, hash common.Hash) (view.Ref, bool, error)
}

// Source reads spans of blocks. It is used by several goroutines at once.
type Source[T any] interface {
	// Size is how many blocks the next span should have.
	Size(final bool) uint64
	Span(ctx context.Context, e Extent) (Span[T], error)
}

// Weigher is a Source that can tell about how many bytes a node answers for an extent. Others count by blocks.
type Weigher interface{ Weight(e Extent) int }

// Extent is what a span is to have: the blocks from one to another, both inclusive.
type Extent struct {
	From, To uint64
	Final    bool     // they will not change
	Doubted  bool     // they were read before, and contradicted one another though the chain has not changed
	Head     view.Ref // of the chain; it may be the last block of the span
}

// Span is what was read of consecutive blocks.
type Span[T any] struct {
	Parent common.Hash // of the first block
	Blocks []Block     // ascending; always the last one, and all of them if they are not final
	Rows   []T         // in order
}

// Block is a block of a span. The rows before End are from it and those before it.
type Block struct {
	view.Ref
	End int
}

// Sink takes what was read; *sdk.Output is one.
type Sink[T any] interface {
	EmitAll(rows []T) error
	SafePoint(p sdk.SafePoint) error
	Reorg(fork sdk.Cursor) error
}

// Config says what to read.
type Config struct {
	ChainID    uint64
	Cursor     *sdk.Cursor // go on after it; nil: begin at From
	From       uint64
	FromLatest bool    // begin at the head instead
	To         *uint64 // nil: for ever
	Width      int     // spans fetched at once at most; 4
	Memory     int     // bytes of spans that are under way or wait, about; 32 MiB
	Pause      time.Duration
	Log        hclog.Logger
}

const (
	// cautious is how far below the head blocks count as final where nobody can tell.
	cautious = 64
	// near is how many blocks below the head are read before anything else is asked.
	near = 8
	// refresh is how often the head and the final block are asked for, at most at the head and at least in history.
	refresh = 2 * time.Second
	// patience is how often endpoints may contradict one another in a row.
	patience = 20
)

// Run reads until the last block has been emitted, which is nil, as it is after a reorg was reported; until ctx ends; or until an error
// that the chain does not recover from.
func Run[T any](ctx context.Context, c Config, chain Chain, source Source[T], sink Sink[T]) error {
	f := &follower[T]{Config: c, chain: chain, source: source, sink: sink}
	if f.Width <= 0 {
		f.Width = 4
	}
	if f.Memory <= 0 {
		f.Memory = 32 << 20
	}
	f.pipeline = pipeline{budget: f.Memory, width: newWidth(f.Width)}
	if f.Pause == 0 {
		f.Pause = 250 * time.Millisecond
	}
	if f.Log == nil {
		f.Log = hclog.NewNullLogger()
	}
	err := f.run(ctx)
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// errDone ends a run that has nothing left to do.
var errDone = errors.New("done")

type follower[T any] struct {
	Config
	chain  Chain
	source Source[T]
	sink   Sink[T]

	pipeline pipeline

	next   uint64 // the block to read next
	recent recent // blocks that were emitted

	head       view.Ref
	final      uint64 // what nobody expects to change, by the node's word or by caution
	finalKnown bool
	asked      time.Time // when final was asked for
	settled    uint64    // the newest block that was emitted and is final
	odd        int       // how often in a row answers contradicted one another
}

func (f *follower[T]) run(ctx context.Context) error {
	if done := f.Cursor != nil && f.To != nil && f.Cursor.Block >= *f.To; done {
		return nil
	}
	head, err := f.chain.Next(ctx)
	if err != nil {
		return err
	}
	if head, err = f.start(ctx, head); err != nil {
		return err
	}
	if f.To != nil && *f.To < f.next {
		return sdk.Stop(fmt.Errorf("the last block to read, %d, lies before the first, %d: raise to or lower from", *f.To, f.next))
	}
	for {
		f.head = head
		if err := f.advance(ctx); err != nil {
			return err
		}
		if head, err = f.chain.Next(ctx); err != nil {
			return err
		}
	}
}

// start finds the first block and makes sure that the chain still has the one it follows on.
func (f *follower[T]) start(ctx context.Context, head view.Ref) (view.Ref, error) {
	switch {
	case f.Cursor == nil && f.FromLatest:
		f.next = head.Number
		return head, nil
	case f.Cursor == nil:
		f.next = f.From
		return f.await(ctx, head, f.next)
	}
	at := view.Ref{Number: f.Cursor.Block, Hash: f.Cursor.Hash}
	f.next = at.Number + 1
	head, err := f.await(ctx, head, at.Number)
	if err != nil || at.Hash == (common.Hash{}) {
		return head, err
	}
	f.head = head
	f.recent.add(at)
	for {
		if err := f.askFinal(ctx); err != nil {
			return head, err
		}
		now, err := f.chain.Canonical(ctx, []uint64{at.Number})
		if err != nil {
			return head, fmt.Errorf("look for block %d, where reading ended: %w", at.Number, err)
		}
		if now[0].Hash == at.Hash {
			return head, nil
		}
		why := fmt.Errorf("%w: block %d was %s when it was read, and is %s", ErrUnlinked, at.Number, at.Hash, now[0].Hash)
		if err := f.reconcile(ctx, why); err != nil {
			return head, err
		}
	}
}

// await waits until the chain has reached a block.
func (f *follower[T]) await(ctx context.Context, head view.Ref, block uint64) (view.Ref, error) {
	for told := (time.Time{}); head.Number < block; {
		if now := time.Now(); now.Sub(told) > 30*time.Second {
			f.Log.Warn("waiting for the chain to reach the first block to read", "block", block, "head", head.Number)
			told = now
		}
		var err error
		if head, err = f.chain.Next(ctx); err != nil {
			return head, err
		}
	}
	return head, nil
}

// advance reads up to the head. Close to it new blocks are read first, and what is final is asked for when they are on their way.
func (f *follower[T]) advance(ctx context.Context) error {
	for {
		if behind := f.head.Number+1 > f.next+near; behind || f.asked.IsZero() {
			if err := f.askFinal(ctx); err != nil {
				return err
			}
		}
		err := f.catchUp(ctx)
		if err == nil {
			err = f.askFinal(ctx)
		}
		if !errors.Is(err, ErrUnlinked) {
			return err
		}
		if err := f.reconcile(ctx, err); err != nil {
			return err
		}
	}
}

// catchUp reads from the next block to the head, or finds that the head is none of ours.
func (f *follower[T]) catchUp(ctx context.Context) error {
	if seen, ok := f.recent.at(f.head.Number); ok && seen.Hash != f.head.Hash {
		return ErrUnlinked
	}
	end := f.head.Number
	if f.To != nil {
		end = min(end, *f.To)
	}
	for f.next <= end {
		to, final := end, false
		if safe := min(f.safe(), end); f.next <= safe {
			to, final = safe, true
		}
		if err := f.stream(ctx, to, final); err != nil {
			return err
		}
	}
	if f.finalKnown && f.next > 0 {
		f.settled = max(f.settled, min(f.final, f.next-1)) // the head is linked to all of them
	}
	if f.To != nil && f.next > *f.To {
		return errDone
	}
	return nil
}

// safe is the newest block that is not expected to change.
func (f *follower[T]) safe() uint64 {
	if f.finalKnown {
		return min(f.final, f.head.Number)
	}
	return f.head.Number - min(f.head.Number, cautious)
}

func (f *follower[T]) askFinal(ctx context.Context) error {
	if time.Since(f.asked) < refresh {
		return nil
	}
	final, known, err := f.chain.Final(ctx, f.head.Number)
	if err != nil {
		return fmt.Errorf("ask for the newest final block: %w", err)
	}
	if known && final >= f.final {
		f.final, f.finalKnown = final, true
	}
	f.asked = time.Now()
	return nil
}

// stream reads from the next block to another.
func (f *follower[T]) stream(ctx context.Context, to uint64, final bool) error {
	from := f.next
	head := f.head
	plan := func() (Extent, bool) {
		if from > to {
			return Extent{}, false
		}
		e := Extent{From: from, To: min(to, from+max(1, f.source.Size(final))-1), Final: final, Doubted: f.odd > 0, Head: head}
		from = e.To + 1
		return e, true
	}
	return inOrder(ctx, &f.pipeline, plan, f.weigh, f.source.Span, func(e Extent, s Span[T]) error {
		return f.accept(ctx, e, s)
	})
}

// weigh is about how many bytes an extent takes.
func (f *follower[T]) weigh(e Extent) int {
	if w, ok := f.source.(Weigher); ok {
		return max(1, w.Weight(e))
	}
	return int(min(e.To-e.From+1, 1<<20)) //nolint:gosec // it is bounded
}

// accept hands a span on if it is the continuation of the last one.
func (f *follower[T]) accept(ctx context.Context, e Extent, s Span[T]) error {
	if len(s.Blocks) == 0 || s.Blocks[len(s.Blocks)-1].Number != e.To {
		return fmt.Errorf("read blocks %d to %d: the last one is missing", e.From, e.To)
	}
	if last, ok := f.recent.at(e.From - 1); ok && last.Hash != s.Parent {
		return fmt.Errorf("%w: block %d has parent %s, but block %d is %s", ErrUnlinked, e.From, s.Parent, last.Number, last.Hash)
	}
	f.odd = 0
	if e.Final {
		if err := f.askHead(ctx); err != nil {
			return err
		}
		return f.hand(s.Rows, s.Blocks[len(s.Blocks)-1].Ref, true)
	}
	begin := 0
	for _, b := range s.Blocks {
		if err := f.hand(s.Rows[begin:b.End], b.Ref, false); err != nil {
			return err
		}
		begin = b.End
	}
	return nil
}

// hand emits rows and marks the block that completes them.
func (f *follower[T]) hand(rows []T, at view.Ref, final bool) error {
	if err := f.sink.EmitAll(rows); err != nil {
		return err
	}
	f.recent.add(at)
	f.next = at.Number + 1
	point := sdk.SafePoint{Cursor: f.cursor(at), Head: max(f.head.Number, at.Number)}
	if f.finalKnown {
		point.Finalized = f.final
		if final {
			f.settled = at.Number
		}
	}
	return f.sink.SafePoint(point)
}

func (f *follower[T]) cursor(at view.Ref) sdk.Cursor {
	return sdk.Cursor{ChainID: f.ChainID, Block: at.Number, Hash: at.Hash}
}

// askHead keeps the head that safe points tell from growing old over a long history.
func (f *follower[T]) askHead(ctx context.Context) error {
	if time.Since(f.asked) < refresh {
		return nil
	}
	head, err := f.chain.Latest(ctx)
	if err != nil {
		return err
	}
	if head.Number > f.head.Number {
		f.head = head
	}
	return f.askFinal(ctx)
}
