package chain

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

const (
	usualPoll = 500 * time.Millisecond // how often a head is asked for, unless somebody says how often
	leastPoll = 10 * time.Millisecond
	// silence is how long a subscription may say nothing before it is asked whether
	// there is nothing.
	silence = 15 * time.Second
	// setup is how long a subscription is taken not to tell of heads yet.
	setup = 2 * time.Second
	// A subscription that breaks is made again after restAtFirst, and later each
	// time it breaks at once, up to mostRest.
	restAtFirst = time.Second
	mostRest    = 30 * time.Second
)

// head is the newest block of a chain at some time.
type head struct {
	number       uint64
	hash, parent string
	raw          []byte // as a node has told it
}

// parseHead reads a block or a header.
func parseHead(raw []byte) (head, error) {
	h := head{raw: raw}
	found := 0
	s := scanner{text: raw}
	err := s.members(func(key, value []byte) {
		switch string(key) {
		case "number":
			if n, ok := quantityIn(value); ok {
				h.number = n
				found++
			}
		case "hash":
			if isHash(value) {
				h.hash = string(value[1 : len(value)-1])
				found++
			}
		case "parentHash":
			h.parent = string(bytes.Trim(value, `"`))
		}
	})
	if err != nil || found != 2 {
		return head{}, fmt.Errorf("the node tells of a head without number or hash: %s", chain.Short(string(raw)))
	}
	return h, nil
}

// wantsHeads tells a subscription to heads: ["newHeads"], or ["newHeads",
// {"every": "100ms"}] where they are to be asked for that often when no node
// tells of them.
func wantsHeads(params []byte) (every time.Duration, is bool) {
	if string(element(params, 0)) != `"newHeads"` {
		return 0, false
	}
	text := bytes.Trim(member(element(params, 1), "every"), `"`)
	every, err := time.ParseDuration(string(text))
	if err != nil || every <= 0 {
		return usualPoll, true
	}
	return max(every, leastPoll), true
}

// heads follows the head of a network for all who want to be told of it: by a
// subscription where an endpoint can, and by asking where none can, or while it is
// broken or silent. While nobody wants it, nothing is followed.
type heads struct {
	network *served

	mu       sync.Mutex // protects the fields below
	watchers map[*watcher]bool
	stop     context.CancelFunc // ends what follows; nil: nothing does
	feeds    sync.WaitGroup
	last     head // its hash is "" as long as none is known
	line     ancestry
	count    uint64 // of heads that were new
	closed   bool
	wake     chan struct{} // holds one when there is something new for what follows
	mode     string
	heard    time.Time // when last was new
}

// watcher is one who is told of heads, of the newest if he is slow.
type watcher struct {
	every time.Duration
	news  chan struct{} // holds one when next is set
	next  []byte
}

func newHeads(n *served) *heads {
	return &heads{network: n, watchers: make(map[*watcher]bool), wake: make(chan struct{}, 1)}
}

// watch calls take with the head as it is and with each that follows, until ctx
// ends or take returns an error.
func (h *heads) watch(ctx context.Context, every time.Duration, take func(event []byte) error) error {
	w := &watcher{every: every, news: make(chan struct{}, 1)}
	if err := h.enter(ctx, w); err != nil {
		return err
	}
	defer h.leave(w)
	for {
		select {
		case _, open := <-w.news:
			if !open {
				return errEnding
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		h.mu.Lock()
		event := w.next
		h.mu.Unlock()
		if err := take(bytes.Clone(event)); err != nil {
			return err
		}
	}
}

// enter begins to tell somebody of heads.
func (h *heads) enter(ctx context.Context, w *watcher) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errEnding
	}
	h.watchers[w] = true
	if h.stop == nil {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		h.stop, h.last = cancel, head{} // what was known may be old
		h.feeds.Go(func() { h.follow(ctx) })
		return nil
	}
	if h.last.hash != "" {
		w.tell(h.last.raw)
	}
	h.nudge()
	return nil
}

// leave stops telling somebody. What follows ends with the last one.
func (h *heads) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
	if len(h.watchers) == 0 && h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

// tell leaves an event for a watcher, in the place of one that he has not taken.
// The caller holds the lock of the heads.
func (w *watcher) tell(event []byte) {
	w.next = event
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (h *heads) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// close ends everything and waits for it.
func (h *heads) close() {
	h.mu.Lock()
	h.closed = true
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
	for w := range h.watchers {
		close(w.news)
	}
	clear(h.watchers)
	h.mu.Unlock()
	h.feeds.Wait()
}

// moved tells that the network has other endpoints: what was known may be of
// another chain.
func (h *heads) moved() {
	h.mu.Lock()
	h.last, h.line = head{}, ancestry{}
	h.count++
	h.mu.Unlock()
	h.nudge()
}

// era tells times apart between which there was a new head.
func (h *heads) era() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// see takes a head that somebody has come by, and tells whether it was new. Then
// whoever watches is told of it, once what a fork has made wrong is forgotten.
func (h *heads) see(next head) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if next.hash == h.last.hash {
		return false
	}
	if h.line.has(next.hash) {
		if h.last.hash != "" {
			return false // a node that lags tells of an earlier one
		}
	} else if was, gap := h.line.gap(next); gap {
		h.network.checkLink(was)
	}
	if fork, forked := h.line.add(next); forked {
		h.purge(next.number, fork)
	}
	next.raw = bytes.Clone(next.raw)
	h.last, h.heard = next, time.Now()
	h.count++
	h.network.headIs(h.network.current(), next.number)
	for w := range h.watchers {
		w.tell(next.raw)
	}
	return true
}

// purge forgets what a fork has made wrong.
func (h *heads) purge(number, fork uint64) {
	n := h.network
	purged := n.current().cache.purge(fork)
	n.flights.forget()
	n.counters.forked(purged)
	n.logger.Debug("the chain has forked: answers about blocks above are forgotten", "fork", fork, "head", number, "answers", purged)
}

// forked forgets everything: the chain has forked below a height, nobody knows
// where.
func (h *heads) forked(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.purge(number, 0)
}

// ancestry is the newest blocks of a chain, as heads have told of them.
type ancestry struct {
	blocks []head // ascending; without raw
}

// ancestors is how many blocks are remembered.
const ancestors = 256

func (a *ancestry) has(hash string) bool { return a.index(hash) >= 0 }

func (a *ancestry) index(hash string) int {
	return slices.IndexFunc(a.blocks, func(b head) bool { return b.hash == hash })
}

// gap tells whether a head is further ahead than the next block, and which one is
// the newest that is known.
func (a *ancestry) gap(next head) (newest head, is bool) {
	if len(a.blocks) == 0 {
		return head{}, false
	}
	newest = a.blocks[len(a.blocks)-1]
	return newest, next.number > newest.number+1
}

// add makes a head the newest. If blocks that were known are no more, it tells the
// height up to which nothing is known to have changed.
func (a *ancestry) add(next head) (fork uint64, forked bool) {
	next.raw = nil
	if at := a.index(next.hash); at >= 0 { // it is known, and the head again
		a.blocks = a.blocks[:at+1]
		return 0, false
	}
	if newest, gap := a.gap(next); !gap && newest.hash != "" {
		at := a.index(next.parent)
		if forked = at < len(a.blocks)-1; forked && at >= 0 {
			fork = a.blocks[at].number
		}
		a.blocks = a.blocks[:at+1]
	}
	a.blocks = append(a.blocks, next)
	if len(a.blocks) > ancestors {
		a.blocks = slices.Delete(a.blocks, 0, len(a.blocks)-ancestors)
	}
	return fork, forked
}
