package main

import (
	"context"
	"os"
	"time"
)

// parentPoll is how often the parent is looked for, where no signal tells of its end.
const parentPoll = 300 * time.Millisecond

// untilOrphaned returns a context that also ends when the process has another parent than the one given. The
// returned function ends the watch.
func untilOrphaned(ctx context.Context, parent int) (context.Context, context.CancelFunc, error) {
	ended, stop, err := parentEnded()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		defer stop()
		poll := time.NewTicker(parentPoll)
		defer poll.Stop()
		// The signal alone proves nothing: it also comes when only the thread that started this process has ended.
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-ended:
			case <-poll.C:
			}
		}
	}()
	return ctx, func() { cancel(); <-done }, nil
}
