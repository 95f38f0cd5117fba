package sdk

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// linger is how long a frame that is not full waits for more rows if the last
// frame left less than that ago. At a quiet time a row leaves at once; in a
// flood frames are big.
const linger = 200 * time.Microsecond

var (
	// errReorged ends the output of a reader that has reported a reorg.
	errReorged = errors.New("a reorg was reported: the host starts the reader again, Read has to return")
	// errReturned ends the output of a reader whose Read has returned.
	errReturned = errors.New("Read has returned: nothing can be emitted any more") //nolint:staticcheck // Read is a name
)

// Output is where a reader puts its rows. Its methods are safe for concurrent
// use; rows and safe points reach the host in the order of the calls. They
// block while the consumers are full, and once they have returned an error
// they always will: Read should then return it.
type Output[Out transit.Row] struct {
	wake    chan struct{}         // tells the flusher that there is something to do; capacity 1
	stopped atomic.Pointer[error] // why nobody wants more rows
	barrier atomic.Uint64         // asked for and not yet answered; 0: none
	over    atomic.Bool           // Read has returned and the flusher is gone

	mu      sync.Mutex // held while the host is slow
	rows    emitter[Out]
	err     error   // why the output is of no more use
	settled bool    // all rows up to place have been emitted, and none after it
	place   *Cursor // of the last safe point; where the reader began, before the first
	last    SafePoint
	start   Start
}

func (o *Output[Out]) open(start Start, out *process.Sender) error {
	o.wake = make(chan struct{}, 1)
	o.start, o.place = start, start.Cursor
	// Where reading begins at the head, nobody knows where that is before the
	// reader says so.
	o.settled = start.Cursor != nil || !start.FromLatest
	return o.rows.open(out)
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
		return o.leaveOrLinger()
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
	return nil
}

// gather keeps a few rows for the next frame.
func (o *Output[Out]) gather(rows []Out) error {
	for _, row := range rows {
		if err := o.rows.emit(row); err != nil {
			return o.fail(err)
		}
	}
	if o.rows.waiting() {
		return o.leaveOrLinger()
	}
	return nil
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
	return o.mark(p)
}

func (o *Output[Out]) mark(p SafePoint) error {
	if err := o.rows.flush(); err != nil {
		return o.fail(err)
	}
	if err := o.rows.out.Send(pointFrame(p)); err != nil {
		return o.fail(err)
	}
	o.last = p
	o.place, o.settled = &o.last.Cursor, true
	return o.answerBarrier()
}

// Reorg says that blocks after fork are no longer on the chain. The host goes
// back and starts the reader again: nothing can be emitted after it, and Read
// has to return.
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
	if err := o.rows.out.Send(f); err != nil {
		return o.fail(err)
	}
	o.err, o.settled = errReorged, false
	return nil
}

// broken is the error that ended the output, if any.
func (o *Output[Out]) broken() error {
	if o.err == nil {
		if cause := o.stopped.Load(); cause != nil {
			o.err = *cause
		}
	}
	return o.err
}

func (o *Output[Out]) fail(err error) error {
	o.err = err
	return err
}

// stop makes every later call return cause.
func (o *Output[Out]) stop(cause error) { o.stopped.Store(&cause) }

// askBarrier asks for a checkpoint at the next safe point; a reader that rests
// at one answers at once. It does not wait for an Emit that is blocked.
func (o *Output[Out]) askBarrier(checkpoint uint64) error {
	o.barrier.Store(checkpoint)
	if !o.over.Load() {
		o.wakeFlusher()
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.answerLate()
}

// answerBarrier answers if somebody has asked and the reader is at a safe
// point.
func (o *Output[Out]) answerBarrier() error {
	if !o.settled {
		return nil
	}
	checkpoint := o.barrier.Swap(0)
	if checkpoint == 0 {
		return nil
	}
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: checkpoint}
	if o.place != nil {
		f.Cursor = wireCursor(*o.place)
	}
	if err := o.rows.out.Send(f); err != nil {
		return o.fail(err)
	}
	return nil
}

// answerLate answers for a Read that has returned. There will be no other safe
// point.
func (o *Output[Out]) answerLate() error {
	if o.barrier.Load() != 0 && !o.settled && !errors.Is(o.err, errReorged) {
		return Stop(errors.New("no checkpoint can be taken: Read has returned without a safe point after its last rows; call SafePoint before it returns"))
	}
	return o.answerBarrier()
}

// finish sends what still waits when Read has returned; stopped is why it was
// asked to, nil if it was not. over is false where the host is about to begin
// again.
func (o *Output[Out]) finish(read, stopped error) (over bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ended := o.err
	o.err = errReturned
	o.over.Store(true)
	drained := errors.Is(stopped, process.ErrDrained)
	switch {
	case errors.Is(ended, errReorged) && (read == nil || errors.Is(read, errReorged)):
		o.err = errReorged
		return false, nil
	case drained && (ended == nil || errors.Is(ended, process.ErrDrained)):
		return true, o.flushLast()
	case errors.Join(read, ended, stopped) != nil:
		return false, cmp.Or(read, ended, stopped)
	}
	if err := o.flushLast(); err != nil {
		return false, err
	}
	if to := o.start.To; to != nil && !o.settled {
		// Read returns when the last block has been emitted: it is a safe point.
		point := o.last
		point.Cursor = Cursor{ChainID: o.start.Network.ChainID, Block: *to}
		return true, o.mark(point)
	}
	return true, o.answerLate()
}

func (o *Output[Out]) flushLast() error {
	if err := o.rows.flush(); err != nil {
		return fmt.Errorf("send the last rows: %w", err)
	}
	return nil
}
