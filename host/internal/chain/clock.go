package chain

import (
	"context"
	"time"
)

// Clock tells the time and waits. Tests have one that does not wait.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own when the time has passed, unless
	// stop is called before.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// machine is the clock of the machine.
type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// sleep returns when the time has passed or with the end of ctx.
func sleep(ctx context.Context, c Clock, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	over := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-over:
		return nil
	}
}
