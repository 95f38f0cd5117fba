package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// rpcFigures are what readers and loaders that come with penstock do against a
// node that answers from memory, in a process of its own on the same machine.
func rpcFigures(ctx context.Context, b *bench) error {
	plugins := []*config.Plugin{b.typedPlugin()}
	for _, name := range []string{"ethereum", "parquet", "sqlite"} {
		path, err := b.buildPlugin(ctx, name)
		if err != nil {
			return err
		}
		plugins = append(plugins, &config.Plugin{Name: name, Path: path})
	}
	r := &rpcBench{bench: b, plugins: plugins}
	for _, measure := range []func(context.Context) error{r.backfill, r.headers, r.logs, r.live, r.flat} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

type rpcBench struct {
	*bench
	plugins []*config.Plugin
}

const rangeFile = `
network "bench" {
  endpoint "node" { url = %q }
}
pipeline "history" {
  from = 0
  to   = %d
  reader %q "reader" {
    %s
  }
  loader %q "store" {
    input = reader
    %s
  }
}`

// through runs a range through an engine to its end. The time is that from the
// first row to the last: the start of three processes is measured elsewhere. The
// processor time is that of the host and all its plugins from their start to their
// end, and not the node's.
func (r *rpcBench) through(n *node, register, settings, loader string) func(context.Context) (load, error) {
	return func(ctx context.Context) (l load, err error) {
		before, err := cpuTimeOfChildren()
		if err != nil {
			return load{}, err
		}
		dir, err := r.emptyDir()
		if err != nil {
			return load{}, err
		}
		more := ""
		if loader != "bench.discard" {
			more = fmt.Sprintf("path = %q", filepath.Join(dir, "out"))
		}
		rig, err := r.prepare(ctx, setup{
			file:    fmt.Sprintf(rangeFile, n.url, n.last, register, settings, loader, more),
			plugins: r.plugins, checkpoint: engine.CheckpointConfig{Every: time.Second},
		})
		if err != nil {
			return load{}, err
		}
		rig.begin(ctx)
		err = rig.when(ctx, "the first rows", func() bool { return rig.loaded() > 0 })
		begin, first := time.Now(), rig.loaded()
		if err == nil {
			err = rig.finish(ctx)
		}
		l = load{rows: int(rig.loaded() - first), wall: time.Since(begin)}
		if err := errors.Join(err, rig.close()); err != nil {
			return load{}, err
		}
		after, err := cpuTimeOfChildren()
		l.cpu = after - before
		return l, err
	}
}

// of is what a client does that reads whole ranges, in blocks a second.
func (r *rpcBench) bare(n *node, batch uint64, width int, calls func(string) []string) func(context.Context) (load, error) {
	return func(ctx context.Context) (load, error) {
		before, err := cpuTime(nil)
		if err != nil {
			return load{}, err
		}
		begin := time.Now()
		if err := n.bareClient(ctx, batch, width, calls); err != nil {
			return load{}, err
		}
		l := load{rows: int(n.last + 1), wall: time.Since(begin)}
		after, err := cpuTime(nil)
		l.cpu = after - before
		return l, err
	}
}

// blocksPerSecond also says what a block costs of a processor, which is what counts
// where others use it too.
func blocksPerSecond(loads []load) string {
	return fmt.Sprintf("%7.0f blocks/s, %.3f ms", median(loads, load.rate), median(loads, load.cpuPerRow)/1e6)
}

// backfill compares full blocks with receipts, verified and through the engine,
// with what the node answers to a client that throws everything away, with the
// best of some batch sizes and widths: on the same processors, which whoever reads
// needs for itself; where an answer takes the time that it takes over a network; and
// where the node has work to do for each call, as one with a disk has.
func (r *rpcBench) backfill(ctx context.Context) error {
	for _, c := range []struct {
		name  string
		delay time.Duration
		work  time.Duration
		last  uint64
	}{
		{"full blocks and receipts, verified", 0, 0, 3000},
		{"  … where each exchange takes 20 ms", 20 * time.Millisecond, 0, 3000},
		{"  … of a node that takes 4 ms for a call, two at a time", 0, 4 * time.Millisecond, 1200},
	} {
		n, err := startNode(ctx, fullBlocks, r.scaled(c.last), c.delay, c.work)
		if err != nil {
			return err
		}
		variants := []variant[load]{{"reader", r.through(n, "eth.blocks", "receipts = true\n concurrency = 8", "bench.discard")}}
		for _, batch := range []uint64{1, 10, 50} {
			for _, width := range []int{2, 8} {
				variants = append(variants, variant[load]{fmt.Sprintf("bare, %d blocks at once, %d times", batch, width), r.bare(n, batch, width, wholeBlock)})
			}
		}
		results, err := turns(ctx, min(r.rounds, 3), variants...)
		if err := errors.Join(err, n.close()); err != nil {
			return err
		}
		best := results[1]
		for _, other := range results[2:] {
			if median(other, load.rate) > median(best, load.rate) {
				best = other
			}
		}
		r.table.add(figure{
			what: c.name, measured: blocksPerSecond(results[0]), yardstick: blocksPerSecond(best) + ", bare",
			ratio: ratio(results[0], best, load.rate), goal: goal{atLeast: 0.9},
		})
	}
	return nil
}

// scaled is how many blocks are read where less is measured than usual.
func (r *rpcBench) scaled(last uint64) uint64 {
	return max(300, last*uint64(r.span)/uint64(usual.span))
}

func (r *rpcBench) headers(ctx context.Context) error {
	n, err := startNode(ctx, smallBlocks, r.scaled(100_000), 0, 0)
	if err != nil {
		return err
	}
	results, err := turns(ctx, min(r.rounds, 3),
		variant[load]{"reader", r.through(n, "eth.headers", "", "bench.discard")},
		variant[load]{"bare", r.bare(n, 100, 8, onlyHeader)},
	)
	if err := errors.Join(err, n.close()); err != nil {
		return err
	}
	r.table.add(figure{
		what: "headers, verified", measured: blocksPerSecond(results[0]), yardstick: blocksPerSecond(results[1]) + ", bare",
		ratio: ratio(results[0], results[1], load.rate), value: median(results[0], load.rate), goal: goal{atLeast: 20_000, unit: "/s"},
	})
	return nil
}

func (r *rpcBench) logs(ctx context.Context) error {
	n, err := startNode(ctx, logBlocks, r.scaled(4000), 0, 0)
	if err != nil {
		return err
	}
	results, err := turns(ctx, min(r.rounds, 3),
		variant[load]{"parquet", r.through(n, "eth.logs", "", "parquet")},
		variant[load]{"discard", r.through(n, "eth.logs", "", "bench.discard")},
	)
	if err := errors.Join(err, n.close()); err != nil {
		return err
	}
	rate := func(l []load) string { return fmt.Sprintf("%7.0f rows/s", median(l, load.rate)) }
	r.table.add(figure{
		what: "logs to Parquet", measured: rate(results[0]), yardstick: rate(results[1]) + ", discarded",
		ratio: ratio(results[0], results[1], load.rate), value: median(results[0], load.rate), goal: goal{atLeast: 250_000, unit: "/s"},
	})
	return nil
}

// tb stands in the place of a test.
type tb struct{ cleanup []func() }

func (t *tb) Helper()           {}
func (t *tb) Cleanup(f func())  { t.cleanup = append(t.cleanup, f) }
func (t *tb) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (t *tb) end() {
	for i := range t.cleanup {
		t.cleanup[len(t.cleanup)-1-i]()
	}
}

const liveFile = `
network "bench" {
  endpoint "node" { url = %q }
}
pipeline "live" {
  from = "latest"
  reader "eth.logs" "reader" {}
  loader "sqlite" "store" {
    input = reader
    path  = %q
  }
}`

// live measures the time from a node's announcement of a head until the loader
// has said that the rows of that block are committed.
func (r *rpcBench) live(ctx context.Context) error {
	dir, err := r.emptyDir()
	if err != nil {
		return err
	}
	t := &tb{}
	defer t.end()
	n := &nodetest.Node{Chain: nodetest.Make(blocksOf(logBlocks), 64)}
	server := httptest.NewServer(n.Handler(t))
	t.Cleanup(server.Close)
	rig, err := r.start(ctx, setup{
		file:    fmt.Sprintf(liveFile, nodetest.WebSocket(server.URL), filepath.Join(dir, "live.db")),
		plugins: r.plugins, checkpoint: engine.CheckpointConfig{Every: time.Second},
	})
	if err != nil {
		return err
	}
	var d delays
	err = rig.when(ctx, "the head", func() bool { return rig.committedBy("store") >= 64 })
	for i := 0; err == nil && i < max(20, r.times(100)); i++ {
		begin, head := time.Now(), n.Chain.Height()+1
		n.Chain.Mine(1)
		err = rig.when(ctx, "a block", func() bool { return rig.committedBy("store") >= head })
		d = append(d, float64(time.Since(begin).Microseconds())/1000)
		pass(ctx, 50*time.Millisecond) // the chain is not in a hurry: one block is done before the next
	}
	if err := errors.Join(err, rig.close()); err != nil {
		return err
	}
	r.table.add(figure{
		what:     "a new head's 240 rows are committed, p50",
		measured: fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms", d.p50(), quantile(d, 0.9), d.p99()), value: d.p50(), goal: goal{atMost: 50, unit: " ms"},
	})
	return nil
}

// committedBy is the newest block of which a loader has committed all rows.
func (r *rig) committedBy(step string) uint64 {
	for _, p := range r.path().Processes {
		if p.Step == step && p.Block != nil {
			return *p.Block
		}
	}
	return 0
}

// flat compares what the reader holds in memory after a range and after one that
// is eight times as long.
func (r *rpcBench) flat(ctx context.Context) error {
	last := r.scaled(100_000)
	n, err := startNode(ctx, smallBlocks, last, 0, 0)
	if err != nil {
		return err
	}
	early, late, err := r.held(ctx, n)
	if err := errors.Join(err, n.close()); err != nil {
		return err
	}
	r.table.add(figure{
		what:     fmt.Sprintf("memory of the reader after %d headers", last),
		measured: fmt.Sprintf("%d MiB", late>>20), yardstick: fmt.Sprintf("%d MiB, after an eighth of them", early>>20),
		ratio: float64(late) / float64(max(early, 1)), goal: goal{atMost: 1.25},
	})
	return nil
}

func (r *rpcBench) held(ctx context.Context, n *node) (early, late int64, err error) {
	rig, err := r.start(ctx, setup{
		file:    fmt.Sprintf(rangeFile, n.url, n.last, "eth.headers", "", "bench.discard", ""),
		plugins: r.plugins, checkpoint: engine.CheckpointConfig{Every: time.Second},
	})
	if err != nil {
		return 0, 0, err
	}
	err = rig.when(ctx, "an eighth", func() bool {
		if rig.loaded() < n.last/8 {
			return false
		}
		if pid := rig.pid("reader"); pid != 0 {
			if held, failed := resident(pid); failed == nil {
				late = max(late, held)
				if early == 0 {
					early = held
				}
			}
		}
		return rig.loaded() >= n.last
	})
	return early, late, errors.Join(err, rig.close())
}
