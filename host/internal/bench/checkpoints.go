package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// far is a head that no reader comes to: all is history.
const far = 1 << 40

// costFile is the chain of three, with a loader that commits.
const costFile = network + `
pipeline "cost" {
  network = "bench"
  from    = 1
  reader "bench.logs" "logs" { head = %d }
  subscriber "bench.copies" "copies" { input = logs }
  loader "bench.keep" "keep" {
    input = copies
    path  = %q
  }
}`

// checkpointCost compares the chain of three with checkpoints and without.
func (b *bench) checkpointCost(ctx context.Context) error {
	every := min(time.Second, b.span)
	long := b.effort
	long.span *= 4
	taken := 0
	r, err := turns(ctx, b.rounds,
		variant[load]{"checkpoints", b.checkpointed(long, every, 1, func(number int) error {
			taken += number
			return nil
		})},
		variant[load]{"no checkpoints", b.checkpointed(long, time.Hour, 0, func(number int) error {
			if number > 0 {
				return fmt.Errorf("%d checkpoints were recorded", number)
			}
			return nil
		})},
	)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("checkpoints every %s (%d), against none", every, taken)
	b.table.add(compare(what, r[0], r[1], goal{atLeast: 0.97}))
	return nil
}

// checkpointed measures the chain, and has the checkpoints checked that were
// recorded meanwhile, of which it waits for some.
func (b *bench) checkpointed(e effort, every time.Duration, least int, check func(number int) error) func(context.Context) (load, error) {
	return func(ctx context.Context) (l load, err error) {
		r, err := b.start(ctx, setup{
			file:       fmt.Sprintf(costFile, far, b.kept()),
			plugins:    []*config.Plugin{b.typedPlugin()},
			checkpoint: engine.CheckpointConfig{Every: every},
		})
		if err != nil {
			return load{}, err
		}
		defer func() { err = errors.Join(err, r.close()) }()
		if l, err = r.flow(ctx, e); err != nil {
			return load{}, err
		}
		if err := r.when(ctx, "a checkpoint", func() bool { return r.path().Kept >= least }); err != nil {
			return load{}, err
		}
		path := r.path()
		if path.State != engine.PathBackfill {
			return load{}, fmt.Errorf("the path is in state %s, want that it reads history", path.State)
		}
		return l, check(path.Kept) // nothing is final here, so all that were recorded are kept
	}
}

// recorded is the number of the newest checkpoint, 0 if there is none.
func recorded(path engine.PathStatus) uint64 {
	if path.Checkpoint == nil {
		return 0
	}
	return path.Checkpoint.Number
}

// checkpointTime shows what one checkpoint takes at the head, where there is
// one with every block, beside what the disk takes for one write.
func (b *bench) checkpointTime(ctx context.Context) error {
	r, err := turns(ctx, b.rounds,
		variant[delays]{"checkpoints at the head", b.checkpointsAtHead},
		variant[delays]{"synced writes", b.syncedWrites},
	)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		value func(delays) float64
	}{{"p50", delays.p50}, {"p99", delays.p99}} {
		b.table.add(figure{
			what:     "one at the head, against write and fsync: " + f.name,
			measured: micros(r[0], f.value), yardstick: micros(r[1], f.value), ratio: ratio(r[0], r[1], f.value),
		})
	}
	return nil
}

// perTurn is how many checkpoints are looked at in a turn.
const perTurn = 20

// checkpointsAtHead is how long checkpoints took, from the first barrier to the
// record, in microseconds. The loader keeps nothing on the disk: it is the
// host's own share that is measured.
func (b *bench) checkpointsAtHead(ctx context.Context) (took delays, err error) {
	const every, rows = 50 * time.Millisecond, 100
	r, err := b.start(ctx, setup{
		file:    following{every: every, rows: rows}.String(),
		plugins: []*config.Plugin{b.typedPlugin()},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	last := uint64(0)
	for len(took) < perTurn {
		err := r.when(ctx, "a checkpoint", func() bool { return r.path().State == engine.PathLive && recorded(r.path()) > last })
		if err != nil {
			return nil, err
		}
		newest := r.path().Checkpoint
		if last > 0 { // the first may be of history
			took = append(took, float64(newest.Took.Nanoseconds())/1e3)
		}
		last = newest.Number
	}
	return took, nil
}

// syncedWrites is how long a write and fsync of a page take in the directory
// that checkpoints are kept in, in microseconds.
func (b *bench) syncedWrites(context.Context) (took delays, err error) {
	file, err := os.CreateTemp(filepath.Join(b.dir, "data"), "page")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	page := make([]byte, os.Getpagesize())
	for range perTurn {
		begin := time.Now()
		if _, err := file.Write(page); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(begin).Nanoseconds())/1e3)
	}
	return took, nil
}
