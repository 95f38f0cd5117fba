package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// whole reads a range at once, or in pieces if that is too much.
func (l *Logs) whole(ctx context.Context, chosen *selection, from, to uint64) (follow.Span[eth.Log], error) {
	width := l.split.width()
	span, err := l.ask(ctx, chosen, from, to)
	switch kind := chain.KindOf(err); {
	case err == nil:
		if l.density.ranged(to-from+1, len(span.Rows), chosen.all) {
			l.measure(ctx, chosen, to)
		}
		return span, nil
	case kind == chain.TooManyAddresses && l.split.narrow(min(width, chosen.widest())):
		l.node.Log.Info("the node takes fewer addresses at once", "addresses", l.split.width())
		l.learn(ctx, err, lessonAddresses, "", uint64(l.split.width())) //nolint:gosec // it is positive
		return l.whole(ctx, chosen, from, to)
	case kind == chain.Unclear && from < to:
		return l.unclear(ctx, chosen, from, to, err)
	case from < to && (kind == chain.TooMuch || kind == chain.TimedOut):
		return l.smaller(ctx, chosen, from, to, err)
	case from == to && kind == chain.TooMuch:
		return l.crowded(ctx, chosen, from, err)
	}
	return span, err
}

// smaller reads a range that was too much.
func (l *Logs) smaller(ctx context.Context, chosen *selection, from, to uint64, err error) (follow.Span[eth.Log], error) {
	piece := l.size.refused(to-from+1, err)
	what := lessonBlocks
	if limitOf(err).Blocks == piece {
		what = lessonLimit
	}
	l.learn(ctx, err, what, chosen.shape(), piece)
	l.node.Log.Debug("smaller ranges of logs", "blocks", piece, "why", err)
	return l.pieces(ctx, chosen, from, to, piece)
}

// unclear reads a range that the node refused in words that nobody knows. Most likely it was too much; but where a single block is
// refused too, it is not the size, and the words are for people.
func (l *Logs) unclear(ctx context.Context, chosen *selection, from, to uint64, why error) (follow.Span[eth.Log], error) {
	if _, err := l.ask(ctx, chosen, from, from); chain.KindOf(err) == chain.Unclear {
		return follow.Span[eth.Log]{}, fmt.Errorf("logs of blocks %d to %d, and of block %d alone: %w", from, to, from, err)
	}
	return l.smaller(ctx, chosen, from, to, why)
}

// crowded reads a block that has more logs than the node lists.
func (l *Logs) crowded(ctx context.Context, chosen *selection, number uint64, why error) (follow.Span[eth.Log], error) {
	span, err := l.proven(ctx, chosen, follow.Extent{From: number, To: number, Final: true})
	if err != nil {
		return span, fmt.Errorf("%w; its receipts: %w", why, err)
	}
	return span, nil
}

func (l *Logs) pieces(ctx context.Context, chosen *selection, from, to, piece uint64) (follow.Span[eth.Log], error) {
	var all follow.Span[eth.Log]
	for at := from; at <= to; {
		end := min(to, at+piece-1)
		part, err := l.whole(ctx, chosen, at, end)
		if err != nil {
			return all, err
		}
		if at == from {
			all.Parent = part.Parent
		} else if last := all.Blocks[0]; last.Hash != part.Parent {
			return all, unlinked(at, part.Parent, last.Ref)
		}
		all.Rows = append(all.Rows, part.Rows...)
		all.Blocks = part.Blocks[len(part.Blocks)-1:]
		all.Blocks[0].End = len(all.Rows)
		at = end + 1
	}
	return all, nil
}

// together is how many questions go into one exchange with the block at the end of their range.
const together = 10

// ask reads a range. The block at its end is in the same exchange and comes first: a node that has it has all the logs.
func (l *Logs) ask(ctx context.Context, chosen *selection, from, to uint64) (follow.Span[eth.Log], error) {
	t := l.node.take()
	defer l.node.give(t)
	var (
		r         = &logRange{logs: l, chosen: chosen, from: from, to: to, known: map[uint64]*Block{}, at: &places{final: true}}
		questions = chosen.questions(l.split.width())
		began     = time.Now()
		parts     [][]eth.Log
	)
	for first := true; first || len(questions) > 0; first = false {
		part := questions[:min(together, len(questions))]
		questions = questions[len(part):]
		answers, err := r.exchange(ctx, t, part)
		if err != nil {
			return follow.Span[eth.Log]{}, r.at.outcome(err)
		}
		parts = append(parts, answers...)
	}
	rows := merged(parts)
	l.size.worked(to-from+1, len(rows), r.bytes, time.Since(began))
	first, last := &r.known[from].Header, &r.known[to].Header
	return follow.Span[eth.Log]{Parent: first.ParentHash, Blocks: []follow.Block{{Ref: refOf(last), End: len(rows)}}, Rows: rows}, nil
}

// inOneOrder puts the answers to several questions together as the chain has the logs. One that two groups take is there once.
func inOneOrder(parts [][]eth.Log) []eth.Log {
	all := slices.Concat(parts...)
	order := func(a, b eth.Log) int {
		return cmp.Or(cmp.Compare(a.BlockNumber, b.BlockNumber), cmp.Compare(a.LogIndex, b.LogIndex))
	}
	slices.SortStableFunc(all, order)
	return slices.CompactFunc(all, func(a, b eth.Log) bool { return order(a, b) == 0 })
}

// logRange is a range that is being asked for.
type logRange struct {
	logs     *Logs
	chosen   *selection
	from, to uint64
	known    map[uint64]*Block // headers, by number
	at       *places
	bytes    int
}

// exchange asks questions, and for the blocks at the ends.
func (r *logRange) exchange(ctx context.Context, t *tools, questions []question) ([][]eth.Log, error) {
	n := r.logs.node
	last := &Block{}
	r.known[r.to] = last
	calls := []chain.Call{n.blockCall(t, r.to, Part{}, r.at, last)}
	if r.known[r.from] == nil {
		first := &Block{}
		r.known[r.from] = first
		calls = append(calls, n.blockCall(t, r.from, Part{}, r.at, first))
	}
	answers := make([][]eth.Log, len(questions))
	for i, q := range questions {
		params := q.params()
		params["fromBlock"], params["toBlock"] = chain.Hex(r.from), chain.Hex(r.to)
		calls = append(calls, chain.Call{Method: "eth_getLogs", Params: []any{params}, Once: r.from < r.to, Decode: func(raw []byte) error {
			if r.known[r.to].BlockHash == (common.Hash{}) || r.known[r.from].BlockHash == (common.Hash{}) {
				return errEarly // what a node says of a range whose end it does not have may be half of it
			}
			logs, err := t.Decoder.Logs(raw)
			if err == nil {
				err = r.check(ctx, t, q.group, logs)
			}
			if err == nil {
				answers[i] = logs
				r.bytes += len(raw)
			}
			return err
		}})
	}
	return answers, n.Client.Together(ctx, calls)
}

// check makes sure that logs can be what the range has, and gives them their time where the node did not.
func (r *logRange) check(ctx context.Context, t *tools, g *group, logs []eth.Log) error {
	if err := asked(g, logs, r.from, r.to); err != nil {
		return r.at.weigh(err)
	}
	needed := r.needed(logs)
	if err := r.headers(ctx, t, needed); err != nil {
		return err
	}
	err := r.compare(t, logs)
	if err != nil {
		for _, number := range needed {
			delete(r.known, number) // one of the two is wrong, and nobody knows which
		}
	}
	return err
}

// asked checks that logs are in order, once each, and what was asked for.
func asked(g *group, logs []eth.Log, from, to uint64) error {
	if err := decode.InOrder(logs, from, to); err != nil {
		if errors.Is(err, decode.ErrElsewhere) {
			return err
		}
		return fmt.Errorf("%w: %w", chain.ErrMismatch, err)
	}
	for i := range logs {
		if !g.takes(&logs[i]) {
			return fmt.Errorf("%w: log %d of block %d, of %s, was not asked for", chain.ErrMismatch, logs[i].LogIndex, logs[i].BlockNumber, logs[i].Address)
		}
	}
	return nil
}

// needed is which blocks have to be known to check logs: all that have some, or all there are if all logs were asked for. Unverified
// only those are needed whose time the node did not tell.
func (r *logRange) needed(logs []eth.Log) (numbers []uint64) {
	if r.logs.node.Verify && r.chosen.all {
		for number := r.from; number <= r.to; number++ {
			if r.known[number] == nil {
				numbers = append(numbers, number)
			}
		}
		return numbers
	}
	for i := range logs {
		number := logs[i].BlockNumber
		seen := i > 0 && logs[i-1].BlockNumber == number
		if !seen && r.known[number] == nil && (r.logs.node.Verify || logs[i].Timestamp.IsZero()) {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func (r *logRange) headers(ctx context.Context, t *tools, numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	calls := make([]chain.Call, len(numbers))
	blocks := make([]Block, len(numbers))
	for i, number := range numbers {
		r.known[number] = &blocks[i]
		calls[i] = r.logs.node.blockCall(t, number, Part{}, r.at, &blocks[i])
	}
	return r.logs.node.Client.Do(ctx, calls)
}

// compare holds logs against the blocks that are known.
func (r *logRange) compare(t *tools, logs []eth.Log) error {
	if r.logs.node.Verify && r.chosen.all {
		return r.compareAll(t, logs)
	}
	for len(logs) > 0 {
		number := logs[0].BlockNumber
		own := of(logs, number)
		if at := r.known[number]; at != nil {
			if err := r.logs.node.own(t, at, own, false, r.at); err != nil {
				return err
			}
		}
		logs = logs[len(own):]
	}
	return nil
}

// compareAll is compare where all logs were asked for.
func (r *logRange) compareAll(t *tools, logs []eth.Log) error {
	for number := r.from; number <= r.to; number++ {
		own := of(logs, number)
		if err := r.logs.node.own(t, r.known[number], own, true, r.at); err != nil {
			return err
		}
		logs = logs[len(own):]
	}
	return nil
}

// of is the logs of a block that others begin with.
func of(logs []eth.Log, number uint64) []eth.Log {
	own := 0
	for own < len(logs) && logs[own].BlockNumber == number {
		own++
	}
	return logs[:own]
}

// own checks logs of one block against its header, and gives them their time.
func (n *Node) own(t *tools, b *Block, logs []eth.Log, all bool, at *places) error {
	for i := range logs {
		l := &logs[i]
		switch {
		case l.BlockHash != b.BlockHash:
			return at.weigh(fmt.Errorf("a log of block %d: %w, %s and not %s", l.BlockNumber, decode.ErrElsewhere, l.BlockHash, b.BlockHash))
		case l.Timestamp.IsZero():
			l.Timestamp = b.Timestamp
		case n.Verify && !l.Timestamp.Equal(b.Timestamp):
			return fmt.Errorf("%w: log %d of block %d has the time %s, its block %s", chain.ErrMismatch, l.LogIndex, l.BlockNumber, l.Timestamp, b.Timestamp)
		}
		if n.Verify && (l.TransactionIndex >= uint64(len(b.Hashes)) || b.Hashes[l.TransactionIndex] != l.TransactionHash) {
			return fmt.Errorf("%w: log %d of block %d is of transaction %d, %s, which its block does not have there",
				chain.ErrMismatch, l.LogIndex, l.BlockNumber, l.TransactionIndex, l.TransactionHash)
		}
	}
	switch {
	case !n.Verify:
		return nil
	case all:
		return n.verdict(t.AllLogs(&b.Header, logs))
	default:
		return n.verdict(t.Verifier.Logs(&b.Header, logs))
	}
}

// measure finds out how much of the logs of a block are chosen ones.
func (l *Logs) measure(ctx context.Context, chosen *selection, number uint64) {
	_, err := l.proven(ctx, chosen, follow.Extent{From: number, To: number, Final: true})
	if chain.KindOf(err) == chain.NoMethod {
		l.density.giveUp()
	}
	if err != nil && ctx.Err() == nil {
		l.node.Log.Debug("how many logs a block has could not be measured", "block", number, "error", err)
	}
}
