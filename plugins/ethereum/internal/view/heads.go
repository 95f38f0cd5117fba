package view

import (
	"context"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

const (
	// silence is how long a subscription may bring nothing before the head is asked for.
	silence = 15 * time.Second
	// longest is how long to wait at most before subscribing again.
	longest = 30 * time.Second
)

// Heads watches the head of the chain: by a subscription that the host keeps, and by asking while there is none. Next is for one
// goroutine.
type Heads struct {
	view *View
	poll time.Duration
	log  hclog.Logger
	last common.Hash // of the head that Next returned last
	dec  decode.Decoder

	cancel context.CancelFunc
	task   sync.WaitGroup
	wake   chan struct{} // something below has changed; capacity 1

	mu         sync.Mutex  // protects the fields below
	event      []byte      // the newest head that was told of and not taken
	taken      []byte      // the one that was taken last
	hash       common.Hash // of it
	subscribed bool        // the subscription has brought something and has not ended
}

// Heads begins to watch in a goroutine of its own until Close. While there is no subscription the head is asked for at the interval
// given.
func (v *View) Heads(ctx context.Context, poll time.Duration, log hclog.Logger) *Heads {
	ctx, cancel := context.WithCancel(ctx)
	h := &Heads{view: v, poll: poll, log: log, cancel: cancel, wake: make(chan struct{}, 1)}
	h.task.Go(func() { h.listen(ctx) })
	return h
}

// Close ends the subscription and waits until that is done.
func (h *Heads) Close() {
	h.cancel()
	h.task.Wait()
}

// listen keeps a subscription going until ctx ends.
func (h *Heads) listen(ctx context.Context) {
	wait := h.poll
	for {
		err := h.view.client.Subscribe(ctx, []any{"newHeads"}, func(event []byte) error {
			wait = h.poll
			h.tell(event, true)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		h.tell(nil, false)
		h.log.Warn("no subscription to new heads: asking for the head meanwhile", "error", err, "again", wait.String())
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, longest)
	}
}

func (h *Heads) tell(event []byte, subscribed bool) {
	h.mu.Lock()
	if event != nil {
		h.event = event
	}
	h.subscribed = subscribed
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // it was told already
	}
}

func (h *Heads) take() (event []byte, subscribed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	event, h.event = h.event, nil
	return event, h.subscribed
}

// pause reports whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Next returns the newest head as soon as it is another than the one before; the first at once. Heads between two calls are left out.
// It need not be higher than the one before.
func (h *Heads) Next(ctx context.Context) (Ref, error) {
	for {
		ref, err := h.next(ctx, h.last == common.Hash{})
		if err != nil {
			return Ref{}, err
		}
		if ref.Hash != h.last {
			h.last = ref.Hash
			return ref, nil
		}
	}
}

func (h *Heads) next(ctx context.Context, first bool) (Ref, error) {
	if first {
		return h.view.Latest(ctx)
	}
	for {
		event, subscribed := h.take()
		if event != nil {
			if ref, err := h.dec.Ref(event); err == nil {
				h.announce(ref.Hash, event)
				return ref, nil
			}
			return h.view.Latest(ctx) // whatever it was
		}
		asked := silence
		if !subscribed {
			asked = h.poll
		}
		timer := time.NewTimer(asked)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Ref{}, context.Cause(ctx)
		case <-h.wake:
			timer.Stop()
		case <-timer.C:
			return h.view.Latest(ctx)
		}
	}
}

func (h *Heads) announce(hash common.Hash, event []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hash, h.taken = hash, event
}

// Announced is the header of a block as the subscription told of it, if it was the last that Next returned. It is safe for concurrent use.
func (h *Heads) Announced(hash common.Hash) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken, h.hash == hash && h.taken != nil
}
