package sdk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// linger is how long a frame that is not full waits for more rows if the last
// frame left less than that ago. At a quiet time a row leaves at once; in a
// flood frames are big.
const linger = 200 * time.Microsecond

// errDrained ends a Read whose host has asked it to stop.
var errDrained = errors.New("the host asked the reader to stop")

// Output is where a reader puts its rows. Its methods are safe for concurrent
// use; rows and safe points reach the host in the order of the calls. They
// block while the consumers are full, and once they have returned an error
// they always will: Read should then return it.
type Output[Out transit.Row] struct {
	mu      sync.Mutex
	rows    emitter[Out]
	err     error
	last    time.Time     // when the last frame left
	wake    chan struct{} // tells the flusher that rows wait; capacity 1
	settled bool          // nothing was emitted since the last safe point, or ever
	point   *SafePoint    // the last one
	barrier uint64        // asked for and not yet answered; 0: none
	done    context.Context
}

// Emit takes one row. What the row points to must not change afterwards.
func (o *Output[Out]) Emit(row Out) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.broken(); err != nil {
		return err
	}
	o.settled = false
	if err := o.rows.emit(row); err != nil {
		return o.fail(err)
	}
	if len(o.rows.rows) == 1 {
		o.wakeFlusher()
	}
	return nil
}

// EmitAll takes rows that belong together: many at once cost less than one by
// one. The slice may be reused after return; what the rows point to must not
// change.
func (o *Output[Out]) EmitAll(rows []Out) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.broken(); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	o.settled = false
	if len(rows) < frameRows/8 {
		return o.gather(rows)
	}
	if err := o.rows.flush(); err != nil {
		return o.fail(err)
	}
	if err := o.rows.sendAll(rows); err != nil {
		return o.fail(err)
	}
	o.last = time.Now()
	return nil
}

// gather keeps a few rows for the next frame.
func (o *Output[Out]) gather(rows []Out) error {
	for _, row := range rows {
		if err := o.rows.emit(row); err != nil {
			return o.fail(err)
		}
	}
	if len(o.rows.rows) > 0 {
		o.wakeFlusher()
	}
	return nil
}

func (o *Output[Out]) wakeFlusher() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// SafePoint says that all rows up to and including p.Cursor have been emitted:
// a place the reader can start again from. Hosts take checkpoints there, so a
// reader should mark one often, say after every block at the head.
func (o *Output[Out]) SafePoint(p SafePoint) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.broken(); err != nil {
		return err
	}
	o.point, o.settled = &p, true
	if err := o.rows.flush(); err != nil {
		return o.fail(err)
	}
	o.last = time.Now()
	if err := o.rows.out.send(pointFrame(p)); err != nil {
		return o.fail(err)
	}
	return o.answerBarrier()
}

// Reorg says that blocks after fork are no longer on the chain. The host goes
// back and starts the reader again: Read should return after it.
func (o *Output[Out]) Reorg(fork Cursor) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.broken(); err != nil {
		return err
	}
	if err := o.rows.flush(); err != nil {
		return o.fail(err)
	}
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_REORG, Cursor: wireCursor(fork)}
	if err := o.rows.out.send(f); err != nil {
		return o.fail(err)
	}
	return nil
}

// broken is the error that ended the output, if any.
func (o *Output[Out]) broken() error {
	if o.err == nil {
		if cause := context.Cause(o.done); cause != nil {
			o.err = cause
		}
	}
	return o.err
}

func (o *Output[Out]) fail(err error) error {
	o.err = err
	return err
}

// askBarrier asks for a checkpoint at the next safe point; a reader that rests
// at one answers at once.
func (o *Output[Out]) askBarrier(checkpoint uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.barrier = checkpoint
	if !o.settled {
		return nil
	}
	return o.answerBarrier()
}

func (o *Output[Out]) answerBarrier() error {
	if o.barrier == 0 {
		return nil
	}
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: o.barrier}
	if o.point != nil {
		f.Cursor = wireCursor(o.point.Cursor)
	}
	o.barrier = 0
	if err := o.rows.out.send(f); err != nil {
		return o.fail(err)
	}
	return nil
}

// flushLoop sends rows that wait for company that does not come. It ends with
// ctx.
func (o *Output[Out]) flushLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		if wait := o.wait(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		o.flushNow()
	}
}

func (o *Output[Out]) wait() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return linger - time.Since(o.last)
}

func (o *Output[Out]) flushNow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	if err := o.rows.flush(); err != nil {
		o.err = err
	}
	o.last = time.Now()
}

// finish sends what still waits.
func (o *Output[Out]) finish() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil && !errors.Is(o.err, errDrained) {
		return o.err
	}
	if err := o.rows.flush(); err != nil {
		return fmt.Errorf("send the last rows: %w", err)
	}
	return o.answerBarrier()
}
