package fetch

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Logs reads logs: by ranges of final blocks, as large as the node takes, and above them block by block, by hash.
type Logs struct {
	client    *chain.Client
	log       hclog.Logger
	addresses []common.Address
	topics    [][]common.Hash
	size      *rangeSize
	split     *addressSplit
}

// Filter chooses logs: from any of the addresses, and with any of the topics given for each position. What is empty takes all.
type Filter struct {
	Addresses []common.Address
	Topics    [][]common.Hash
}

// NewLogs makes a source of logs that asks for at most so many blocks at once; 0: 10000.
func NewLogs(client *chain.Client, filter Filter, most uint64, log hclog.Logger) *Logs {
	if most == 0 {
		most = 10_000
	}
	first := uint64(500)
	if len(filter.Addresses) == 0 && len(filter.Topics) == 0 {
		first = 20 // every log there is
	}
	return &Logs{
		client: client, log: log, addresses: filter.Addresses, topics: plain(filter.Topics),
		size: newRangeSize(first, most), split: &addressSplit{most: 1000},
	}
}

// plain writes positions that take anything as null, and leaves them out at the end, where some nodes do not want them.
func plain(topics [][]common.Hash) [][]common.Hash {
	var out [][]common.Hash
	last := 0
	for _, hashes := range topics {
		if len(hashes) == 0 {
			hashes = nil
		}
		out = append(out, hashes)
		if hashes != nil {
			last = len(out)
		}
	}
	return out[:last]
}

// Size is what the node takes in history, and a few blocks at the head.
func (l *Logs) Size(final bool) uint64 {
	if final {
		return l.size.blocks()
	}
	return 32
}

// Span reads the logs of an extent.
func (l *Logs) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Log], error) {
	if e.Final {
		return l.whole(ctx, e.From, e.To)
	}
	return l.each(ctx, e)
}

// whole reads a range at once, or in pieces if that is too much.
func (l *Logs) whole(ctx context.Context, from, to uint64) (follow.Span[eth.Log], error) {
	width := l.split.width()
	span, err := l.ask(ctx, from, to)
	switch kind := chain.KindOf(err); {
	case err == nil:
		l.size.worked(to-from+1, len(span.Rows))
		return span, nil
	case kind == chain.TooManyAddresses && l.split.narrow(min(width, len(l.addresses))):
		l.log.Info("the node takes fewer addresses at once", "addresses", l.split.width())
		return l.whole(ctx, from, to)
	case kind != chain.TooMuch || from == to:
		return span, err
	}
	piece := l.size.refused(to-from+1, err)
	l.log.Debug("smaller ranges of logs", "blocks", piece, "why", err)
	return l.pieces(ctx, from, to, piece)
}

func (l *Logs) pieces(ctx context.Context, from, to, piece uint64) (follow.Span[eth.Log], error) {
	var all follow.Span[eth.Log]
	for at := from; at <= to; {
		end := min(to, at+piece-1)
		part, err := l.whole(ctx, at, end)
		if err != nil {
			return all, err
		}
		if at == from {
			all.Parent = part.Parent
		} else if last := all.Blocks[0]; last.Hash != part.Parent {
			return all, fmt.Errorf("%w: block %d has parent %s, but block %d is %s", follow.ErrUnlinked, at, part.Parent, last.Number, last.Hash)
		}
		all.Rows = append(all.Rows, part.Rows...)
		all.Blocks = part.Blocks
		all.Blocks[0].End = len(all.Rows)
		at = end + 1
	}
	return all, nil
}

// ask reads a range with one batch. The blocks at its ends are in it too and come first: they link it to its neighbours, and a node that
// has had the last one has all the logs.
func (l *Logs) ask(ctx context.Context, from, to uint64) (follow.Span[eth.Log], error) {
	var (
		dec         = new(decode.Decoder)
		first, last view.Ref
		parts       = l.split.of(l.addresses)
		answers     = make([][]eth.Log, len(parts))
		calls       = []chain.Call{refCall(dec, to, &last)}
	)
	if to > from {
		calls = append(calls, refCall(dec, from, &first))
	}
	for i, addresses := range parts {
		query := l.query(addresses)
		query["fromBlock"], query["toBlock"] = chain.Hex(from), chain.Hex(to)
		calls = append(calls, chain.Call{Method: "eth_getLogs", Params: []any{query}, Once: from < to, Decode: func(raw []byte) (err error) {
			if last.Hash == (common.Hash{}) {
				return errEarly // what a node says of a range whose end it does not have may be half of it
			}
			answers[i], err = dec.Logs(raw)
			return err
		}})
	}
	if err := l.client.Do(ctx, calls); err != nil {
		return follow.Span[eth.Log]{}, err
	}
	if to == from {
		first = last
	}
	rows := slices.Concat(answers...)
	if err := l.check(ctx, rows, first, last); err != nil {
		return follow.Span[eth.Log]{}, err
	}
	return follow.Span[eth.Log]{Parent: first.Parent, Blocks: []follow.Block{{Ref: last, End: len(rows)}}, Rows: rows}, nil
}

// check makes sure that logs can be what a range has, and gives them their time where the node did not.
func (l *Logs) check(ctx context.Context, rows []eth.Log, first, last view.Ref) error {
	if err := decode.InOrder(rows, first.Number, last.Number); err != nil {
		return moved(err)
	}
	known := map[uint64]view.Ref{first.Number: first, last.Number: last}
	if err := l.times(ctx, rows, known); err != nil {
		return err
	}
	for i := range rows {
		row := &rows[i]
		at, ok := known[row.BlockNumber]
		if ok && at.Hash != row.BlockHash {
			return moved(fmt.Errorf("a log of block %d: %w, %s and not %s", row.BlockNumber, decode.ErrElsewhere, row.BlockHash, at.Hash))
		}
		if row.Timestamp.IsZero() {
			row.Timestamp = at.Time
		}
	}
	return nil
}

// moved marks answers that contradict one another.
func moved(err error) error { return fmt.Errorf("%w: %w", follow.ErrUnlinked, err) }

// times asks for the blocks of logs without a time, beyond those that are known.
func (l *Logs) times(ctx context.Context, rows []eth.Log, known map[uint64]view.Ref) error {
	var missing []uint64
	for i := range rows {
		number := rows[i].BlockNumber
		if _, ok := known[number]; !ok && rows[i].Timestamp.IsZero() {
			known[number] = view.Ref{}
			missing = append(missing, number)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	refs, err := l.refs(ctx, missing)
	for i, number := range missing {
		if err == nil {
			known[number] = refs[i]
		}
	}
	return err
}

// refs reads the places of blocks that must be there.
func (l *Logs) refs(ctx context.Context, numbers []uint64) ([]view.Ref, error) {
	dec := new(decode.Decoder)
	refs := make([]view.Ref, len(numbers))
	calls := make([]chain.Call, len(numbers))
	for i, number := range numbers {
		calls[i] = refCall(dec, number, &refs[i])
	}
	return refs, l.client.Do(ctx, calls)
}

func refCall(dec *decode.Decoder, number uint64, into *view.Ref) chain.Call {
	return chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(number), false}, Decode: func(raw []byte) (err error) {
		*into, err = dec.Ref(raw)
		if err == nil && into.Number != number {
			err = fmt.Errorf("asked for block %d, the node answered with block %d", number, into.Number)
		}
		return err
	}}
}

// query is the part of a filter that does not say which blocks.
func (l *Logs) query(addresses []common.Address) map[string]any {
	query := map[string]any{}
	if len(addresses) > 0 {
		query["address"] = addresses
	}
	if len(l.topics) > 0 {
		query["topics"] = l.topics
	}
	return query
}
