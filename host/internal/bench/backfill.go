package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/remote"
)

// keeper is a loader that comes with penstock and writes files.
type keeper struct{ plugin, register string }

// backfills compares reading a piece of history into files through the engine
// with the same two plugins and nothing between them.
func (b *bench) backfills(ctx context.Context) error {
	for _, k := range []keeper{{"sqlite", "sqlite"}, {"files", "jsonl"}} {
		path, err := b.buildPlugin(ctx, k.plugin)
		if err != nil {
			return err
		}
		plugin := &config.Plugin{Name: k.plugin, Path: path}
		r, err := turns(ctx, b.rounds,
			variant[load]{k.register + " with guarantees", b.guaranteed(plugin, k.register)},
			variant[load]{k.register + " without guarantees", b.direct(plugin, k.register)},
		)
		if err != nil {
			return err
		}
		b.table.add(compare("backfill into "+k.register+", against direct frames", r[0], r[1], goal{atLeast: 0.9}))
	}
	return nil
}

// history is how many blocks are read, of FrameRows rows each.
func (b *bench) history() uint64 {
	const blocks = 400 // of a turn of a second
	return max(sample.SafeEvery, uint64(blocks*b.span/time.Second))
}

// wholeRun measures something from its beginning to the end of all processes.
func (b *bench) wholeRun(do func() error) (load, error) {
	before, err := cpuTimeOfChildren()
	if err != nil {
		return load{}, err
	}
	begin := time.Now()
	if err := do(); err != nil {
		return load{}, err
	}
	wall := time.Since(begin)
	after, err := cpuTimeOfChildren()
	return load{rows: int(b.history()) * sample.FrameRows, wall: wall, cpu: after - before}, err
}

// emptyDir is a directory for the files of one turn.
func (b *bench) emptyDir() (string, error) {
	dir := filepath.Join(b.dir, "history")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

const historyFile = network + `
pipeline "history" {
  network = "bench"
  from    = 1
  to      = %d
  reader "bench.logs" "logs" { head = %d }
  loader %q "store" {
    input = logs
    path  = %q
  }
}`

// guaranteed reads history through an engine, with checkpoints.
func (b *bench) guaranteed(plugin *config.Plugin, register string) func(context.Context) (load, error) {
	return func(ctx context.Context) (l load, err error) {
		dir, err := b.emptyDir()
		if err != nil {
			return load{}, err
		}
		r, err := b.prepare(ctx, setup{
			file:       fmt.Sprintf(historyFile, b.history(), uint64(far), register, filepath.Join(dir, "rows")),
			plugins:    []*config.Plugin{b.typedPlugin(), plugin},
			checkpoint: engine.CheckpointConfig{Every: min(time.Second, b.span)},
		})
		if err != nil {
			return load{}, err
		}
		l, err = b.wholeRun(func() error {
			r.begin(ctx)
			return r.finish(ctx)
		})
		if err := errors.Join(err, r.close()); err != nil {
			return load{}, err
		}
		if recorded(r.path()) == 0 || r.loaded() != uint64(l.rows) {
			return load{}, fmt.Errorf("%d rows with %d checkpoints, want %d and some", r.loaded(), recorded(r.path()), l.rows)
		}
		return l, nil
	}
}

// direct reads history with a reader and a loader, and hands over frame by
// frame here. The loader commits at safe points.
func (b *bench) direct(plugin *config.Plugin, register string) func(context.Context) (load, error) {
	return func(ctx context.Context) (l load, err error) {
		dir, err := b.emptyDir()
		if err != nil {
			return load{}, err
		}
		path := filepath.Join(dir, "rows")
		rows := 0
		l, err = b.wholeRun(func() error {
			rows, err = b.handOver(ctx, plugin.Path, register, path)
			return err
		})
		if err == nil && rows != l.rows {
			err = fmt.Errorf("%d rows, want %d", rows, l.rows)
		}
		return l, err
	}
}

func (b *bench) handOver(ctx context.Context, plugin, register, path string) (rows int, err error) {
	var read, load *remote.Plugin
	starting, _ := errgroup.WithContext(ctx)
	starting.Go(func() (err error) { read, err = remote.Start(ctx, remote.Config{Path: b.typed}); return err })
	starting.Go(func() (err error) { load, err = remote.Start(ctx, remote.Config{Path: plugin}); return err })
	err = starting.Wait()
	for _, p := range []*remote.Plugin{read, load} {
		if p != nil {
			defer func() { err = errors.Join(err, p.Stop(ctx)) }()
		}
	}
	if err != nil {
		return 0, err
	}
	from, to, err := b.openBoth(ctx, read, load, register, path)
	if err != nil {
		return 0, err
	}
	defer from.Cancel()
	defer to.Cancel()
	moving, together := errgroup.WithContext(ctx)
	defer context.AfterFunc(together, func() { from.Cancel(); to.Cancel() })()
	moving.Go(func() (err error) { rows, err = move(from, to); return err })
	moving.Go(func() error { return listenTo(to) })
	err = moving.Wait()
	return rows, err
}

// openBoth opens a reader of history and the loader that its rows go to.
func (b *bench) openBoth(ctx context.Context, read, load *remote.Plugin, register, path string) (from, to *remote.Stream, err error) {
	readSettings, err := json.Marshal(map[string]any{"head": uint64(far)})
	if err != nil {
		return nil, nil, err
	}
	loadSettings, err := json.Marshal(map[string]any{"path": path})
	if err != nil {
		return nil, nil, err
	}
	chain := remote.Network{Name: "bench", ChainID: 1}
	from, err = read.Open(ctx, remote.Open{
		Register: "bench.logs", Pipeline: "history", Step: "logs", Domain: "history", Generation: 1,
		Settings: readSettings, Network: chain, From: 1, To: new(b.history()),
	})
	if err != nil {
		return nil, nil, err
	}
	to, err = load.Open(ctx, remote.Open{
		Register: register, Pipeline: "history", Step: "store", Domain: "history", Generation: 1,
		Settings: loadSettings, Network: chain, From: 1, To: new(b.history()),
		Inputs: []remote.Input{{Name: "logs", Port: "input", Type: from.Output()}},
	})
	if err != nil {
		from.Cancel()
	}
	return from, to, err
}

// move hands frames over to the end, which it hands over too.
func move(from, to *remote.Stream) (rows int, err error) {
	err = untilEnd(from, func(f *remote.Frame) error {
		rows += int(f.Rows)
		if err := to.Send(f); err != nil || f.Kind != remote.KindEnded {
			return err
		}
		return errors.Join(from.CloseSend(), to.CloseSend())
	})
	return rows, err
}

// listenTo hears what a loader says until it has ended.
func listenTo(loader *remote.Stream) error {
	return untilEnd(loader, func(*remote.Frame) error { return nil })
}

// untilEnd hands over what a process sends. It returns once the process has
// ended and closed its stream.
func untilEnd(s *remote.Stream, handle func(*remote.Frame) error) error {
	ended := false
	for {
		f, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF) && ended:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("a plugin ended its stream before its time")
		case err != nil:
			return err
		}
		ended = ended || f.Kind == remote.KindEnded
		err = handle(f)
		f.Free()
		if err != nil {
			return err
		}
	}
}
