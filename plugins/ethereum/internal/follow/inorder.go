package follow

import (
	"context"
	"sync"
	"time"
)

// pipeline fetches spans ahead of those that are handed on, and hands them on in order. How many it fetches at once follows from what
// that gains, and is bounded by what they weigh.
type pipeline struct {
	budget int // bytes of all spans that are under way or wait, unless there is but one
	width  width
}

// job is a span that is under way.
type job[R any] struct {
	Extent
	weight int
	done   chan result[R] // receives exactly once
}

type result[R any] struct {
	value R
	err   error
}

// inOrder fetches what plan says and hands the results to take in the order of the plan. plan, weigh and take are called by the caller's
// goroutine. It returns with the first error in that order, when everything it has started has ended.
func inOrder[R any](ctx context.Context, p *pipeline, plan func() (Extent, bool), weigh func(Extent) int,
	fetch func(context.Context, Extent) (R, error), take func(Extent, R) error,
) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := &queue[R]{pipeline: p, plan: plan, weigh: weigh}
	p.width.begin()
	for {
		for j, ok := q.next(); ok; j, ok = q.next() {
			all.Go(func() {
				value, err := fetch(ctx, j.Extent)
				j.done <- result[R]{value, err}
			})
		}
		if len(q.jobs) == 0 {
			return context.Cause(ctx)
		}
		j := q.jobs[0]
		r, waited := j.wait()
		if r.err != nil {
			return r.err
		}
		if err := take(j.Extent, r.value); err != nil {
			return err
		}
		q.jobs, q.load = q.jobs[1:], q.load-j.weight
		p.width.took(j.weight, waited)
	}
}

// queue is what is under way or waits to be handed on.
type queue[R any] struct {
	*pipeline
	plan  func() (Extent, bool)
	weigh func(Extent) int

	jobs    []job[R]
	load    int     // bytes of them
	planned *job[R] // the next one, if it was too heavy to begin with
	over    bool    // nothing more is planned
}

// next is a job to begin with now; false if there is none, or no room for it.
func (q *queue[R]) next() (job[R], bool) {
	if len(q.jobs) >= q.width.now {
		return job[R]{}, false
	}
	if q.planned == nil && !q.over {
		e, more := q.plan()
		if q.over = !more; more {
			q.planned = &job[R]{Extent: e, weight: q.weigh(e), done: make(chan result[R], 1)}
		}
	}
	if q.planned == nil || len(q.jobs) > 0 && q.load+q.planned.weight > q.budget {
		return job[R]{}, false
	}
	j := *q.planned
	q.planned, q.load, q.jobs = nil, q.load+j.weight, append(q.jobs, j)
	return j, true
}

// wait returns the result and whether it had to be waited for.
func (j job[R]) wait() (r result[R], waited bool) {
	select {
	case r = <-j.done:
		return r, false
	default:
		return <-j.done, true
	}
}

// width is how many spans to fetch at once. It grows while that makes reading faster, and shrinks where those who take the rows are the
// slow ones, or where more was no better.
type width struct {
	now, most int

	since  time.Time
	weight int     // that was taken since
	count  int     // of spans since
	waits  int     // of them that had to be waited for
	best   float64 // bytes per second
}

func newWidth(most int) width { return width{now: min(4, most), most: most} }

func (w *width) begin() { w.since, w.weight, w.count, w.waits = time.Now(), 0, 0, 0 }

func (w *width) took(weight int, waited bool) {
	w.weight += weight
	w.count++
	if waited {
		w.waits++
	}
	if w.count < max(8, 2*w.now) {
		return
	}
	rate := float64(w.weight) / max(time.Since(w.since).Seconds(), 1e-6)
	switch {
	case 2*w.waits < w.count:
		w.now = max(min(2, w.most), w.now-1)
	case rate > w.best*1.05:
		w.best = rate
		w.now = min(w.most, w.now+max(1, w.now/2))
	case rate < w.best*0.85:
		w.best = rate
		w.now = max(min(2, w.most), w.now-1)
	default:
		w.best *= 0.99 // what was best once need not be so for ever
	}
	w.begin()
}
