package fetch

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// each reads blocks that may still change: every one by its hash, so that an answer without logs is about that block too.
func (l *Logs) each(ctx context.Context, e follow.Extent) (follow.Span[eth.Log], error) {
	refs, err := l.places(ctx, e)
	if err != nil {
		return follow.Span[eth.Log]{}, err
	}
	answers, err := l.byHash(ctx, refs)
	if chain.KindOf(err) == chain.TooManyAddresses && l.split.narrow(min(l.split.width(), len(l.addresses))) {
		return l.each(ctx, e)
	}
	if err != nil {
		return follow.Span[eth.Log]{}, err
	}
	span := follow.Span[eth.Log]{Parent: refs[0].Parent}
	for i, ref := range refs {
		if err := l.check(ctx, answers[i], ref, ref); err != nil {
			return follow.Span[eth.Log]{}, err
		}
		span.Rows = append(span.Rows, answers[i]...)
		span.Blocks = append(span.Blocks, follow.Block{Ref: ref, End: len(span.Rows)})
	}
	return span, nil
}

// places is those of the blocks of an extent, linked. The head need not be asked for.
func (l *Logs) places(ctx context.Context, e follow.Extent) ([]view.Ref, error) {
	numbers := make([]uint64, 0, e.To-e.From+1)
	for n := e.From; n < e.To; n++ {
		numbers = append(numbers, n)
	}
	known := e.Head.Number == e.To && e.Head.Hash != common.Hash{}
	if !known {
		numbers = append(numbers, e.To)
	}
	refs, err := l.refs(ctx, numbers)
	if err != nil {
		return nil, err
	}
	if known {
		refs = append(refs, e.Head)
	}
	for i := 1; i < len(refs); i++ {
		if refs[i].Parent != refs[i-1].Hash {
			return nil, fmt.Errorf("%w: block %d has parent %s, but block %d is %s",
				follow.ErrUnlinked, refs[i].Number, refs[i].Parent, refs[i-1].Number, refs[i-1].Hash)
		}
	}
	return refs, nil
}

// byHash reads the logs of each block.
func (l *Logs) byHash(ctx context.Context, refs []view.Ref) ([][]eth.Log, error) {
	var (
		dec     = new(decode.Decoder)
		parts   = l.split.of(l.addresses)
		answers = make([][]eth.Log, len(refs))
		calls   = make([]chain.Call, 0, len(refs)*len(parts))
		all     = len(l.addresses) == 0 && len(l.topics) == 0
	)
	for i, ref := range refs {
		for _, addresses := range parts {
			query := l.query(addresses)
			query["blockHash"] = ref.Hash
			calls = append(calls, chain.Call{Method: "eth_getLogs", Params: []any{query}, Decode: func(raw []byte) error {
				logs, err := dec.Logs(raw)
				if err == nil && all && len(logs) == 0 && !ref.Quiet {
					err = fmt.Errorf("the node answered with no logs for block %d, whose bloom says that there are some", ref.Number)
				}
				answers[i] = append(answers[i], logs...)
				return err
			}})
		}
	}
	return answers, l.client.Do(ctx, calls)
}
