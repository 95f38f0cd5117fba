package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// load is what a variant has done in one turn.
type load struct {
	rows int
	wall time.Duration
	cpu  time.Duration // of all processes that took part
}

func (l load) rate() float64 { return float64(l.rows) / l.wall.Seconds() }

func (l load) cpuPerRow() float64 { return float64(l.cpu.Nanoseconds()) / float64(max(l.rows, 1)) }

// ownPerRow is cpuPerRow of work that one goroutine does: where the processor
// time is not known it is the time that passed.
func (l load) ownPerRow() float64 {
	if l.cpu == 0 {
		l.cpu = l.wall
	}
	return l.cpuPerRow()
}

// variant is one way to do something.
type variant[R any] struct {
	name string
	turn func(ctx context.Context) (R, error)
}

// turns lets the variants take turns, so that what else the machine does
// strikes all of them. The results stand in the order of variants and rounds.
func turns[R any](ctx context.Context, rounds int, variants ...variant[R]) ([][]R, error) {
	results := make([][]R, len(variants))
	for range rounds {
		for i, v := range variants {
			r, err := inTime(ctx, v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	return results, nil
}

func inTime[R any](ctx context.Context, v variant[R]) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return v.turn(ctx)
}

// flow measures a stream of rows: step moves some on and says how many. pids
// are the other processes that take part.
func (e effort) flow(ctx context.Context, pids []int, step func() (rows int, err error)) (load, error) {
	if _, _, err := until(ctx, e.warm, step); err != nil {
		return load{}, err
	}
	before, err := cpuTime(pids)
	if err != nil {
		return load{}, err
	}
	rows, wall, err := until(ctx, e.span, step)
	if err != nil {
		return load{}, err
	}
	after, err := cpuTime(pids)
	return load{rows: rows, wall: wall, cpu: after - before}, err
}

// until repeats step for some time.
func until(ctx context.Context, span time.Duration, step func() (int, error)) (rows int, wall time.Duration, err error) {
	begin := time.Now()
	for wall < span {
		n, err := step()
		if err != nil {
			return 0, 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		rows += n
		wall = time.Since(begin)
	}
	return rows, wall, nil
}

// median is the middle of what f says about each result.
func median[R any](results []R, f func(R) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = f(r)
	}
	return middle(values)
}

// ratio is the median of the ratios of the turns that followed each other.
func ratio[R any](results, yardstick []R, f func(R) float64) float64 {
	values := make([]float64, len(results))
	for i := range results {
		values[i] = f(results[i]) / f(yardstick[i])
	}
	return middle(values)
}

func middle(values []float64) float64 { return quantile(values, 0.5) }

// quantile sorts values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
