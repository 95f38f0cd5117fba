package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/remote"
)

// supplyFigures measures what it costs to let only known bytes run, to let them
// at little, and to let nobody else talk to them.
func supplyFigures(ctx context.Context, b *bench) error {
	for _, measure := range []func(context.Context) error{b.sealedStarts, b.confinedStarts, b.mutualTLS} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bigPlugin is how many bytes the binary has that is verified.
const bigPlugin = 20 << 20

// padded makes a plugin of a size: a program may be followed by anything.
func (b *bench) padded(size int64) (path string, err error) {
	program, err := os.ReadFile(b.typed)
	if err != nil {
		return "", err
	}
	path = filepath.Join(b.dir, "big")
	if err := os.WriteFile(path, program, 0o700); err != nil { //nolint:gosec // it is to be run
		return "", err
	}
	return path, os.Truncate(path, max(size, int64(len(program))))
}

// startsPerTurn is how many starts have the middle of them taken as one.
const startsPerTurn = 5

// sealedStarts compares plugins that are started by their path with those whose
// bytes are hashed, sealed, and run.
func (b *bench) sealedStarts(ctx context.Context) error {
	big, err := b.padded(bigPlugin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "store-")
	if err != nil {
		return err
	}
	plugin := &config.Plugin{Name: "big", Path: big, Sandbox: config.Sandbox{Off: true}}
	sealed, err := b.sealed(plugin, dir)
	if err != nil {
		return err
	}
	defer sealed.Close()
	r, err := turns(ctx, b.rounds,
		variant[float64]{"a sealed start", b.starts(func(ctx context.Context) (*remote.Plugin, func(), error) {
			return b.fromCatalog(ctx, plugin, dir)
		})},
		variant[float64]{"a start of sealed bytes", b.starts(func(ctx context.Context) (*remote.Plugin, func(), error) {
			p, err := sealed.Start(ctx, inNoPipeline(plugin))
			return p, func() {}, err
		})},
		variant[float64]{"a start by path", b.starts(func(ctx context.Context) (*remote.Plugin, func(), error) {
			p, err := remote.Start(ctx, remote.Config{Path: big})
			return p, func() {}, err
		})},
	)
	if err != nil {
		return err
	}
	more := median(differences(r[0], r[2]), same)
	b.table.add(figure{
		what: "20 MB verified, sealed, started, against exec", measured: inMillis(r[0]), yardstick: inMillis(r[2]), ratio: ratio(r[0], r[2], same),
	})
	b.table.add(figure{
		what: "  … of which verified and sealed", measured: fmt.Sprintf("%.0f ms", more), value: more, goal: goal{atMost: 50, unit: " ms"},
	})
	b.table.add(figure{
		what: "  … once more, from the bytes that are sealed", measured: inMillis(r[1]), yardstick: inMillis(r[2]), ratio: ratio(r[1], r[2], same),
	})
	return nil
}

// sealed is a catalog of one plugin.
func (b *bench) sealed(plugin *config.Plugin, dataDir string) (*catalog.Catalog, error) {
	return catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{plugin.Name: plugin}, DataDir: dataDir, RunDir: b.dir, Logger: hclog.NewNullLogger(),
	})
}

// fromCatalog starts a plugin of a host that has just begun.
func (b *bench) fromCatalog(ctx context.Context, plugin *config.Plugin, dataDir string) (*remote.Plugin, func(), error) {
	plugins, err := b.sealed(plugin, dataDir)
	if err != nil {
		return nil, nil, err
	}
	p, err := plugins.Start(ctx, inNoPipeline(plugin))
	if err != nil {
		plugins.Close()
		return nil, nil, err
	}
	return p, plugins.Close, nil
}

func inNoPipeline(plugin *config.Plugin) catalog.Start {
	return catalog.Start{Plugin: plugin.Name, Step: "bench/step", Logger: hclog.NewNullLogger()}
}

func inMillis(turns []float64) string { return fmt.Sprintf("%.0f ms", median(turns, same)) }

// starts is the middle of some starts, in milliseconds. start returns what closes
// whatever is left when the plugin has ended.
func (b *bench) starts(start func(context.Context) (*remote.Plugin, func(), error)) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		var took []float64
		for range startsPerTurn {
			begin := time.Now()
			p, after, err := start(ctx)
			if err != nil {
				return 0, err
			}
			took = append(took, milliseconds(time.Since(begin)))
			err = p.Stop(ctx)
			after()
			if err != nil {
				return 0, err
			}
		}
		return middle(took), nil
	}
}

// confinedStarts compares plugins in a sandbox with those that reach what their
// user reaches. Both are sealed.
func (b *bench) confinedStarts(ctx context.Context) error {
	confined := func(off bool) func(context.Context) (float64, error) {
		plugin := &config.Plugin{Name: "bench", Path: b.typed, Sandbox: config.Sandbox{Off: off}}
		return b.starts(func(ctx context.Context) (*remote.Plugin, func(), error) {
			return b.fromCatalog(ctx, plugin, "")
		})
	}
	r, err := turns(ctx, b.rounds, variant[float64]{"confined", confined(false)}, variant[float64]{"not confined", confined(true)})
	if err != nil {
		return err
	}
	b.table.add(figure{
		what: "a start in the sandbox, against none", measured: inMillis(r[0]),
		yardstick: inMillis(r[1]), ratio: ratio(r[0], r[1], same),
	})
	return nil
}

// mutualTLS compares a hop, and a start, with certificates and without.
func (b *bench) mutualTLS(ctx context.Context) error {
	hop := func(mutual bool) func(context.Context) (load, error) {
		return func(ctx context.Context) (load, error) {
			return b.decoded(ctx, remote.Config{Path: b.typed, MutualTLS: mutual})
		}
	}
	r, err := turns(ctx, b.rounds, variant[load]{"mutual TLS", hop(true)}, variant[load]{"no TLS", hop(false)})
	if err != nil {
		return err
	}
	b.table.add(compare("a hop over mutual TLS, against none", r[0], r[1], goal{}))
	start := func(mutual bool) func(context.Context) (float64, error) {
		return b.starts(func(ctx context.Context) (*remote.Plugin, func(), error) {
			p, err := remote.Start(ctx, remote.Config{Path: b.typed, MutualTLS: mutual})
			return p, func() {}, err
		})
	}
	s, err := turns(ctx, b.rounds, variant[float64]{"mutual TLS", start(true)}, variant[float64]{"no TLS", start(false)})
	if err != nil {
		return err
	}
	b.table.add(figure{
		what: "a start with mutual TLS, against none", measured: inMillis(s[0]),
		yardstick: inMillis(s[1]), ratio: ratio(s[0], s[1], same),
	})
	return nil
}

func same(v float64) float64 { return v }

// differences are those of turns that followed each other.
func differences(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}
