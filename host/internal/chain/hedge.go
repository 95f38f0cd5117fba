package chain

import "time"

// hedging is when a second endpoint is asked for what the first is slow to answer.
type hedging struct {
	after time.Duration // 0: never, unless auto
	auto  bool
}

// times is how long answers took.
type times struct{}
