package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

const megabyte = 1 << 20

// footprintFigures measures what a host and a plugin take when they have little
// to do, and how soon a plugin is of use.
func footprintFigures(ctx context.Context, b *bench) error {
	for _, m := range []struct {
		what    string
		measure func(context.Context) (float64, error)
		most    float64
	}{
		{"resident, a host with six steps", b.hostMemory, 80},
		{"resident, an idle plugin", b.pluginMemory, 40},
	} {
		mb, err := m.measure(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			b.table.add(figure{what: m.what, measured: "not known on this system"})
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		b.table.add(figure{what: m.what, measured: fmt.Sprintf("%.0f MB", mb), value: mb, goal: goal{atMost: m.most, unit: " MB"}})
	}
	r, err := turns(ctx, 2*b.rounds, variant[float64]{"start", b.firstRow})
	if err != nil {
		return err
	}
	start := median(r[0], func(ms float64) float64 { return ms })
	b.table.add(figure{
		what: "from the start of a plugin to its first row", measured: fmt.Sprintf("%.0f ms", start),
		value: start, goal: goal{atMost: 100, unit: " ms"},
	})
	return nil
}

const hostFile = `
network "bench" {
  chain_id = 1
  endpoint "none" { url = "http://127.0.0.1:1" }
}
plugin "bench" { path = %q }
pipeline "six" {
  network = "bench"
  from    = 1
  reader "bench.headers" "blocks" { head = 1000 }
  reader "bench.logs" "logs" {
    rows = 50
    head = 1000
  }
  subscriber "bench.copies" "copies" { input = logs }
  aggregator "bench.counts" "counts" { inputs = { headers = blocks, logs = copies } }
  loader "bench.discard" "store" { inputs = [counts] }
  loader "bench.drop" "drop" { input = copies }
}`

// hostMemory is what penstock itself takes, in megabytes, some seconds after
// the start, when it has read a thousand blocks and follows the chain.
func (b *bench) hostMemory(ctx context.Context) (mb float64, err error) {
	file := filepath.Join(b.dir, "six.hcl")
	if err := os.WriteFile(file, fmt.Appendf(nil, hostFile, b.typed), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, b.host, "run", "--dev", "--view", "none", "--log-level", "warn", "--data-dir", filepath.Join(b.dir, "data"), file)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, cmd.Cancel(), cmd.Wait())
	}()
	if err := sleep(ctx, 5*b.span); err != nil {
		return 0, err
	}
	bytes, err := resident(cmd.Process.Pid)
	return float64(bytes) / megabyte, err
}

// pluginMemory is what a plugin takes that has been started and has nothing to
// do, in megabytes.
func (b *bench) pluginMemory(ctx context.Context) (mb float64, err error) {
	plugin, err := remote.Start(ctx, remote.Config{Path: b.typed})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, plugin.Stop(ctx)) }()
	if err := sleep(ctx, b.span); err != nil {
		return 0, err
	}
	bytes, err := resident(plugin.PID())
	return float64(bytes) / megabyte, err
}

// firstRow is how long it takes from the start of a plugin to its first row in
// the host, in milliseconds.
func (b *bench) firstRow(ctx context.Context) (ms float64, err error) {
	begin := time.Now()
	plugin, stream, err := openReader(ctx, remote.Config{Path: b.typed}, "bench.ticks")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeReader(ctx, plugin, stream)) }()
	f, err := stream.Recv()
	if err != nil {
		return 0, err
	}
	f.Free()
	return float64(time.Since(begin).Microseconds()) / 1e3, nil
}

// sleep waits, but not longer than ctx lives.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
