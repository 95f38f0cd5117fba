package mempool

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// teller makes rows of what was heard, and hands them on.
type teller struct {
	r      *Reader
	sink   Sink
	window *window
	count  uint64 // transactions that were told of, also before a restart

	rows    []eth.PendingTransaction
	hashes  []event // of transactions that are still to be asked for
	marked  time.Time
	place   uint64 // the block of the newest place that was marked; transactions are of blocks after it
	over    bool   // the last block has come
	told    uint64 // the count there
	missing uint64 // transactions that had gone before they could be asked for
	lost    uint64 // events that people were told are lost
	odd     bool   // people were told of an event that is none
}

func newTeller(r *Reader, sink Sink) *teller {
	t := &teller{r: r, sink: sink, window: newWindow(r.Window)}
	if r.Cursor != nil {
		var keys []uint64
		t.count, keys = restore(r.Cursor.Position)
		for _, key := range keys {
			t.window.add(key)
		}
		t.place, t.told = r.Cursor.Block, t.count
	}
	return t
}

func (r *Reader) decoder() *decode.Decoder { return &decode.Decoder{ChainID: r.ChainID} }

// run tells of events until ctx ends, several at once if several wait.
func (t *teller) run(ctx context.Context) error {
	var later <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if errors.Is(cause, errEnd) {
				return errors.Join(t.drain(ctx), cause)
			}
			return cause
		case e := <-t.r.events:
			t.hear(e)
			t.gather()
		case <-later:
		}
		if err := t.tell(ctx); err != nil {
			return err
		}
		later = nil
		if t.due() {
			later = time.After(settle)
		}
	}
}

// drain tells of what waits when the last block has come.
func (t *teller) drain(ctx context.Context) error {
	t.gather()
	t.over, t.marked = true, time.Time{}
	return t.tell(context.WithoutCancel(ctx))
}

// gather hears of what waits already, up to a batch.
func (t *teller) gather() {
	for len(t.rows)+len(t.hashes) < batch {
		select {
		case e := <-t.r.events:
			t.hear(e)
		default:
			return
		}
	}
}

// hear sorts an event: a transaction that is new becomes a row, a hash is asked for.
func (t *teller) hear(e event) {
	for i := range e.rows {
		t.add(e.at, e.rows[i])
	}
	var hash common.Hash
	switch {
	case len(e.raw) == 0:
	case json.Unmarshal(e.raw, &hash) == nil:
		if t.window.add(short(hash)) {
			e.hash = hash
			t.hashes = append(t.hashes, e)
		}
	default:
		tx, _, err := t.r.decoder().Pending(e.raw)
		if err == nil && tx.From != (common.Address{}) {
			t.add(e.at, tx)
			return
		}
		if !t.odd {
			t.odd = true
			t.r.Log.Warn("what the node says is no transaction: it is left out, as are others like it", "said", chain.Short(string(e.raw)), "error", err)
		}
	}
}

func (t *teller) add(at time.Time, tx eth.PendingTransaction) {
	if t.window.add(short(tx.TransactionHash)) {
		t.put(at, tx)
	}
}

func (t *teller) put(at time.Time, tx eth.PendingTransaction) {
	tx.Timestamp, tx.BlockNumber, tx.ChainID = at.UTC(), max(t.place+1, t.r.head.Load()), t.r.ChainID
	t.rows = append(t.rows, tx)
}

// tell asks for what is known by hash only, and hands all on.
func (t *teller) tell(ctx context.Context) error {
	if err := t.ask(ctx); err != nil {
		return err
	}
	if lost := t.r.lost.Load(); lost > t.lost {
		t.r.Log.Warn("pending transactions come faster than the steps after this one take them: some are left out", "left_out", lost-t.lost)
		t.lost = lost
	}
	if len(t.rows) > 0 {
		if err := t.sink.EmitAll(t.rows); err != nil {
			return err
		}
		t.count += uint64(len(t.rows))
		t.rows = t.rows[:0]
	}
	return t.mark()
}

// ask turns hashes into rows. A transaction that the node does not have any more is left out.
func (t *teller) ask(ctx context.Context) error {
	if len(t.hashes) == 0 {
		return nil
	}
	found := make([]*eth.PendingTransaction, len(t.hashes))
	calls := make([]chain.Call, len(t.hashes))
	for i, e := range t.hashes {
		calls[i] = chain.Call{Method: "eth_getTransactionByHash", Params: []any{e.hash}, Decode: func(raw []byte) error {
			tx, _, err := t.r.decoder().Pending(raw)
			if errors.Is(err, decode.ErrNull) {
				return nil
			}
			found[i] = &tx
			return err
		}}
	}
	if err := t.r.Client.Do(ctx, calls); err != nil {
		return err
	}
	for i, tx := range found {
		if tx == nil {
			t.missing++
			continue
		}
		t.put(t.hashes[i].at, *tx)
	}
	t.hashes = t.hashes[:0]
	return nil
}

// here is the newest block of which nothing more will be told: the one before the head, until the last one has come.
func (t *teller) here() uint64 {
	head := t.r.head.Load()
	if !t.over {
		head -= min(head, 1)
	}
	return max(t.place, head)
}

// due reports whether there is a place to mark.
func (t *teller) due() bool { return t.count != t.told || t.here() != t.place }

// mark says that all up to here was told, from time to time. Nothing that was told is ever taken back, so that it is as final as can be.
func (t *teller) mark() error {
	here, now := t.here(), t.r.Now()
	if !t.due() || now.Sub(t.marked) < settle {
		return nil
	}
	var keys []uint64
	if t.r.polled.Load() {
		keys = t.window.newest(kept)
	}
	err := t.sink.SafePoint(sdk.SafePoint{
		Cursor: sdk.Cursor{ChainID: t.r.ChainID, Block: here, Position: position(t.count, keys)}, Head: max(here, t.r.head.Load()), Finalized: here,
	})
	t.marked, t.place, t.told = now, here, t.count
	return err
}
