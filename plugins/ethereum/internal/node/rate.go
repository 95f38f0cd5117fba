package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rate spaces calls out: at most a second's worth at once, then as many as are allowed on average. A nil rate lets everything pass.
type rate struct {
	each  time.Duration // between calls
	burst time.Duration

	mu   sync.Mutex // protects next
	next time.Time  // when the call after those admitted is due
}

// parseRate reads "25/s", "600/m", "100000/d"; "" is no limit.
func parseRate(text string) (*rate, error) {
	if text == "" {
		return nil, nil
	}
	number, unit, _ := strings.Cut(strings.ReplaceAll(text, " ", ""), "/")
	n, err := strconv.ParseUint(number, 10, 32)
	per, known := map[string]time.Duration{
		"s": time.Second, "second": time.Second, "m": time.Minute, "minute": time.Minute,
		"h": time.Hour, "hour": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour,
	}[unit]
	if err != nil || n == 0 || !known {
		return nil, fmt.Errorf("rate %q is not understood: write calls per unit of time, such as \"25/s\" or \"600/m\"", text)
	}
	each := per / time.Duration(n)
	return &rate{each: each, burst: max(time.Second, each)}, nil
}

// wait returns when n more calls are allowed.
func (r *rate) wait(ctx context.Context, n int) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-r.burst); r.next.Before(earliest) {
		r.next = earliest
	}
	r.next = r.next.Add(time.Duration(n) * r.each)
	due := r.next
	r.mu.Unlock()
	if d := due.Sub(now); d > 0 {
		return sleep(ctx, d)
	}
	return nil
}
