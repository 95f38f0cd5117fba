package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameKeystroke is how long after a signal another one means nothing new.
const sameKeystroke = 300 * time.Millisecond

// errInterrupted ends the program where a person did not want to wait.
var errInterrupted = errors.New("interrupted")

// interruptible calls f with a context that ends with the first Ctrl-C or
// SIGTERM, and waits for it. That f was stopped by that is errInterrupted. At the
// second signal it waits no longer: the program is about to end, and its plugins
// end with it. One that follows at once is the same keystroke, passed on by a
// program in between.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var first time.Time
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			return err
		case <-signals:
			switch {
			case first.IsZero():
				first = time.Now()
				cancel()
			case time.Since(first) > sameKeystroke:
				return errInterrupted
			}
		}
	}
}
