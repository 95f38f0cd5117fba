package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/chaos/compare"
)

const (
	lookEvery = 150 * time.Millisecond
	// steady is how long nothing may have changed where a run has come to its end.
	steady = 1500 * time.Millisecond
	// defaultPatience is how long nothing may change where it has not.
	defaultPatience = 45 * time.Second
)

// watch looks at what a run has written until reached is true of it for some
// time. It is false if the run comes no further any more, or is over. How far it
// is, is a number: one that writes the same again and again stands still.
func (r *run) watch(ctx context.Context, h *host, far func(compare.State) int64, reached func(compare.State) bool) (state compare.State, ok bool, err error) {
	changed, advanced, farthest := time.Now(), time.Now(), int64(math.MinInt64)
	for {
		next, err := compare.Look(h.outDir())
		switch {
		case err != nil: // just being written
		case next.Block != state.Block || !maps.Equal(next.Counts, state.Counts):
			changed, state = time.Now(), next
		case time.Since(changed) >= steady && reached(state):
			return state, true, nil
		}
		if at := far(state); at > farthest {
			advanced, farthest = time.Now(), at
		}
		if time.Since(advanced) > r.Patience || h.gaveUp() {
			return state, false, nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return state, false, err
		}
	}
}

// total is how much there is.
func total(s compare.State) (n int64) {
	for _, count := range s.Counts {
		n += count
	}
	return n
}

// missing is how far a state is from another.
func missing(s, want compare.State) (n int64) {
	for name, count := range want.Counts {
		n += max(count-s.Counts[name], s.Counts[name]-count)
	}
	return n
}

// undisturbed has the pipeline run with nothing going wrong, until it is at the
// head, and returns what its loaders had written before it was asked to end.
func (r *run) undisturbed(ctx context.Context, dir string) (compare.State, error) {
	r.Tell(fmt.Sprintf("seed %d: the chain rests at block %d; the same pipeline runs undisturbed", r.Seed, r.report.Head))
	h, err := r.host(ctx, dir, r.chain.HTTP, r.chain.WS)
	if err != nil {
		return compare.State{}, err
	}
	state, ok, err := r.watch(ctx, h, total, func(s compare.State) bool {
		return r.Pipelines == 1 && s.Block >= r.report.Head || h.states.arrived(r.Pipelines, r.report.Head)
	})
	inTime := h.end()
	log := filepath.Join(dir, "host.log")
	switch ends := h.endings(); {
	case err != nil:
		return state, err
	case len(ends) > 0:
		return state, fmt.Errorf("the undisturbed run ended with %s (its log is %s)", ends[0], log)
	case !ok:
		return state, fmt.Errorf("the undisturbed run did not come to block %d, and wrote nothing for %s (its log is %s)", r.report.Head, r.Patience, log)
	case !inTime:
		return state, fmt.Errorf("the undisturbed run did not end within %s when it was asked to (its log is %s)", hostGrace, log)
	case len(state.Counts) == 0:
		return state, errors.New("the undisturbed run left no file, so there is nothing to compare: " +
			"add a loader that writes one, such as sqlite, with a path below the working directory")
	}
	return state, nil
}

// catchUp waits until the disturbed run has written as much as the other.
func (r *run) catchUp(ctx context.Context, h *host, want compare.State) error {
	r.Tell(fmt.Sprintf("seed %d: waiting until the disturbed run is at block %d too", r.Seed, r.report.Head))
	state, ok, err := r.watch(ctx, h,
		func(s compare.State) int64 { return -missing(s, want) },
		func(s compare.State) bool { return maps.Equal(s.Counts, want.Counts) })
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	for name, n := range want.Counts {
		if got := state.Counts[name]; got != n {
			r.problem("the disturbed run stands still: %s holds %d where the undisturbed run has %d (rows of a table, bytes of a file)", name, got, n)
			break
		}
	}
	return nil
}

// finish ends the disturbed run.
func (r *run) finish(h *host) {
	before := len(h.endings())
	if !h.end() {
		r.problem("the host did not end within %s when it was asked to", hostGrace)
	}
	ends := h.endings()
	if h.gaveUp() && len(ends) >= mostEnds {
		r.problem("the host ended by itself %d times and was not started again, last with %s", len(ends), ends[len(ends)-1])
	} else if len(ends) > before {
		r.problem("the host did not end well when it was asked to: %s", ends[len(ends)-1])
	}
	r.report.Ends = ends
}

func (r *run) problem(format string, args ...any) {
	r.report.Problems = append(r.report.Problems, fmt.Sprintf(format, args...))
}

// compare compares what the two runs have left.
func (r *run) compare(stormy, calm string) (err error) {
	r.report.Result, err = compare.Trees(filepath.Join(stormy, "out"), filepath.Join(calm, "out"))
	if err != nil {
		return err
	}
	for _, l := range r.Loaders {
		if !l.wrote(filepath.Join(calm, "out")) {
			r.report.NotCompared = append(r.report.NotCompared, l.Step)
		}
	}
	return nil
}
