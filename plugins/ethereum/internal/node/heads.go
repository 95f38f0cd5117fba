package node

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

const (
	// silence is how long a subscription may bring nothing before the node is asked.
	silence = 15 * time.Second
	// resubscribe is how long to poll after a subscription could not be had.
	resubscribe = 30 * time.Second
)

// Heads watches the head of the chain: by subscription where the endpoint is a socket, by polling otherwise and while a subscription
// cannot be had. It is not safe for concurrent use.
type Heads struct {
	node *Node
	poll time.Duration
	last common.Hash // of the head that Next returned last
	dec  decode.Decoder

	feed  chan json.RawMessage
	sub   *rpc.ClientSubscription // nil: polling
	from  *endpoint               // the one subscribed to
	again time.Time               // when to try to subscribe again
}

// Heads begins to watch. Polling asks at the interval given.
func (n *Node) Heads(poll time.Duration) *Heads {
	return &Heads{node: n, poll: orDefault(poll, 500*time.Millisecond)}
}

// Close ends the subscription, if there is one.
func (h *Heads) Close() {
	if h.sub != nil {
		h.sub.Unsubscribe()
		h.sub = nil
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
	if fresh := h.subscribe(ctx); first || fresh {
		return h.node.Latest(ctx)
	}
	interval, failed := h.poll, (<-chan error)(nil)
	if h.sub != nil {
		interval, failed = silence, h.sub.Err()
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return Ref{}, context.Cause(ctx)
	case raw := <-h.feed:
		return h.newest(ctx, raw)
	case err := <-failed:
		h.node.log.Warn("the subscription to new heads ended: polling for a while", "endpoint", h.from.label, "error", err)
		h.sub, h.again = nil, time.Now().Add(h.poll)
	case <-timer.C:
	}
	return h.node.Latest(ctx)
}

// newest takes what else waits and decodes the last. A head that cannot be decoded is asked for.
func (h *Heads) newest(ctx context.Context, raw json.RawMessage) (Ref, error) {
	for {
		select {
		case raw = <-h.feed:
			continue
		default:
		}
		ref, err := h.dec.Ref(raw)
		if err != nil {
			return h.node.Latest(ctx)
		}
		return ref, nil
	}
}

// subscribe asks for new heads if the endpoint in use can send them, and moves along when another endpoint is in use. It reports whether
// the subscription is new: what happened before it began is to be asked for.
func (h *Heads) subscribe(ctx context.Context) bool {
	ep := h.node.pick()
	if h.sub != nil && h.from == ep {
		return false
	}
	h.Close()
	s, ok := ep.conn.(*socket)
	if !ok || h.from == ep && time.Now().Before(h.again) {
		return false
	}
	h.from = ep
	if fault := h.node.admit(ctx, ep); fault != nil {
		h.again = time.Now().Add(h.poll)
		return false // the poll that follows tells
	}
	h.feed = make(chan json.RawMessage, 64)
	sub, err := s.subscribe(ctx, h.feed, h.node.timeout)
	if err == nil {
		h.sub = sub
		return true
	}
	h.again = time.Now().Add(resubscribe)
	if !errors.Is(err, context.Canceled) {
		h.node.log.Warn("no subscription to new heads: polling", "endpoint", ep.label, "error", err)
	}
	return false
}

func (s *socket) subscribe(ctx context.Context, feed chan json.RawMessage, timeout time.Duration) (*rpc.ClientSubscription, error) {
	client, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return client.EthSubscribe(ctx, feed, "newHeads")
}
