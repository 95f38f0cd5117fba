// Package fetch reads spans of blocks, as package follow wants them: whole, in order, and each part proven to belong to the block that it is
// given out for, as far as the chain commits to it.
//
// An answer is decoded and verified where it arrives, within the Decode of its call: what cannot be true is refused, and the host asks for
// it elsewhere. So whatever leaves this package was true by the time it was taken.
package fetch

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// Node is whom sources ask and how much they believe. Its fields are set before it is used; then it is safe for concurrent use.
type Node struct {
	Client  *chain.Client
	ChainID uint64 // every row says it
	Verify  bool   // recompute what the chain commits to
	Log     hclog.Logger

	tools sync.Pool
	told  sync.Once // that something cannot be verified
}

// tools are what a goroutine works with. They keep memory for their next use.
type tools struct {
	decode.Decoder
	verify.Verifier
	logs []eth.Log
}

func (n *Node) take() *tools {
	t, ok := n.tools.Get().(*tools)
	if !ok {
		t = &tools{Decoder: decode.Decoder{ChainID: n.ChainID}}
	}
	return t
}

func (n *Node) give(t *tools) {
	clear(t.logs)
	n.tools.Put(t)
}

// Ref reads the place of a block that lists the hashes of its transactions, verified as all others are.
func (n *Node) Ref(raw []byte) (view.Ref, error) {
	t := n.take()
	defer n.give(t)
	var b Block
	if err := n.decodeBlock(t, raw, false, &b); err != nil {
		return view.Ref{}, err
	}
	return refOf(&b.Header), nil
}

// verdict is what a check says about an answer: nil if it is to be taken. What cannot be recomputed is taken with a word in the log on
// chains that have their own rules, and refused on those where it always can.
func (n *Node) verdict(err error) error {
	if err == nil {
		return nil
	}
	if _, no := errors.AsType[*verify.Unverifiable](err); no {
		if verify.Ethereum(n.ChainID) {
			return unprovenError{err}
		}
		n.told.Do(func() {
			n.Log.Warn("this chain has blocks that are not made as Ethereum's are: what cannot be recomputed is read unverified", "chain", n.ChainID, "first", err)
		})
		return nil
	}
	return fmt.Errorf("%w: %w (set verify = false to read it as it is)", chain.ErrMismatch, err)
}

// unprovenError refuses what could be recomputed if the node had told all of it.
type unprovenError struct{ error }

func (e unprovenError) Error() string {
	return fmt.Sprintf("%v, though every block of this chain can (set verify = false to read it as it is)", e.error)
}

func (e unprovenError) Unwrap() []error { return []error{e.error, chain.ErrMismatch} }

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

// errEarly is about an answer that came before, or without, the one that it is to be compared with.
var errEarly = errors.New("the node does not have the block yet that this answer is about")

// errNumber is for a block that was not asked for.
func errNumber(want, got uint64) error {
	return fmt.Errorf("%w: asked for block %d, the node answered with block %d", chain.ErrMismatch, want, got)
}

// unlinked is for blocks that are not each other's parents.
func unlinked(number uint64, parent common.Hash, before view.Ref) error {
	return fmt.Errorf("%w: block %d has parent %s, but block %d is %s", follow.ErrUnlinked, number, parent, before.Number, before.Hash)
}

func refOf(h *eth.Header) view.Ref {
	return view.Ref{Number: h.BlockNumber, Hash: h.BlockHash, Parent: h.ParentHash, Time: h.Timestamp}
}
