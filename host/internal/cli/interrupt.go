package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted ends the program where a person did not want to wait.
var errInterrupted = errors.New("interrupted")

// interruptible calls f with a context that ends with the first Ctrl-C or
// SIGTERM, and waits for it. That f was stopped by that is errInterrupted. At the
// second signal it waits no longer: the program is about to end, and its plugins
// end with it.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			return err
		case <-signals:
			if ctx.Err() != nil {
				return errInterrupted
			}
			cancel()
		}
	}
}
