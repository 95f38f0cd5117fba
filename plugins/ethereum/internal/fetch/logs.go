package fetch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

// LogsConfig says how to read logs. Zero values mean the defaults.
type LogsConfig struct {
	Most     uint64 // blocks in one eth_getLogs at most; 10000
	Complete bool   // prove every block: see Logs
	// Slow is how long an answer to an eth_getLogs may take before less is asked for; 2 s.
	Slow time.Duration
	// Head is the block of a hash as it was announced, without what is in it; false where it was not.
	Head func(hash common.Hash) ([]byte, bool)
}

// Logs reads logs. Final blocks are read by ranges as large as the node takes, or, where the chosen logs are many and most of what there
// is, out of their receipts; blocks that may change one by one, by their hashes. Where every log is wanted, and verified, or Complete is
// set, all are read out of receipts; only blocks whose bloom rules a chosen log out need none.
//
// What verification comes to differs. Logs out of receipts are proven: all are there, and all they say is so. Of an answer to
// eth_getLogs it is checked that every log was asked for, that its block has the hash and its transaction the place it says, and that
// its address and topics are in the block's bloom. That no chosen log is missing is checked of blocks that may still change only, by
// their receipts where there are none and the bloom says that there may be. The data of a log is not proven.
type Logs struct {
	node     *Node
	config   LogsConfig
	chosen   atomic.Pointer[selection]
	size     *rangeSize
	split    *addressSplit
	pace     *pace // of receipts
	density  density
	crowd    crowd
	oneByOne atomic.Bool // the node has no eth_getBlockReceipts
}

// NewLogs makes a source of logs.
func NewLogs(ctx context.Context, n *Node, filter Filter, c LogsConfig) *Logs {
	if c.Most == 0 {
		c.Most = 10_000
	}
	if c.Slow == 0 {
		c.Slow = 2 * answerTime
	}
	l := &Logs{node: n, config: c, split: &addressSplit{most: 1000}, pace: newPace(5, 200)}
	l.Choose(filter)
	first := uint64(500)
	if l.chosen.Load().all {
		first = 20
	}
	l.size = newRangeSize(first, c.Most, c.Slow)
	l.remember(ctx)
	return l
}

// Choose changes which logs are read, from the next span on. No group at all chooses none.
func (l *Logs) Choose(filter Filter) {
	l.chosen.Store(newSelection(filter))
	l.density.forget()
}

// Size is what the node takes in history, and a few blocks at the head.
func (l *Logs) Size(final bool) uint64 {
	switch {
	case !final:
		return 32
	case l.out(l.chosen.Load()):
		return l.pace.blocks()
	}
	return l.size.blocks()
}

// Weight is about how many bytes the answers for an extent have.
func (l *Logs) Weight(e follow.Extent) int {
	blocks := e.To - e.From + 1
	if l.out(l.chosen.Load()) {
		return l.pace.weight(blocks)
	}
	return l.size.weight(blocks)
}

// out reports whether logs are read out of receipts.
func (l *Logs) out(chosen *selection) bool { return l.must(chosen) || l.density.byReceipts() }

// must reports whether they have to be: to prove them all. Where every log is wanted that costs little.
func (l *Logs) must(chosen *selection) bool {
	return l.config.Complete || l.node.Verify && chosen.all && !l.density.given()
}

// Span reads the logs of an extent.
func (l *Logs) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Log], error) {
	chosen := l.chosen.Load()
	// An extent that was planned for ranges may be far too large for receipts.
	fits := e.To-e.From < 4*l.pace.blocks()
	if l.must(chosen) || e.Final && fits && l.density.byReceipts() {
		span, err := l.proven(ctx, chosen, e)
		if chain.KindOf(err) != chain.NoMethod || l.config.Complete {
			return span, err
		}
		l.node.Log.Warn("the node has no receipts: logs are read without proof that none is missing", "because", err)
		l.density.giveUp()
	}
	if !e.Final {
		return l.each(ctx, chosen, e)
	}
	return l.whole(ctx, chosen, e.From, e.To)
}

// remember begins with what earlier processes learned.
func (l *Logs) remember(ctx context.Context) {
	known, err := l.node.Client.Known(ctx)
	if err != nil {
		l.node.Log.Debug("nothing is known of what nodes take", "error", err)
		return
	}
	var blocks, limit, addresses uint64 // of the most generous endpoint: others will object
	for name, value := range known {
		switch endpoint, what, shape := parseLesson(name); {
		case endpoint == "":
		case what == lessonAddresses:
			addresses = max(addresses, value)
		case what == lessonBlocks && shape == l.chosen.Load().shape():
			blocks = max(blocks, value)
		case what == lessonLimit && shape == l.chosen.Load().shape():
			limit = max(limit, value)
		}
	}
	l.size.remembered(blocks, limit)
	if addresses > 0 {
		l.split.most = int(min(addresses, 1000)) //nolint:gosec // it is bounded
	}
}
