// Command bench is a plugin that passes ready-made frames on without looking
// into them: what typed plugins are measured against. It keeps the
// conversation of a plugin, and has no rows of its own: the frame it sends is
// in a file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

func main() {
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: true})
	p, err := load(os.Getenv("PENSTOCK_BENCH_FRAME"))
	if err != nil {
		logger.Error("no frame to send", "error", err)
		os.Exit(1)
	}
	wire.Serve(p, logger)
}

// forwarder answers for three registers: one sends the frame again and again,
// one passes on what comes, one drops it.
type forwarder struct {
	frame     wire.Frame // the header and body of every frame
	safeEvery uint64     // frames from one safe point to the next
	data      *pluginv1.DataType
}

// load reads what the benchmark has put into a directory: the type and its
// schema, a body, and the numbers of rows and of frames between safe points.
func load(dir string) (*forwarder, error) {
	var errs []error
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		errs = append(errs, err)
		return b
	}
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(string(read(name)), 10, 32)
		errs = append(errs, err)
		return n
	}
	p := &forwarder{
		data:      &pluginv1.DataType{Name: string(read("type")), Schema: read("schema")},
		safeEvery: number("safe_every"),
		frame: wire.Frame{
			Kind: pluginv1.Kind_KIND_BATCH, Rows: uint32(number("rows")),
			Body: mem.BufferSlice{mem.SliceBuffer(read("body"))},
		},
	}
	return p, errors.Join(errs...)
}

func (p *forwarder) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	in := []*pluginv1.Port{{Name: "input", Type: p.data}}
	return &pluginv1.DescribeResponse{
		Version: "bench", Protocol: wire.Protocol,
		Registers: []*pluginv1.Register{
			{Name: "bench.logs", Type: pluginv1.ProcessType_PROCESS_TYPE_READER, Output: p.data},
			{Name: "bench.copies", Type: pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER, Inputs: in, Output: p.data},
			{Name: "bench.drop", Type: pluginv1.ProcessType_PROCESS_TYPE_LOADER, Inputs: in},
		},
	}, nil
}

func (p *forwarder) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	return &pluginv1.ConfigureResponse{}, nil
}

// Process speaks the part of the protocol that a run without faults needs.
func (p *forwarder) Process(ctx context.Context, stream wire.Stream) error {
	open, err := stream.Recv()
	if err != nil {
		return err
	}
	output, work := p.data, p.read
	switch register := open.Open.GetRegister(); register {
	case "bench.logs":
	case "bench.copies":
		work = p.copy
	case "bench.drop":
		output, work = nil, p.drop
	default:
		return fmt.Errorf("open: there is no register %q", register)
	}
	opened := &wire.Frame{Kind: pluginv1.Kind_KIND_OPENED, Generation: open.Generation, Opened: &pluginv1.Opened{Output: output}}
	if err := stream.Send(opened); err != nil {
		return err
	}
	if err := work(ctx, open, stream); err != nil {
		return err
	}
	return stream.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED, Generation: open.Generation})
}

// read sends until the host wants no more. Barriers are answered at safe points.
func (p *forwarder) read(_ context.Context, open *wire.Frame, stream wire.Stream) error {
	var barrier atomic.Uint64
	over := make(chan error, 1)
	go func() { over <- asked(stream, &barrier) }()
	for n := uint64(1); ; n++ {
		select {
		case err := <-over:
			return err
		default:
		}
		f := p.frame
		f.Generation, f.Sequence, f.Origin = open.Generation, n, time.Now().UnixNano()
		if err := stream.Send(&f); err != nil {
			return err
		}
		if n%p.safeEvery != 0 {
			continue
		}
		if err := settle(open, stream, n, barrier.Swap(0)); err != nil {
			return err
		}
	}
}

// asked notes the barriers that the host asks for, until it wants no more rows.
func asked(stream wire.Stream, barrier *atomic.Uint64) error {
	for {
		f, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case f.Kind == pluginv1.Kind_KIND_BARRIER:
			barrier.Store(f.Checkpoint)
		case f.Kind != pluginv1.Kind_KIND_PROBE: // a reader that sends all the time is not asked whether it lives
			return nil
		}
	}
}

// settle marks a safe point, and answers a barrier there if one was asked for.
func settle(open *wire.Frame, stream wire.Stream, n, barrier uint64) error {
	at := &wire.Cursor{ChainID: 1, Block: n}
	point := &wire.Frame{Kind: pluginv1.Kind_KIND_SAFE_POINT, Generation: open.Generation, Cursor: at, Head: n}
	if err := stream.Send(point); err != nil || barrier == 0 {
		return err
	}
	return stream.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Generation: open.Generation, Cursor: at, Checkpoint: barrier})
}

// copy passes on what comes until its input ends, barriers and probes too, which
// answers them.
func (p *forwarder) copy(_ context.Context, _ *wire.Frame, stream wire.Stream) error {
	return each(stream, stream.Send)
}

// drop drops rows, and commits at every safe point and barrier at once.
func (p *forwarder) drop(_ context.Context, _ *wire.Frame, stream wire.Stream) error {
	return each(stream, func(f *wire.Frame) error {
		switch f.Kind {
		case pluginv1.Kind_KIND_SAFE_POINT, pluginv1.Kind_KIND_BARRIER, pluginv1.Kind_KIND_PROBE:
			return stream.Send(f)
		default:
			return nil
		}
	})
}

// each hands over frames until the input ends.
func each(stream wire.Stream, handle func(*wire.Frame) error) error {
	for {
		f, err := stream.Recv()
		if err != nil {
			return err
		}
		if f.Kind == pluginv1.Kind_KIND_ENDED || f.Kind == pluginv1.Kind_KIND_DRAIN {
			return nil
		}
		err = handle(f)
		f.Free()
		if err != nil {
			return err
		}
	}
}

func (*forwarder) Host(context.Context, wire.HostStream) error { return nil }

func (*forwarder) Digest(context.Context, *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	return &pluginv1.DigestResponse{}, nil
}
