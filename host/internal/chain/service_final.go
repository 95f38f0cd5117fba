package chain

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// finalEvery is how often it is asked what is final, at most: a dozen seconds is
// the time of one block where blocks are slow.
const finalEvery = 12 * time.Second

// confirmations is the number of blocks after which one is final, where the
// finality of a network is a number.
func confirmations(finality string) (n uint64, counted bool) {
	n, err := strconv.ParseUint(finality, 10, 64)
	return n, err == nil
}

// notice learns from an answer that somebody has asked for anyway where the chain
// ends, and what of it is final.
func (n *served) notice(l *line, q *chain.Query, raw []byte) {
	switch q.Method {
	case "eth_blockNumber":
		if height, ok := quantityIn(bytes.TrimSpace(raw)); ok {
			n.headIs(l, height)
		}
	case "eth_getBlockByNumber":
		tag := string(element(q.Params, 0))
		if tag != `"latest"` && tag != strconv.Quote(l.config.Finality) {
			return
		}
		h, err := parseHead(raw)
		if err != nil {
			return
		}
		if tag == `"latest"` {
			n.heads.see(h)
			return
		}
		l.cache.settle(h.number)
	}
}

// headIs notes how high the chain is, where that says what is final.
func (n *served) headIs(l *line, height uint64) {
	if depth, counted := confirmations(l.config.Finality); counted && height > depth {
		l.cache.settle(height - depth)
	}
}

// wantFinal finds out beside requests whether a height is final by now. It asks
// sparingly.
func (n *served) wantFinal(l *line, height uint64) {
	final := l.cache.finalHeight()
	if l.cache.answers == nil || final > 0 && height <= final {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over || n.line != l || !n.asked.IsZero() && time.Since(n.asked) < finalEvery {
		return
	}
	n.asked = time.Now()
	n.beside.Go(func() { n.askFinal(l) })
}

func (n *served) askFinal(l *line) {
	q := chain.Query{Method: "eth_getBlockByNumber", Params: []byte(`["` + l.config.Finality + `",false]`), Never: true}
	if _, counted := confirmations(l.config.Finality); counted {
		q = chain.Query{Method: "eth_blockNumber", Params: []byte("[]"), Never: true}
	}
	_ = l.use(context.Background(), func(ctx context.Context) error { // ends with the line
		results, err := n.own(ctx, l, q)
		if err != nil {
			return err
		}
		if fault := results[0].Err; fault != nil {
			n.logger.Debug("it is not known what is final, so only answers about blocks of a hash are kept", "error", fault)
		} else {
			n.notice(l, &q, results[0].Raw)
		}
		return nil
	})
}

// own makes a call that the host itself wants.
func (n *served) own(ctx context.Context, l *line, q chain.Query) ([]chain.Result, error) {
	n.counters.own(q.Method)
	return l.Exchange(ctx, chain.Request{Network: n.name, Calls: []chain.Query{q}})
}

// checkLink finds out beside requests whether a block is still on the chain, now
// that there is a head far above it. If it is not, everything is forgotten: where
// the fork is would have to be searched for.
func (n *served) checkLink(was head) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.line
	if n.over || l.cache.answers == nil || time.Since(n.linked) < finalEvery {
		return
	}
	n.linked = time.Now()
	q := chain.Query{Method: "eth_getBlockByNumber", Params: []byte(`["` + chain.Hex(was.number) + `",false]`), Never: true}
	n.beside.Go(func() {
		_ = l.use(context.Background(), func(ctx context.Context) error { // ends with the line
			results, err := n.own(ctx, l, q)
			if err != nil || results[0].Err != nil {
				return err
			}
			now, err := parseHead(results[0].Raw)
			if err == nil && now.hash != was.hash {
				n.heads.forked(now.number)
			}
			return err
		})
	})
}
