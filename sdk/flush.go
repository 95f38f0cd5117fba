package sdk

import (
	"context"
	"time"
)

func (o *Output[Out]) wakeFlusher() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// leaveOrLinger sends the rows that wait at once where nothing has left for a
// while, and otherwise leaves them to the flusher: a goroutine that has to be
// woken for every single row would cost more than all the rest of its way.
func (o *Output[Out]) leaveOrLinger() error {
	if time.Since(o.rows.sent) < linger {
		o.wakeFlusher()
		return nil
	}
	if err := o.rows.flush(); err != nil {
		return o.fail(err)
	}
	return nil
}

// flushLoop sends rows that wait for company that does not come, and answers
// barriers while the reader rests. It ends with ctx.
func (o *Output[Out]) flushLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		for pause := o.flushOrWait(); pause > 0; pause = o.flushOrWait() {
			timer.Reset(pause)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
	}
}

// flushOrWait sends the rows that wait, or returns how much longer they should.
func (o *Output[Out]) flushOrWait() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0
	}
	if err := o.answerBarrier(); err != nil || !o.rows.waiting() {
		return 0
	}
	if pause := linger - time.Since(o.rows.sent); pause > 0 {
		return pause
	}
	if err := o.rows.flush(); err != nil {
		o.err = err
	}
	return 0
}
