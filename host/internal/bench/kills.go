package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// nearHead is a block so often that the chain has gone on whenever rows flow again.
const nearHead = 10 * time.Millisecond

// pluginKills measures from the kill of a plugin to the first row at the loader
// that had not come before. The pause before the restart is next to nothing,
// and nothing is subtracted.
func (b *bench) pluginKills(ctx context.Context) error {
	for _, step := range []string{"copies", "keep"} {
		const rows = 100
		file := following{every: nearHead, rows: rows, path: b.kept(), tell: b.socket()}.String()
		p, starts, err := b.killPlugins(ctx, file, step, b.times(15), b.warm)
		if err != nil {
			return fmt.Errorf("kill %s: %w", step, err)
		}
		what := map[string]string{"copies": "subscriber", "keep": "loader"}[step]
		b.restore("from the kill of a "+what+" to new rows", p.fresh,
			fmt.Sprintf("a plugin's start to rows %.0f ms", quantile(starts, 0.5)), 500)
	}
	file := fmt.Sprintf(fullFile, far, b.kept(), b.socket())
	p, _, err := b.killPlugins(ctx, file, "copies", b.times(10), b.warm+b.span)
	if err != nil {
		return fmt.Errorf("kill copies at full speed: %w", err)
	}
	b.table.add(figure{what: "  … at full speed, to rows that come again", measured: spread(p.again)})
	b.table.add(figure{what: "  … and to rows that never came before", measured: spread(p.fresh)})
	return nil
}

// fullFile reads history as fast as it can.
const fullFile = network + `
pipeline "full" {
  network = "bench"
  from    = 1
  reader "bench.logs" "logs" { head = %d }
  subscriber "bench.copies" "copies" { input = logs }
  loader "bench.keep" "keep" {
    input = copies
    path  = %q
    tell  = %q
  }
}`

// killPlugins kills the plugin of a step again and again, at any time in a second
// after rows have flowed for some time at least. The other result is
// how long a plugin alone took to its first row, between the kills.
func (b *bench) killPlugins(ctx context.Context, file, step string, kills int, least time.Duration) (p pauses, starts []float64, err error) {
	w, err := b.watch()
	if err != nil {
		return p, nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r, err := b.start(ctx, setup{
		file: file, plugins: []*config.Plugin{b.typedPlugin()}, quiet: true,
		restart: engine.Restart{Max: 2 * kills, First: time.Millisecond, Longest: time.Millisecond},
	})
	if err != nil {
		return p, nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	any := rand.New(rand.NewPCG(1, 2))
	for range kills {
		if err := b.killOnce(ctx, r, w, step, between(any, least, least+b.span), &p); err != nil {
			return p, nil, err
		}
		start, err := b.firstRow(ctx)
		if err != nil {
			return p, nil, err
		}
		starts = append(starts, start)
	}
	return p, starts, nil
}

func (b *bench) killOnce(ctx context.Context, r *rig, w *watch, step string, after time.Duration, p *pauses) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := w.settle(ctx, after); err != nil {
		return err
	}
	victim, err := os.FindProcess(r.pid(step))
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := victim.Kill(); err != nil {
		return fmt.Errorf("kill process %d: %w", victim.Pid, err)
	}
	return w.resumed(ctx, begin, p)
}

func between(any *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(any.Int64N(int64(most-least)))
}

// hostKills measures from the kill of a host, and with it of all its plugins, to
// the first new row at a loader of the next host, which is started at once.
func (b *bench) hostKills(ctx context.Context) (err error) {
	files, err := b.buildPlugin(ctx, "files")
	if err != nil {
		return err
	}
	lines, err := b.lines("copies")
	if err != nil {
		return err
	}
	const rows = 100
	pipeline := following{every: nearHead, rows: rows, path: b.kept(), tell: b.socket(), beside: lines}
	file := filepath.Join(b.dir, "host.hcl")
	text := fmt.Sprintf("plugin \"bench\" {\n path = %q\n network = true\n}\nplugin \"files\" { path = %q }\n%s", b.typed, files, pipeline)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	w, err := b.watch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	host, err := b.startHost(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Process.Signal(os.Interrupt), host.Wait()) }()
	var p pauses
	for range b.times(10) {
		if host, err = b.killHost(ctx, host, file, w, &p); err != nil {
			return err
		}
	}
	b.restore("from the kill of a host to new rows", p.fresh, "", 1000)
	return nil
}

// startHost runs penstock, with the data directory of the host before it, until
// it is killed or told to end.
func (b *bench) startHost(file string) (*exec.Cmd, error) {
	host := exec.Command(b.host, "run", "--dev", "--view", "none", "--log-level", "error", "--data-dir", filepath.Join(b.dir, "hosted"), file) //nolint:noctx // it outlives the turn, and is killed or told to end
	host.Stderr = os.Stderr
	return host, host.Start()
}

// killHost kills a host and starts the next.
func (b *bench) killHost(ctx context.Context, host *exec.Cmd, file string, w *watch, p *pauses) (*exec.Cmd, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := w.settle(ctx, b.warm+b.span); err != nil {
		return host, err
	}
	begin := time.Now()
	if err := host.Process.Kill(); err != nil {
		return host, err
	}
	_ = host.Wait() // that it was killed is known
	next, err := b.startHost(file)
	if err != nil {
		return host, err
	}
	return next, w.resumed(ctx, begin, p)
}
