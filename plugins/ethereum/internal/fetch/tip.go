package fetch

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// each reads blocks that may still change: every one by its hash, so that an answer without logs is about that block too, and none whose
// bloom says that there is nothing to find.
func (l *Logs) each(ctx context.Context, chosen *selection, e follow.Extent) (follow.Span[eth.Log], error) {
	t := l.node.take()
	defer l.node.give(t)
	at := &places{final: e.Doubted}
	blocks, err := l.tip(ctx, t, e, at)
	if err != nil {
		return follow.Span[eth.Log]{}, err
	}
	width := l.split.width()
	if err := at.outcome(l.byHash(ctx, t, chosen, blocks, at)); err != nil {
		if chain.KindOf(err) == chain.TooManyAddresses && l.split.narrow(min(width, chosen.widest())) {
			return l.each(ctx, chosen, e)
		}
		return follow.Span[eth.Log]{}, err
	}
	if err := l.doubted(ctx, t, chosen, blocks); err != nil {
		return follow.Span[eth.Log]{}, err
	}
	span := follow.Span[eth.Log]{Parent: blocks[0].ParentHash}
	for i := range blocks {
		span.Rows = append(span.Rows, blocks[i].Logs...)
		span.Blocks = append(span.Blocks, follow.Block{Ref: refOf(&blocks[i].Header), End: len(span.Rows)})
	}
	return span, nil
}

// tip is the headers of the blocks of an extent, linked. One that was announced need not be asked for.
func (l *Logs) tip(ctx context.Context, t *tools, e follow.Extent, at *places) ([]Block, error) {
	blocks := make([]Block, e.To-e.From+1)
	var calls []chain.Call
	for i := range blocks {
		number := e.From + uint64(i)
		if number == e.Head.Number && !e.Doubted && l.announced(t, e.Head.Hash, &blocks[i]) {
			continue
		}
		calls = append(calls, l.node.blockCall(t, number, Part{}, at, &blocks[i]))
	}
	if len(calls) > 0 {
		if err := at.outcome(l.node.Client.Do(ctx, calls)); err != nil {
			return nil, err
		}
	}
	for i := 1; i < len(blocks); i++ {
		if blocks[i].ParentHash != blocks[i-1].BlockHash {
			return nil, unlinked(blocks[i].BlockNumber, blocks[i].ParentHash, refOf(&blocks[i-1].Header))
		}
	}
	return blocks, nil
}

// announced fills in a block whose header came with the news of it.
func (l *Logs) announced(t *tools, hash common.Hash, into *Block) bool {
	if l.config.Head == nil || hash == (common.Hash{}) {
		return false
	}
	raw, ok := l.config.Head(hash)
	if !ok || l.node.decodeBlock(t, raw, false, into) != nil || into.BlockHash != hash {
		*into = Block{}
		return false
	}
	into.unlisted = l.node.Verify // the news has no transactions
	return true
}

// listCall asks for the transactions of a block whose header is known, beside its logs: they say which transaction they are of.
func (l *Logs) listCall(t *tools, b *Block) chain.Call {
	return chain.Call{Method: "eth_getBlockByHash", Params: []any{b.BlockHash, false}, Decode: func(raw []byte) error {
		var full Block
		if err := l.node.decodeBlock(t, raw, false, &full); err != nil {
			return err
		}
		if full.BlockHash != b.BlockHash {
			return fmt.Errorf("%w: asked for block %s, the node answered with block %s", chain.ErrMismatch, b.BlockHash, full.BlockHash)
		}
		b.Hashes, b.unlisted = full.Hashes, false
		return nil
	}}
}

// byHash reads the logs of each block that may have some.
func (l *Logs) byHash(ctx context.Context, t *tools, chosen *selection, blocks []Block, at *places) error {
	var (
		questions = chosen.questions(l.split.width())
		calls     []chain.Call
	)
	for i := range blocks {
		b := &blocks[i]
		if b.bloomed && !chosen.may(b.LogsBloom) {
			continue
		}
		if b.unlisted {
			calls = append(calls, l.listCall(t, b))
		}
		parts := make([][]eth.Log, len(questions))
		for k, q := range questions {
			calls = append(calls, l.logsCall(t, q, b, func(logs []eth.Log) error {
				err := l.ofBlock(t, chosen, q.group, b, logs, at)
				if err == nil {
					parts[k] = logs
					b.Logs = merged(parts)
				}
				return err
			}))
		}
	}
	if len(calls) == 0 {
		return nil
	}
	return l.node.Client.Do(ctx, calls)
}

// logsCall asks for the logs of a block.
func (l *Logs) logsCall(t *tools, q question, b *Block, take func([]eth.Log) error) chain.Call {
	params := q.params()
	params["blockHash"] = b.BlockHash
	return chain.Call{Method: "eth_getLogs", Params: []any{params}, Decode: func(raw []byte) error {
		logs, err := t.Decoder.Logs(raw)
		if err != nil {
			return err
		}
		return take(logs)
	}}
}

// merged are the answers to several questions.
func merged(parts [][]eth.Log) []eth.Log {
	if len(parts) == 0 {
		return nil
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return inOneOrder(parts)
}

// ofBlock checks logs that were asked for by the hash of their block.
func (l *Logs) ofBlock(t *tools, chosen *selection, g *group, b *Block, logs []eth.Log, at *places) error {
	if b.unlisted {
		return errEarly
	}
	if err := asked(g, logs, b.BlockNumber, b.BlockNumber); err != nil {
		return at.weigh(err)
	}
	if !l.node.Verify && chosen.all && len(logs) == 0 && !empty(b.LogsBloom) {
		return fmt.Errorf("%w: no logs for block %d, whose bloom says that there are some", chain.ErrMismatch, b.BlockNumber)
	}
	return l.node.own(t, b, logs, chosen.all, at)
}

func empty(bloom []byte) bool {
	for _, b := range bloom {
		if b != 0 {
			return false
		}
	}
	return true
}

// doubted looks into blocks without logs whose bloom says that there may be some: mostly it is a coincidence, but a node that has a block
// and not yet its logs says the same. Their receipts tell.
func (l *Logs) doubted(ctx context.Context, t *tools, chosen *selection, blocks []Block) error {
	if !l.node.Verify || chosen.all || l.oneByOne.Load() {
		return nil
	}
	for i := range blocks {
		b := &blocks[i]
		if len(b.Logs) > 0 || !b.bloomed || !chosen.may(b.LogsBloom) {
			continue
		}
		if err := l.look(ctx, t, chosen, b); err != nil {
			return err
		}
	}
	return nil
}

// look takes the logs of a block out of its receipts.
func (l *Logs) look(ctx context.Context, t *tools, chosen *selection, b *Block) error {
	at := &places{}
	full, err := l.node.blocks(ctx, t, []uint64{b.BlockNumber}, Part{Receipts: true, Logs: true}, at, &l.oneByOne)
	if err != nil {
		return err
	}
	if full[0].BlockHash != b.BlockHash {
		return fmt.Errorf("%w: block %d: %w", follow.ErrUnlinked, b.BlockNumber, decode.ErrElsewhere)
	}
	b.Logs = chosen.from(nil, full[0].Logs)
	if len(b.Logs) > 0 {
		l.node.Log.Warn("the node had a block and not its logs, which its receipts have", "block", b.BlockNumber, "logs", len(b.Logs))
	}
	return nil
}
