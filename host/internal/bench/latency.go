package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/remote"
)

// ticksEvery is the time between single rows.
const ticksEvery = 10 * time.Millisecond

// delays are how long single rows took in one turn, in microseconds.
type delays []float64

func (d delays) p50() float64 { return quantile(d, 0.5) }
func (d delays) p99() float64 { return quantile(d, 0.99) }

// latencyFigures compares the way of a row from the author's Emit to a struct
// in the host with half of a round trip of as many bytes. An answer finds both
// sides awake, so half of a round trip is less than one way.
func latencyFigures(ctx context.Context, b *bench) error {
	r, err := turns(ctx, min(b.rounds, 3),
		variant[delays]{"typed", b.typedDelays},
		variant[delays]{"round trip", b.roundTrips},
		variant[delays]{"one way", b.bareDelays},
	)
	if err != nil {
		return err
	}
	b.table.add(figure{
		what: "p50, against half a gRPC round trip", measured: micros(r[0], delays.p50), yardstick: micros(r[1], delays.p50),
		ratio: ratio(r[0], r[1], delays.p50), goal: goal{atMost: 1.5},
	})
	b.table.add(figure{
		what: "  … against bare gRPC, one way", yardstick: micros(r[2], delays.p50),
		ratio: ratio(r[0], r[2], delays.p50),
	})
	b.table.add(figure{
		what: "p99, against bare gRPC, one way", measured: micros(r[0], delays.p99), yardstick: micros(r[2], delays.p99),
		ratio: ratio(r[0], r[2], delays.p99),
	})
	return nil
}

func micros(d []delays, f func(delays) float64) string { return fmt.Sprintf("%4.0f µs", median(d, f)) }

// samples is how many rows a turn has, and quiet how many come before.
func (e effort) samples() (quiet, n int) {
	return int(e.warm / ticksEvery), max(int(2*e.span/ticksEvery), 10)
}

func (b *bench) typedDelays(ctx context.Context) (d delays, err error) {
	decoder, err := logDecoder()
	if err != nil {
		return nil, err
	}
	plugin, stream, err := openReader(ctx, remote.Config{Path: b.typed}, "bench.ticks")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeReader(ctx, plugin, stream)) }()
	var got []eth.Log
	quiet, n := b.samples()
	for i := 0; i < quiet+n; i++ {
		f, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		got, err = decoder.Append(got[:0], f.Bytes())
		f.Free()
		if err != nil {
			return nil, err
		}
		if took := time.Since(got[0].Timestamp); i >= quiet {
			d = append(d, float64(took.Nanoseconds())/1e3)
		}
	}
	return d, nil
}

// bareDelays is the way of as many bytes over gRPC alone.
func (b *bench) bareDelays(ctx context.Context) (d delays, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := b.startBare(ctx, opaque, defaults, filepath.Join(b.frame, "body"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	stream, err := p.open(ctx, "Tick")
	if err != nil {
		return nil, err
	}
	quiet, n := b.samples()
	for i := 0; i < quiet+n; i++ {
		row := new(raw)
		if err := stream.RecvMsg(row); err != nil {
			return nil, err
		}
		sent := binary.LittleEndian.Uint64(row.data[0].ReadOnlyData())
		if took := time.Now().UnixNano() - int64(sent); i >= quiet {
			d = append(d, float64(took)/1e3)
		}
	}
	return d, nil
}

// roundTrips sends a row's bytes back and forth and takes half of the time.
func (b *bench) roundTrips(ctx context.Context) (d delays, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := b.startBare(ctx, opaque, defaults, filepath.Join(b.frame, "body"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	stream, err := p.open(ctx, "Copy")
	if err != nil {
		return nil, err
	}
	row := &raw{mem.BufferSlice{mem.SliceBuffer(make([]byte, sample.Bytes))}}
	quiet, n := b.samples()
	tick := time.NewTicker(ticksEvery)
	defer tick.Stop()
	for i := 0; i < quiet+n; i++ {
		begin := time.Now()
		if err := stream.SendMsg(row); err != nil {
			return nil, err
		}
		answer := new(raw)
		if err := stream.RecvMsg(answer); err != nil {
			return nil, err
		}
		if took := time.Since(begin); i >= quiet {
			d = append(d, float64(took.Nanoseconds())/2e3)
		}
		answer.data.Free()
		<-tick.C
	}
	return d, nil
}
