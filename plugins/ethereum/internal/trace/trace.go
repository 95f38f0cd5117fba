// Package trace reads the calls that transactions made, in whichever of two dialects the node speaks, and checks that they are of the
// transactions of the block and all of them.
//
// A block that is too much for the node is traced transaction by transaction.
package trace

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Dialect is how a node is asked for traces.
type Dialect string

// The dialects.
const (
	Auto   Dialect = "auto"   // whatever the node speaks
	Parity Dialect = "parity" // trace_block: Erigon, Nethermind, Reth, Besu
	Geth   Dialect = "geth"   // debug_traceBlockByHash with the call tracer: go-ethereum, and most others too
)

// apart is how many blocks of a span are traced at once.
const apart = 4

// Source reads traces: those of a block in the order of its transactions, then its rewards where the dialect has them.
type Source struct {
	Client  *chain.Client
	ChainID uint64
	Dialect Dialect
	Batch   uint64        // blocks in a span
	Timeout time.Duration // of a block, before it is traced transaction by transaction
	Log     hclog.Logger

	mu       sync.Mutex // protects spoken
	spoken   Dialect    // what the node was found to speak; empty: not known yet
	byNumber atomic.Bool
	size     atomic.Int64 // bytes of a block's answer, about
}

// block is a block of a span.
type block struct {
	eth.Header
	hashes []common.Hash
	traces []eth.Trace
}

func (b *block) ref() view.Ref {
	return view.Ref{Number: b.BlockNumber, Hash: b.BlockHash, Parent: b.ParentHash, Time: b.Timestamp}
}

// Size is how many blocks the next span should have.
func (s *Source) Size(bool) uint64 { return s.Batch }

// Weight is about how many bytes the answers for an extent have.
func (s *Source) Weight(e follow.Extent) int {
	return int(e.To-e.From+1) * int(max(s.size.Load(), 64<<10)) //nolint:gosec // it is small
}

// Span reads the traces of an extent.
func (s *Source) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Trace], error) {
	none := follow.Span[eth.Trace]{}
	blocks, err := s.headers(ctx, e)
	if err != nil {
		return none, err
	}
	g, tracing := errgroup.WithContext(ctx)
	g.SetLimit(apart)
	for i := range blocks {
		g.Go(func() error { return s.trace(tracing, &blocks[i], e.Final) })
	}
	if err := g.Wait(); err != nil {
		return none, err
	}
	span := follow.Span[eth.Trace]{Parent: blocks[0].ParentHash}
	for i := range blocks {
		span.Rows = append(span.Rows, blocks[i].traces...)
		span.Blocks = append(span.Blocks, follow.Block{Ref: blocks[i].ref(), End: len(span.Rows)})
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
		return nil, fmt.Errorf("read the blocks %d to %d that are to be traced: %w", e.From, e.To, err)
	}
	for i := 1; i < len(blocks); i++ {
		if last, at := &blocks[i-1], &blocks[i]; at.ParentHash != last.BlockHash {
			return nil, fmt.Errorf("%w: block %d has parent %s, but block %d is %s", follow.ErrUnlinked, at.BlockNumber, at.ParentHash, last.BlockNumber, last.BlockHash)
		}
	}
	return blocks, nil
}

// trace reads the traces of a block.
func (s *Source) trace(ctx context.Context, b *block, final bool) error {
	mined := !b.Difficulty.IsZero() && b.BlockNumber > 0
	if len(b.hashes) == 0 && (!mined || s.Dialect == Geth) {
		return nil // nothing happened in it, and nobody was rewarded
	}
	speak, err := s.speaks(ctx, b)
	if err != nil || len(b.hashes) == 0 && speak == Geth {
		return err
	}
	err = s.whole(ctx, b, speak, final)
	if heavy(err) && len(b.hashes) > 0 && ctx.Err() == nil {
		s.Log.Info("a block is too much for the node: tracing it transaction by transaction", "block", b.BlockNumber, "transactions", len(b.hashes), "error", err)
		err = s.pieces(ctx, b, speak, final)
	}
	if err != nil {
		return fmt.Errorf("trace block %d: %w", b.BlockNumber, pruned(b, err))
	}
	return nil
}

// whole traces a block in one call.
func (s *Source) whole(ctx context.Context, b *block, speak Dialect, final bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, errSlow)
	defer cancel()
	call := s.parityCall(b)
	if speak == Geth {
		call = s.gethCall(b)
	}
	err := place.Ask(ctx, s.Client, []view.Ref{b.ref()}, final, []chain.Call{call})
	if chain.KindOf(err) == chain.NoMethod && speak == Geth && !s.byNumber.Swap(true) {
		s.Log.Info("the node has no debug_traceBlockByHash: asking by number", "error", err)
		return place.Ask(ctx, s.Client, []view.Ref{b.ref()}, final, []chain.Call{s.gethCall(b)})
	}
	return err
}

func (s *Source) gethCall(b *block) chain.Call {
	method, which := "debug_traceBlockByHash", any(b.BlockHash)
	if s.byNumber.Load() {
		method, which = "debug_traceBlockByNumber", chain.Hex(b.BlockNumber)
	}
	return chain.Call{Method: method, Params: []any{which, s.tracer()}, Once: true, Decode: func(raw []byte) error {
		s.weigh(raw)
		traces, err := s.decoder().CallTraces(raw, &b.Header, b.hashes)
		return s.take(b, traces, err)
	}}
}

// tracer is what go-ethereum is told.
func (s *Source) tracer() map[string]any {
	return map[string]any{"tracer": "callTracer", "timeout": s.Timeout.String()}
}

func (s *Source) parityCall(b *block) chain.Call {
	return chain.Call{Method: "trace_block", Params: []any{chain.Hex(b.BlockNumber)}, Once: true, Decode: func(raw []byte) error {
		s.weigh(raw)
		traces, err := s.decoder().Traces(raw)
		return s.take(b, traces, err)
	}}
}

func (s *Source) decoder() *decode.Decoder { return &decode.Decoder{ChainID: s.ChainID} }

// weigh remembers how large answers are.
func (s *Source) weigh(raw []byte) {
	last := s.size.Load()
	s.size.Store(last + (int64(len(raw))-last)/8)
}

// take makes traces those of a block, if they are.
func (s *Source) take(b *block, traces []eth.Trace, err error) error {
	if err == nil {
		err = belong(b, traces)
	}
	if errors.Is(err, decode.ErrElsewhere) {
		return fmt.Errorf("%w: %w", chain.ErrMoved, err)
	}
	if err != nil {
		return err
	}
	for i := range traces {
		traces[i].Timestamp, traces[i].ChainID = b.Timestamp, s.ChainID
	}
	b.traces = traces
	return nil
}

// belong checks that traces are of a block, and that every transaction of it has one of its own.
func belong(b *block, traces []eth.Trace) error {
	roots := make([]bool, len(b.hashes))
	for i := range traces {
		t := &traces[i]
		if err := b.has(i, t); err != nil {
			return err
		}
		if t.TransactionHash == nil || len(t.TraceAddress) > 0 {
			continue
		}
		if roots[*t.TransactionIndex] && t.TraceType != "suicide" {
			return fmt.Errorf("transaction %d of block %d has two traces of its own", *t.TransactionIndex, b.BlockNumber)
		}
		roots[*t.TransactionIndex] = true
	}
	for i, there := range roots {
		if !there {
			return fmt.Errorf("transaction %d (%s) of block %d has no trace", i, b.hashes[i], b.BlockNumber)
		}
	}
	return nil
}

// has checks that a trace is of a block, and of the transaction that it says it is of.
func (b *block) has(i int, t *eth.Trace) error {
	switch {
	case t.BlockHash != b.BlockHash || t.BlockNumber != b.BlockNumber:
		return fmt.Errorf("trace %d: %w, %d (%s) and not %d (%s)", i, decode.ErrElsewhere, t.BlockNumber, t.BlockHash, b.BlockNumber, b.BlockHash)
	case t.TransactionHash == nil:
		return nil
	case t.TransactionIndex == nil || *t.TransactionIndex >= uint64(len(b.hashes)) || b.hashes[*t.TransactionIndex] != *t.TransactionHash:
		return fmt.Errorf("trace %d is of transaction %s, which block %d does not have in its place", i, t.TransactionHash, b.BlockNumber)
	}
	return nil
}

var (
	errSlow = errors.New("the block took longer than block_timeout allows")
	// tooSlow and gone are what nodes say of blocks that are too heavy, and of states that they have not kept.
	tooSlow = regexp.MustCompile(`(?i)execution timeout|execution aborted|context deadline|timed? ?out|too (large|big|heavy)|out of memory`)
	gone    = regexp.MustCompile(`(?i)(historical|required|parent).*state.*(un|not )available|state (is )?(un|not )available|missing trie node|reexec|state.*(pruned|not found)|no state`)
)

// heavy reports whether less is to be asked for at once.
func heavy(err error) bool {
	if kind := chain.KindOf(err); kind == chain.TimedOut || kind == chain.TooMuch {
		return true
	}
	told, ok := errors.AsType[*chain.RPCError](err)
	return errors.Is(err, errSlow) || errors.Is(err, context.DeadlineExceeded) || ok && tooSlow.MatchString(told.Message)
}

// pruned says what is missing where a node cannot go back so far.
func pruned(b *block, err error) error {
	told, ok := errors.AsType[*chain.RPCError](err)
	if chain.KindOf(err) != chain.Pruned && (!ok || !gone.MatchString(told.Message)) {
		return err
	}
	return sdk.Stop(fmt.Errorf("tracing needs the state before block %d, which only an archive node has "+
		"(write an endpoint with role = \"archive\" into the network block, or begin later): %w", b.BlockNumber, err))
}
