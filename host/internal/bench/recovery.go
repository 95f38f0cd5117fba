package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/host/internal/config"
)

// recoveryFigures measures what it costs to be able to go back, and how soon
// rows flow again after something has broken.
func recoveryFigures(ctx context.Context, b *bench) error {
	for _, measure := range []func(context.Context) error{
		b.checkpointCost, b.checkpointTime, b.pluginKills, b.hostKills, b.reorgs, b.backfills,
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// times is how often something is done that is done n times with the usual
// number of rounds.
func (e effort) times(n int) int { return max(1, n*e.rounds/usual.rounds) }

// network stands in front of every pipeline: no reader asks its endpoint.
const network = `
network "bench" {
  chain_id = 1
  endpoint "none" { url = "http://127.0.0.1:1" }
}`

// typedPlugin is the plugin written with the SDK.
func (b *bench) typedPlugin() *config.Plugin {
	return &config.Plugin{Name: "bench", Path: b.typed, Network: true}
}

// kept is the file in which the loader that is measured keeps how far it came.
func (b *bench) kept() string { return filepath.Join(b.dir, "kept") }

// lines is a loader of JSON lines for the rows of a step, in a directory of its own.
func (b *bench) lines(input string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "lines-")
	return fmt.Sprintf("loader \"jsonl\" \"lines\" {\n input = %s\n path = %q\n }", input, filepath.Join(dir, "rows.jsonl")), err
}

// following is a pipeline of three steps at the head of a chain that begins now,
// whose loader tells the benchmark what it gets.
type following struct {
	every         time.Duration
	rows          int // of a block
	reorgs, depth int
	path, tell    string
	beside        string // another loader
}

func (f following) String() string {
	return fmt.Sprintf(network+`
pipeline "follow" {
  network = "bench"
  from    = 1
  reader "bench.follow" "blocks" {
    genesis = %d
    every   = "%s"
    rows    = %d
    reorgs  = %d
    depth   = %d
    tell    = %q
  }
  subscriber "bench.copies" "copies" { input = blocks }
  %s
  loader "bench.keep" "keep" {
    input = copies
    path  = %q
    tell  = %q
  }
}`, time.Now().UnixMilli(), f.every, f.rows, f.reorgs, f.depth, f.tell, f.beside, f.path, f.tell)
}

// socket is where plugins tell what happens in them. Its path must be short.
func (b *bench) socket() string { return filepath.Join(b.dir, "marks") }

// watch is what the benchmark has learned from a loader's marks.
type watch struct {
	*mark.Listener
	generation uint64 // the newest that rows have come of
	newest     uint64 // the newest block that has come
}

func (b *bench) watch() (*watch, error) {
	l, err := mark.Listen(b.socket())
	return &watch{Listener: l}, err
}

// await takes marks until one is as wanted. It may look at what was known before it.
func (w *watch) await(ctx context.Context, want func(m mark.Mark) bool) (mark.Mark, error) {
	for {
		m, err := w.Next(ctx)
		if err != nil {
			return m, err
		}
		found := want(m)
		if m.What == mark.Loaded {
			w.generation, w.newest = max(w.generation, m.Generation), max(w.newest, m.Block)
		}
		if found {
			return m, nil
		}
	}
}

// settle takes the marks of some time, until rows have come after it.
func (w *watch) settle(ctx context.Context, d time.Duration) error {
	until := time.Now().Add(d)
	_, err := w.await(ctx, func(m mark.Mark) bool { return m.What == mark.Loaded && m.Time().After(until) })
	if err != nil {
		return fmt.Errorf("wait for rows: %w", err)
	}
	return nil
}

// pauses are how long it took until rows came again, in milliseconds: any, and
// such as had never come before.
type pauses struct{ again, fresh []float64 }

// resumed waits for the rows of a newer generation.
func (w *watch) resumed(ctx context.Context, since time.Time, p *pauses) error {
	before, again := w.generation, false
	newer := func(m mark.Mark) bool { return m.What == mark.Loaded && m.Generation > before }
	m, err := w.await(ctx, func(m mark.Mark) bool {
		if newer(m) && !again {
			again = true
			p.again = append(p.again, milliseconds(m.Time().Sub(since)))
		}
		return newer(m) && m.Block > w.newest
	})
	if err != nil {
		return fmt.Errorf("wait for rows after a kill: %w", err)
	}
	p.fresh = append(p.fresh, milliseconds(m.Time().Sub(since)))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// spread shows the middle and the end of what was measured.
func spread(ms []float64) string {
	return fmt.Sprintf("p50 %.0f ms, p90 %.0f, most %.0f", quantile(ms, 0.5), quantile(ms, 0.9), quantile(ms, 1))
}

// restore adds a figure of how long something took until rows flowed again.
func (b *bench) restore(what string, ms []float64, yardstick string, most float64) {
	b.table.add(figure{
		what: fmt.Sprintf("%s (%d)", what, len(ms)), measured: spread(ms), yardstick: yardstick,
		value: quantile(ms, 0.5), goal: goal{atMost: most, unit: " ms"},
	})
}
