package chain

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// follow finds out about heads until ctx ends.
func (h *heads) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := h.network.use(ctx, h.followOn); errors.Is(err, errEnding) {
			return
		}
	}
}

// headFeed is how the heads of one line are found.
type headFeed struct {
	*heads
	line *line

	can   bool          // there may be an endpoint that can be subscribed to
	again time.Time     // when to subscribe, if there is no subscription
	rest  time.Duration // how long after the next subscription that breaks
	asked time.Time     // when it was asked for the head last
	sub   *subscription // nil: there is none
}

// subscription is one to the heads of a node.
type subscription struct {
	began time.Time
	heard atomic.Pointer[time.Time] // when it has told of a head last
	ended chan error                // gets why it is over
	stop  context.CancelFunc
	wait  sync.WaitGroup
}

// followOn finds out about heads until ctx ends, as it does when the line is over.
func (h *heads) followOn(ctx context.Context, l *line) error {
	f := &headFeed{heads: h, line: l, can: true, rest: restAtFirst}
	defer f.unsubscribe()
	for {
		if f.can && f.sub == nil && !time.Now().Before(f.again) {
			f.subscribe(ctx)
		}
		if !time.Now().Before(f.nextAsk()) {
			f.ask(ctx)
			continue
		}
		if err := f.await(ctx); err != nil {
			return err
		}
	}
}

// await returns when there may be something to do.
func (f *headFeed) await(ctx context.Context) error {
	until := f.nextAsk()
	var ended chan error
	if f.sub != nil {
		ended = f.sub.ended
	} else if f.can && f.again.Before(until) {
		until = f.again
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-ended:
		f.broken(err)
	case <-timer.C:
	case <-f.wake:
	}
	return nil
}

// nextAsk is when the head is to be asked for: often without a subscription, and
// while it may not tell of heads yet; otherwise when it was silent for long.
func (f *headFeed) nextAsk() time.Time {
	if f.sub == nil {
		return f.asked.Add(f.every())
	}
	heard := f.sub.heard.Load()
	if heard == nil && f.asked.Before(f.sub.began.Add(setup)) {
		return f.asked.Add(f.every())
	}
	last := f.asked
	if heard != nil && heard.After(last) {
		last = *heard
	}
	return last.Add(silence)
}

// every is how often somebody wants the head asked for.
func (f *headFeed) every() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	every := time.Duration(0)
	for w := range f.watchers {
		if every == 0 || w.every < every {
			every = w.every
		}
	}
	if every == 0 {
		return usualPoll
	}
	return every
}

// headPatience bounds one question for the head; the next one may find another
// endpoint.
const headPatience = 10 * time.Second

// ask asks for the head as it is. If it is new although there is a subscription,
// that is of no use any more.
func (f *headFeed) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, headPatience)
	defer cancel()
	quiet := f.sub != nil && (f.sub.heard.Load() != nil || !f.asked.Before(f.sub.began.Add(setup)))
	next, err := f.network.newest(ctx, f.line)
	f.asked = time.Now()
	if err != nil {
		f.network.logger.Debug("the head could not be asked for", "error", err)
		return
	}
	if f.see(next) && quiet {
		f.network.logger.Warn("the subscription to heads has said nothing although there was a new one: it is made again", "silent_for", silence)
		f.unsubscribe()
		f.again = time.Now()
	}
}

// newest asks for the newest block.
func (n *served) newest(ctx context.Context, l *line) (head, error) {
	latest := chain.Query{Method: "eth_getBlockByNumber", Params: []byte(`["latest",false]`), Never: true}
	results, err := n.own(ctx, l, latest)
	if err != nil {
		return head{}, err
	}
	if results[0].Err != nil {
		return head{}, results[0].Err
	}
	return parseHead(results[0].Raw)
}

func (f *headFeed) subscribe(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	sub := &subscription{began: time.Now(), ended: make(chan error, 1), stop: cancel}
	f.sub = sub
	f.setMode(modeSubscribed)
	sub.wait.Go(func() {
		sub.ended <- f.line.Subscribe(ctx, []byte(`["newHeads"]`), func(event []byte) error {
			next, err := parseHead(event)
			if err != nil {
				return err
			}
			now := time.Now()
			sub.heard.Store(&now)
			f.see(next)
			return nil
		})
	})
}

// unsubscribe ends a subscription, if there is one.
func (f *headFeed) unsubscribe() {
	if f.sub == nil {
		return
	}
	f.sub.stop()
	f.sub.wait.Wait()
	f.sub = nil
	f.setMode(modeAsking)
}

// broken is told why a subscription is over, and says when to make another.
func (f *headFeed) broken(err error) {
	lasted := time.Since(f.sub.began)
	f.unsubscribe()
	if errors.Is(err, errNoSubscriptions) {
		f.can = false
		return
	}
	if lasted > mostRest {
		f.rest = restAtFirst
	}
	f.again = time.Now().Add(f.rest)
	f.network.logger.Info("the subscription to heads has ended: the head is asked for until there is another", "error", err, "again_in", f.rest)
	f.rest = min(2*f.rest, mostRest)
}

// How heads are found, in the words of a status.
const (
	modeSubscribed = "subscription"
	modeAsking     = "asking"
)

func (h *heads) setMode(mode string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mode = mode
}
