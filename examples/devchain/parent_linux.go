package main

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// parentEnded asks the kernel for a signal when the parent ends. The signal is one that does
// no harm when it comes for another reason, or before anybody listens.
func parentEnded() (<-chan os.Signal, func(), error) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCONT)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGCONT), 0, 0, 0); err != nil {
		signal.Stop(ended)
		return nil, nil, fmt.Errorf("ask for a signal at the parent's end: %w", err)
	}
	return ended, func() { signal.Stop(ended) }, nil
}
