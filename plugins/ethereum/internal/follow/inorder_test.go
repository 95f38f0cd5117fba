package follow

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
)

// planned hands out extents of one block each.
func planned(n uint64) func() (Extent, bool) {
	next := uint64(0)
	return func() (Extent, bool) {
		next++
		return Extent{From: next, To: next}, next <= n
	}
}

func TestSpansAreHandedOnInOrder(t *testing.T) {
	var got []uint64
	p := &pipeline{budget: 100, width: newWidth(8)}
	fetch := func(_ context.Context, e Extent) (uint64, error) { return e.From, nil }
	err := inOrder(t.Context(), p, planned(200), func(Extent) int { return 1 }, fetch, func(_ Extent, n uint64) error {
		got = append(got, n)
		return nil
	})
	if err != nil || len(got) != 200 || !slices.IsSorted(got) {
		t.Errorf("got %v, %v", got, err)
	}
}

// What is under way never weighs more than the budget, but for a span that is heavier by itself.
func TestSpansWeighNoMoreThanTheBudget(t *testing.T) {
	var load, most atomic.Int64
	weigh := func(e Extent) int {
		if e.From == 30 {
			return 500
		}
		return 10
	}
	p := &pipeline{budget: 45, width: newWidth(50)}
	fetch := func(_ context.Context, e Extent) (struct{}, error) {
		now := load.Add(int64(weigh(e)))
		for {
			was := most.Load()
			if e.From == 30 && now != 500 {
				t.Errorf("the heavy span is under way with others: %d", now)
			}
			if now <= was || e.From == 30 || most.CompareAndSwap(was, now) {
				return struct{}{}, nil
			}
		}
	}
	err := inOrder(t.Context(), p, planned(100), weigh, fetch, func(e Extent, _ struct{}) error {
		load.Add(-int64(weigh(e)))
		return nil
	})
	if err != nil || most.Load() > 45 || most.Load() < 20 {
		t.Errorf("got %v, and at most %d under way, want no more than 45", err, most.Load())
	}
}

func TestFirstErrorInOrderEndsTheRest(t *testing.T) {
	bad := errors.New("bad")
	p := &pipeline{budget: 100, width: newWidth(8)}
	fetch := func(ctx context.Context, e Extent) (struct{}, error) {
		if e.From == 3 {
			return struct{}{}, bad
		}
		if e.From > 3 {
			<-ctx.Done()
			return struct{}{}, ctx.Err()
		}
		return struct{}{}, nil
	}
	taken := 0
	err := inOrder(t.Context(), p, planned(100), func(Extent) int { return 1 }, fetch, func(Extent, struct{}) error {
		taken++
		return nil
	})
	if !errors.Is(err, bad) || taken != 2 {
		t.Errorf("got %v after %d spans, want the error after 2", err, taken)
	}
}

// The width grows while that pays, and shrinks where the rows are not taken as fast as they come.
func TestWidthFollowsWhatItGains(t *testing.T) {
	w := newWidth(32)
	weight := 1000
	for range 12 {
		for range max(8, 2*w.now) {
			w.took(weight, true)
		}
		weight *= 10 // every round is faster than the last
	}
	if w.now != 32 {
		t.Errorf("the width is %d, want 32", w.now)
	}
	for range 40 {
		for range max(8, 2*w.now) {
			w.took(1, false)
		}
	}
	if w.now != 2 {
		t.Errorf("the width is %d, want 2", w.now)
	}
	if w := newWidth(1); w.now != 1 {
		t.Errorf("the width is %d, want no more than 1", w.now)
	}
}
