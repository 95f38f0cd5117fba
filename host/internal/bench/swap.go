package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
)

// swapFigures measures what it costs to put another plugin in the place of one
// through which rows flow.
func swapFigures(ctx context.Context, b *bench) error {
	for _, measure := range []func(context.Context) error{b.swapPauses, b.refusedAtPace, b.refusedAtFullSpeed} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// What flows through the step that is swapped.
const (
	pacedRate = 100_000 // rows a second
	pacedRows = 100     // of a block
)

const pacedFile = network + `
pipeline "paced" {
  network = "bench"
  from    = 1
  reader "bench.paced" "rows" {
    rate = %d
    rows = %d
  }
  subscriber "bench.copies" "copies" { input = rows }
  loader "bench.pulse" "pulse" {
    input = copies
    tell  = %q
  }
}`

// pacing is an engine with a paced reader, and what its loader tells.
type pacing struct {
	*rig
	heard *mark.Listener
	last  mark.Mark // the newest that was taken
}

// pace starts one, and returns once rows flow at their pace.
func (b *bench) pace(ctx context.Context) (p *pacing, err error) {
	heard, err := mark.Listen(b.socket())
	if err != nil {
		return nil, err
	}
	r, err := b.start(ctx, setup{
		file: fmt.Sprintf(pacedFile, pacedRate, pacedRows, b.socket()), plugins: []*config.Plugin{b.typedPlugin()}, quiet: true,
	})
	if err != nil {
		return nil, errors.Join(err, heard.Close())
	}
	p = &pacing{rig: r, heard: heard}
	if p.last, err = p.heard.Next(ctx); err == nil {
		_, err = p.listen(ctx, time.Now().Add(b.warm+b.span))
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *pacing) close() error { return errors.Join(p.rig.close(), p.heard.Close()) }

// arrivals are what a loader has seen in some time.
type arrivals struct {
	rows    int
	longest time.Duration // between rows that follow each other
	span    time.Duration
	late    delays // how long rows were under way, in microseconds
}

func (a arrivals) rate() float64 { return float64(a.rows) / a.span.Seconds() }
func (a arrivals) p50() float64  { return quantile(slices.Clone(a.late), 0.5) }
func (a arrivals) p99() float64  { return quantile(slices.Clone(a.late), 0.99) }

// listen takes what the loader tells up to something that happened after a time.
func (p *pacing) listen(ctx context.Context, until time.Time) (a arrivals, err error) {
	begin := p.last
	for p.last.Time().Before(until) {
		next, err := p.heard.Next(ctx)
		if err != nil {
			return a, fmt.Errorf("wait for rows: %w", err)
		}
		a.rows += int(next.Rows)
		a.longest = max(a.longest, next.Time().Sub(p.last.Time()))
		a.late = append(a.late, float64(next.Late)/1e3)
		p.last = next
	}
	a.span = p.last.Time().Sub(begin.Time())
	return a, nil
}

// swap puts a fresh process in the place of the step's, or tries to.
func (p *pacing) swap(ctx context.Context, spec *graph.Process) (took time.Duration, err error) {
	begin := time.Now()
	err = p.Swap(ctx, engine.Swap{
		Plugin: "bench", Replacements: []engine.Replacement{{Spec: spec}}, Probation: engine.Probation{Off: true},
	})
	return time.Since(begin), err
}

// swapPauses measures the pause on the edge, as the engine tells it and as
// whoever is downstream sees it.
func (b *bench) swapPauses(ctx context.Context) (err error) {
	p, err := b.pace(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	spec := p.step("copies")
	swaps := b.times(100)
	var told, seen, quiet, took []float64
	var flowed arrivals
	for range swaps {
		one, err := b.swapOnce(ctx, p, spec)
		if err != nil {
			return err
		}
		told, seen, quiet, took = append(told, one.told), append(seen, one.seen), append(quiet, one.quiet), append(took, one.took)
		flowed.rows, flowed.span = flowed.rows+one.flowed.rows, flowed.span+one.flowed.span
	}
	b.table.add(figure{
		what: fmt.Sprintf("the edge pauses (%d swaps), p50", swaps), measured: finely(told),
		value: quantile(told, 0.5), goal: goal{atMost: 20, unit: " ms"},
	})
	b.table.add(figure{what: "  … p99", measured: fmt.Sprintf("%.1f ms", quantile(told, 0.99)), value: quantile(told, 0.99), goal: goal{atMost: 100, unit: " ms"}})
	b.table.add(figure{
		what: "  … as the longest gap downstream, p99", measured: finely(seen), yardstick: "without " + finely(quiet),
		value: quantile(seen, 0.99), goal: goal{atMost: 100, unit: " ms"},
	})
	b.table.add(figure{what: "a swap from its beginning to its end", measured: spread(took), yardstick: fmt.Sprintf("%.0f k rows/s flowed meanwhile", flowed.rate()/1e3)})
	return nil
}

// once is what one swap has taken, in milliseconds, and what the loader has seen
// as long again without one.
type once struct {
	told, seen, quiet, took float64
	flowed                  arrivals
}

func (b *bench) swapOnce(ctx context.Context, p *pacing, spec *graph.Process) (o once, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	took, err := p.swap(ctx, spec)
	if err != nil {
		return o, err
	}
	during, err := p.listen(ctx, time.Now())
	if err != nil {
		return o, err
	}
	after, err := p.listen(ctx, p.last.Time().Add(during.span))
	if err != nil {
		return o, err
	}
	status := p.path().Swap
	if status == nil || status.Pause == 0 {
		return o, errors.New("the engine has measured no pause")
	}
	return once{
		told: milliseconds(status.Pause), seen: milliseconds(during.longest), quiet: milliseconds(after.longest),
		took: milliseconds(took), flowed: during,
	}, nil
}

// refusedAtPace measures what a path notices of a swap that is refused in its
// last moment: when the new process, warm beside the old one, does not open.
func (b *bench) refusedAtPace(ctx context.Context) (err error) {
	p, err := b.pace(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	turn := func(meanwhile func(context.Context) error) func(context.Context) (arrivals, error) {
		return func(ctx context.Context) (arrivals, error) {
			if _, err := p.listen(ctx, time.Now()); err != nil { // what came before
				return arrivals{}, err
			}
			end := time.Now().Add(2 * b.span)
			if err := meanwhile(ctx); err != nil {
				return arrivals{}, err
			}
			return p.listen(ctx, end)
		}
	}
	r, err := turns(ctx, 2*b.rounds,
		variant[arrivals]{"a refused swap", turn(p.refused)},
		variant[arrivals]{"no swap", turn(func(context.Context) error { return nil })},
	)
	if err != nil {
		return err
	}
	b.table.add(figure{
		what:     "throughput with a swap that is refused",
		measured: perSecond(r[0]), yardstick: perSecond(r[1]), ratio: ratio(r[0], r[1], arrivals.rate), goal: goal{atLeast: 0.97},
	})
	for _, f := range []struct {
		name  string
		value func(arrivals) float64
	}{{"p50", arrivals.p50}, {"p99", arrivals.p99}} {
		b.table.add(figure{
			what:     "  … latency of rows, " + f.name,
			measured: fmt.Sprintf("%4.0f µs", median(r[0], f.value)), yardstick: fmt.Sprintf("%4.0f µs", median(r[1], f.value)),
			ratio: ratio(r[0], r[1], f.value),
		})
	}
	return nil
}

// refused tries a swap that has to be refused.
func (r *rig) refused(ctx context.Context) error {
	bad := *r.step("copies")
	step := *bad.Step
	var err error
	if step.Settings, err = json.Marshal(map[string]bool{"refuse": true}); err != nil {
		return err
	}
	bad.Step = &step
	err = r.Swap(ctx, engine.Swap{Plugin: "bench", Replacements: []engine.Replacement{{Spec: &bad}}})
	if failed := (*engine.SwapError)(nil); !errors.As(err, &failed) || failed.RolledBack {
		return fmt.Errorf("the swap was to be refused, and came to %w", err)
	}
	return nil
}

// refusedAtFullSpeed is the same where there is no rest to recover in.
func (b *bench) refusedAtFullSpeed(ctx context.Context) error {
	long := b.effort
	long.span *= 4
	turn := func(refuse bool) func(context.Context) (load, error) {
		return func(ctx context.Context) (l load, err error) {
			r, err := b.start(ctx, setup{file: chainFile, plugins: []*config.Plugin{b.typedPlugin()}, quiet: refuse})
			if err != nil {
				return load{}, err
			}
			defer func() { err = errors.Join(err, r.close()) }()
			tried := make(chan error, 1)
			if refuse {
				go func() { tried <- r.refusedAfter(ctx, long.warm+long.span/4) }()
			} else {
				tried <- nil
			}
			l, err = r.flow(ctx, long)
			return l, errors.Join(err, <-tried)
		}
	}
	r, err := turns(ctx, b.rounds, variant[load]{"a refused swap", turn(true)}, variant[load]{"no swap", turn(false)})
	if err != nil {
		return err
	}
	b.table.add(compare(fmt.Sprintf("  … at full speed, one in %s", long.span), r[0], r[1], goal{atLeast: 0.97}))
	return nil
}

// refusedAfter is refused once rows have flowed for some time.
func (r *rig) refusedAfter(ctx context.Context, d time.Duration) error {
	if err := r.when(ctx, "the first rows", func() bool { return r.loaded() > 0 }); err != nil {
		return err
	}
	if err := sleep(ctx, d); err != nil {
		return err
	}
	return r.refused(ctx)
}

// finely shows the middle and the end of what was measured.
func finely(ms []float64) string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f, most %.1f", quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1))
}

func perSecond(turns []arrivals) string {
	return fmt.Sprintf("%5.1f k rows/s", median(turns, arrivals.rate)/1e3)
}
