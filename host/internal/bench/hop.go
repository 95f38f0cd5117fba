package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

func listen(socket string) (net.Listener, error) { return net.Listen("unix", socket) }

// hopFigures measures rows from a reader plugin in the host.
func hopFigures(ctx context.Context, b *bench) error {
	r, err := turns(ctx, b.rounds,
		variant[load]{"typed", b.typedHop},
		variant[load]{"bare gRPC", b.bareHop(opaque, defaults)},
		variant[load]{"tuned gRPC", b.bareHop(opaque, tuned)},
		variant[load]{"pieces", b.bareHop(pieces, defaults)},
		variant[load]{"ready-made frames", b.forwardHop},
		variant[load]{"protobuf", b.bareHop(protobuf, defaults)},
	)
	if err != nil {
		return err
	}
	for i, f := range []figure{
		compare("typed, against ready-made frames, gRPC alone", r[0], r[1], goal{atLeast: 0.6}),
		compare("  … with windows and buffers as large as ours", r[0], r[2], goal{}),
		compare("  … left in the pieces that gRPC reads", r[0], r[3], goal{}),
		compare("  … in pieces, sent by a plugin of ours", r[0], r[4], goal{}),
		compare("  … as protobuf messages, gRPC alone", r[0], r[5], goal{}),
	} {
		if i > 0 {
			f.measured = "" // it stands above
		}
		b.table.add(f)
	}
	return nil
}

// typedHop reads rows of structs that a plugin emits as structs.
func (b *bench) typedHop(ctx context.Context) (load, error) {
	return b.decoded(ctx, remote.Config{Path: b.typed})
}

// decoded reads rows of structs from a plugin that is started in some way.
func (b *bench) decoded(ctx context.Context, config remote.Config) (load, error) {
	decoder, err := logDecoder()
	if err != nil {
		return load{}, err
	}
	var got []eth.Log
	return b.hop(ctx, config, func(f *remote.Frame) (err error) {
		got, err = decoder.Append(got[:0], f.Bytes())
		return err
	})
}

// forwardHop reads frames and looks at none.
func (b *bench) forwardHop(ctx context.Context) (load, error) {
	return b.hop(ctx, b.forwarding(), func(*remote.Frame) error { return nil })
}

// forwarding starts the plugin that sends ready-made frames.
func (b *bench) forwarding() remote.Config {
	return remote.Config{Path: b.forward, Env: []string{frameEnv + "=" + b.frame}}
}

// frameEnv names the directory with the ready-made frame.
const frameEnv = "PENSTOCK_BENCH_FRAME"

func (b *bench) hop(ctx context.Context, config remote.Config, handle func(*remote.Frame) error) (l load, err error) {
	plugin, stream, err := openReader(ctx, config, "bench.logs")
	if err != nil {
		return load{}, err
	}
	defer func() { err = errors.Join(err, closeReader(ctx, plugin, stream)) }()
	return b.flow(ctx, []int{plugin.PID()}, func() (int, error) {
		f, err := stream.Recv()
		if err != nil {
			return 0, err
		}
		defer f.Free()
		if f.Kind != remote.KindBatch {
			return 0, nil
		}
		return int(f.Rows), handle(f)
	})
}

// openReader starts a plugin and opens one of its readers.
func openReader(ctx context.Context, config remote.Config, register string) (*remote.Plugin, *remote.Stream, error) {
	plugin, err := remote.Start(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	stream, err := plugin.Open(ctx, remote.Open{Register: register, Pipeline: "bench", Step: "reader", Generation: 1})
	if err != nil {
		plugin.Kill()
		return nil, nil, err
	}
	return plugin, stream, nil
}

// closeReader drops what is on its way.
func closeReader(ctx context.Context, plugin *remote.Plugin, stream *remote.Stream) error {
	stream.Cancel()
	for {
		f, err := stream.Recv()
		if err != nil {
			break
		}
		f.Free()
	}
	return plugin.Stop(ctx)
}

func logDecoder() (*transit.Decoder[eth.Log], error) {
	t, err := transit.TypeOf[eth.Log]()
	if err != nil {
		return nil, err
	}
	return transit.NewDecoder[eth.Log](t)
}

// bareHop receives messages over gRPC alone.
func (b *bench) bareHop(content, settings string) func(ctx context.Context) (load, error) {
	return func(ctx context.Context) (l load, err error) {
		ctx, cancel := context.WithCancel(ctx)
		p, err := b.startBare(ctx, content, settings, filepath.Join(b.frame, "body"))
		if err != nil {
			cancel()
			return load{}, err
		}
		defer cancel()
		defer func() { err = errors.Join(err, p.close()) }()
		stream, err := p.open(ctx, "Read")
		if err != nil {
			return load{}, err
		}
		return b.flow(ctx, []int{p.pid()}, func() (int, error) {
			m := p.empty()
			if err := stream.RecvMsg(m); err != nil {
				return 0, err
			}
			p.free(m)
			return sample.FrameRows, nil
		})
	}
}
