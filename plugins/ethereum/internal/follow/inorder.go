package follow

import (
	"context"
	"sync"
)

// inOrder fetches what plan says, width at a time, and hands the results to take in the order of the plan. plan and take are called
// by one goroutine each. It returns with the first error in that order, when everything it has started has ended.
func inOrder[R any](ctx context.Context, width int, plan func() (Extent, bool),
	fetch func(context.Context, Extent) (R, error), take func(Extent, R) error,
) error {
	type result struct {
		value R
		err   error
	}
	type job struct {
		Extent
		done chan result // receives exactly once
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	queue := make(chan job, max(0, width-2)) // one more is with the planner, one with take
	all.Go(func() {
		defer close(queue)
		for {
			e, more := plan()
			if !more {
				return
			}
			j := job{Extent: e, done: make(chan result, 1)}
			all.Go(func() {
				value, err := fetch(ctx, e)
				j.done <- result{value, err}
			})
			select {
			case queue <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	for j := range queue {
		r := <-j.done
		if r.err != nil {
			return r.err
		}
		if err := take(j.Extent, r.value); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
