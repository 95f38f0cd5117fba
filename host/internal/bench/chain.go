package main

import (
	"context"
	"errors"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/transit/testdata/logpb"
)

// chainFigures measures rows that go through two plugins and arrive at a third.
func chainFigures(ctx context.Context, b *bench) error {
	r, err := turns(ctx, b.rounds,
		variant[load]{"typed", b.chain(&config.Plugin{Path: b.typed})},
		variant[load]{"ready-made frames", b.chain(&config.Plugin{Path: b.forward, Env: map[string]string{frameEnv: b.frame}, Sandbox: config.Sandbox{Read: []string{b.frame}}})},
		variant[load]{"protobuf", b.protobufChain},
	)
	if err != nil {
		return err
	}
	b.table.add(compare("typed, against ready-made frames", r[0], r[1], goal{atLeast: 0.5}))
	protobuf := compare("  … against protobuf messages, gRPC alone", r[0], r[2], goal{atLeast: 4})
	protobuf.measured = "" // it stands above
	b.table.add(protobuf)
	return nil
}

const chainFile = `
network "bench" {
  chain_id = 1
  endpoint "none" { url = "http://127.0.0.1:1" }
}
pipeline "chain" {
  network = "bench"
  from    = 1
  reader "bench.logs" "logs" {}
  subscriber "bench.copies" "copies" { input = logs }
  loader "bench.drop" "drop" { input = copies }
}`

// chain runs the engine over three processes of one plugin.
func (b *bench) chain(plugin *config.Plugin) func(ctx context.Context) (load, error) {
	plugin.Name = "bench"
	return func(ctx context.Context) (l load, err error) {
		r, err := b.start(ctx, setup{file: chainFile, plugins: []*config.Plugin{plugin}})
		if err != nil {
			return load{}, err
		}
		defer func() { err = errors.Join(err, r.close()) }()
		return r.flow(ctx, b.effort)
	}
}

// protobufChain is the same chain as people build it with gRPC alone: three
// services, and a host that receives messages from one and sends them to the
// next, with the queue between them that ours has too.
func (b *bench) protobufChain(ctx context.Context) (l load, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ends [3]*bare
	var streams [3]grpc.ClientStream
	var pids []int
	for i, name := range []string{"Read", "Copy", "Drop"} {
		p, err := b.startBare(ctx, protobuf, defaults, filepath.Join(b.frame, "body"))
		if err != nil {
			return load{}, err
		}
		ends[i] = p
		defer func() { err = errors.Join(err, p.close()) }()
		if streams[i], err = p.open(ctx, name); err != nil {
			return load{}, err
		}
		pids = append(pids, p.pid())
	}
	const queued = 16
	first, second := make(chan *logpb.Logs, queued), make(chan *logpb.Logs, queued)
	arrived := make(chan int, queued)
	moving, ctx := errgroup.WithContext(ctx)
	moving.Go(func() error { return receive(ctx, streams[0], first) })
	moving.Go(func() error { return send(ctx, streams[1], first, nil) })
	moving.Go(func() error { return receive(ctx, streams[1], second) })
	moving.Go(func() error { return send(ctx, streams[2], second, arrived) })
	defer func() {
		cancel()
		_ = moving.Wait() // they end because they are stopped
	}()
	return b.flow(ctx, pids, func() (int, error) {
		select {
		case n := <-arrived:
			return n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}

func receive(ctx context.Context, stream grpc.ClientStream, to chan<- *logpb.Logs) error {
	for {
		m := new(logpb.Logs)
		if err := stream.RecvMsg(m); err != nil {
			return err
		}
		select {
		case to <- m:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send passes messages on, and tells how many rows those had, where somebody
// counts.
func send(ctx context.Context, stream grpc.ClientStream, from <-chan *logpb.Logs, sent chan<- int) error {
	for {
		select {
		case m := <-from:
			if err := stream.SendMsg(m); err != nil {
				return err
			}
			if sent == nil {
				continue
			}
			select {
			case sent <- sample.FrameRows:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
