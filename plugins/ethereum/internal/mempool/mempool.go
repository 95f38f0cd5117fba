// Package mempool tells of transactions that wait to be put into a block, each once, as a node hears of them.
//
// A node tells of them by a subscription, whole or by hash; where it has none its pool is asked for again and again. What came while a
// subscription was broken is looked for in the pool. What was said cannot be asked for again: hosts keep it.
package mempool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

const (
	queued = 64 << 10               // events that wait; more are left out, and counted
	batch  = 200                    // transactions that are told of, or asked for, together
	settle = 100 * time.Millisecond // how often at most a place is marked
	brief  = 2 * time.Second        // a subscription that ends before that, with nothing said, is none
	again  = time.Minute            // when to try to subscribe again where it did not work
	most   = 30 * time.Second       // the longest pause before subscribing again where it did
)

// How transactions are heard of.
const (
	Auto      = "auto"
	Subscribe = "subscribe"
	Pool      = "pool"
)

// Heads tells of the head of the chain, as view.Heads does.
type Heads interface {
	Next(ctx context.Context) (view.Ref, error)
}

// Sink takes what was heard; *sdk.Output is one.
type Sink interface {
	EmitAll(rows []eth.PendingTransaction) error
	SafePoint(p sdk.SafePoint) error
}

// Reader hears of transactions. Its fields are set before Run.
type Reader struct {
	Client  *chain.Client
	Heads   Heads
	ChainID uint64
	Source  string
	Poll    time.Duration // how often the pool is asked for
	Window  int           // transactions that are remembered
	Cursor  *sdk.Cursor   // where a reader before this one was
	To      *uint64       // the block at which to end; nil: never
	Log     hclog.Logger
	Now     func() time.Time

	events chan event
	lost   atomic.Uint64 // events that were left out
	head   atomic.Uint64
	polled atomic.Bool // the pool is what transactions are heard from
}

// event is what was heard at a time: a transaction, or its hash; or nothing, when the head has moved.
type event struct {
	at   time.Time
	raw  []byte
	hash common.Hash
	rows []eth.PendingTransaction
}

var errEnd = errors.New("the last block has come")

// Run tells of transactions until the last block has come, ctx ends, or something is wrong that asking again does not mend.
func (r *Reader) Run(ctx context.Context, sink Sink) error {
	head, err := r.Heads.Next(ctx)
	if err != nil {
		return err
	}
	r.head.Store(head.Number)
	r.events = make(chan event, queued)
	ctx, end := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer end(nil)
	all.Go(func() { end(r.follow(ctx)) })
	all.Go(func() { end(r.listen(ctx)) })
	t := newTeller(r, sink)
	if err := t.run(ctx); !errors.Is(err, errEnd) {
		return err
	}
	return nil
}

// follow keeps the head.
func (r *Reader) follow(ctx context.Context) error {
	for {
		if r.To != nil && r.head.Load() >= *r.To {
			return errEnd
		}
		ref, err := r.Heads.Next(ctx)
		if err != nil {
			return err
		}
		if ref.Number > r.head.Load() {
			r.head.Store(ref.Number)
			r.put(event{})
		}
	}
}

// put queues an event without waiting: who brings it brings others their answers too.
func (r *Reader) put(e event) {
	select {
	case r.events <- e:
	default:
		if e.raw != nil {
			r.lost.Add(1)
		}
	}
}

// listen hears of transactions in the best way that works.
func (r *Reader) listen(ctx context.Context) error {
	wait := r.Poll
	for ctx.Err() == nil {
		if r.Source == Pool {
			return r.poll(ctx, 0)
		}
		worked, err := r.subscribe(ctx)
		switch {
		case ctx.Err() != nil:
		case worked:
			r.Log.Warn("the subscription to pending transactions broke: subscribing again, and looking for what was missed", "error", err, "again", wait.String())
			if !pause(ctx, wait) {
				break
			}
			wait = min(2*wait, most)
			if err := r.look(ctx); err != nil {
				r.Log.Warn("what came meanwhile cannot be looked for in the pool: it is missing", "error", err)
			}
		case r.Source == Subscribe:
			return fmt.Errorf("subscribe to pending transactions, which needs an endpoint for WebSocket or IPC: %w", err)
		default:
			r.Log.Info("no endpoint has a subscription to pending transactions: asking for the pool again and again", "error", err)
			if err := r.poll(ctx, again); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// subscribe hears of transactions until the subscription breaks, whole ones if the node has them and hashes otherwise, and reports whether it
// worked until then.
func (r *Reader) subscribe(ctx context.Context) (worked bool, err error) {
	for _, params := range [][]any{{"newPendingTransactions", true}, {"newPendingTransactions"}} {
		began, heard := r.Now(), false
		err = r.Client.Subscribe(ctx, params, func(raw []byte) error {
			heard = true
			r.polled.Store(false)
			e := event{at: r.Now(), raw: raw}
			r.put(e)
			return nil
		})
		if heard || r.Now().Sub(began) > brief || ctx.Err() != nil {
			return true, err
		}
	}
	return false, err
}

// poll asks for the pool again and again, for some time or for ever.
func (r *Reader) poll(ctx context.Context, during time.Duration) error {
	r.polled.Store(true)
	for began := r.Now(); during == 0 || r.Now().Sub(began) < during; {
		if err := r.look(ctx); err != nil {
			return err
		}
		if !pause(ctx, r.Poll) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// look asks for the pool once.
func (r *Reader) look(ctx context.Context) error {
	var e event
	err := r.Client.Do(ctx, []chain.Call{{Method: "txpool_content", Once: true, Decode: func(raw []byte) (err error) {
		e = event{at: r.Now()}
		e.rows, err = r.decoder().Pool(raw)
		return err
	}}})
	if chain.KindOf(err) == chain.NoMethod {
		return sdk.Stop(fmt.Errorf("no endpoint tells of pending transactions: name one for WebSocket or IPC, or enable the txpool namespace of the node: %w", err))
	}
	if err != nil {
		return fmt.Errorf("read the pool: %w", err)
	}
	select {
	case r.events <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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
