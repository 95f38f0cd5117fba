package sdk_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

const benchRows = 1024 // in a batch

// logRows are Ethereum logs with three topics and 32 bytes of data.
func logRows(n int) []eth.Log {
	rows := make([]eth.Log, n)
	for i := range rows {
		rows[i] = eth.Log{
			BlockNumber: uint64(i / 100), Address: common.Address{1, byte(i)}, Data: make([]byte, 32),
			Topics: []common.Hash{{1}, {2, byte(i)}, {3}},
		}
	}
	return rows
}

// pass emits every log as it came.
type pass struct{}

func (pass) Transform(_ context.Context, row eth.Log, emit func(eth.Log) error) error {
	return emit(row)
}

// passAll is pass for whole batches.
type passAll struct{ pass }

func (passAll) TransformBatch(_ context.Context, rows []eth.Log, emit func(eth.Log) error) error {
	for i := range rows {
		if err := emit(rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// filter emits nothing, as most rows of most filters.
type filter struct{}

func (filter) Transform(_ context.Context, row eth.Log, emit func(eth.Log) error) error {
	if len(row.Topics) == 7 {
		return emit(row)
	}
	return nil
}

// drainAll is a loader that does nothing.
type drainAll struct{}

func (drainAll) Load(context.Context, []eth.Log) error { return nil }

var benched = []struct {
	name     string
	register sdk.Register
}{
	{"pass", sdk.Subscriber("bench", pass{})},
	{"pass-batch", sdk.Subscriber("bench", passAll{})},
	{"filter", sdk.Subscriber("bench", filter{})},
	{"load", sdk.Loader("bench", drainAll{})},
}

// BenchmarkMemory measures a process alone: a stream in memory, frames of 1024
// rows of about 300 bytes. One operation is one row.
func BenchmarkMemory(b *testing.B) {
	for _, bench := range benched {
		b.Run(bench.name, func(b *testing.B) {
			p := converse(b, bench.register, openOf[eth.Log](b, "bench", "input"))
			flow(b, func(f *wire.Frame) error { p.in <- f.Ref(); return nil }, func() (*wire.Frame, error) { return <-p.out, nil })
		})
	}
}

// BenchmarkWire is BenchmarkMemory over gRPC on a unix socket, with the host's
// side of the connection in the same program.
func BenchmarkWire(b *testing.B) {
	for _, bench := range benched {
		b.Run(bench.name, func(b *testing.B) {
			stream := overGRPC(b, bench.register)
			flow(b, stream.Send, stream.Recv)
		})
	}
}

// flow sends batches until b.N rows have gone in, and waits for the end.
func flow(b *testing.B, send func(*wire.Frame) error, recv func() (*wire.Frame, error)) {
	b.Helper()
	batch := batchOf(b, logRows(benchRows)...)
	done := make(chan error, 1)
	go func() {
		for {
			f, err := recv()
			if err != nil || f.Kind == pluginv1.Kind_KIND_ENDED {
				done <- err
				return
			}
			f.Free()
		}
	}()
	b.SetBytes(int64(batch.Body.Len() / benchRows))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += benchRows {
		if err := send(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED}); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// overGRPC serves a register as a plugin does and opens a process.
func overGRPC(b *testing.B, r sdk.Register) wire.ClientStream {
	b.Helper()
	service, err := serve(r)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(wire.ServerOptions()...)
	if err := (&wire.Adapter{Service: service}).GRPCServer(nil, server); err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // until Stop
	b.Cleanup(server.Stop)
	conn, err := grpc.NewClient("unix://"+path, append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	stream, err := wire.NewClient(conn).Process(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_OPEN, Open: openOf[eth.Log](b, "bench", "input")}); err != nil {
		b.Fatal(err)
	}
	if f, err := stream.Recv(); err != nil || f.Kind != pluginv1.Kind_KIND_OPENED {
		b.Fatalf("open: got %v, %v", f, err)
	}
	return stream
}

// emitting is a reader that emits as many rows as it is told to.
type emitting struct {
	AtOnce int `hcl:"at_once"`
	rows   []eth.Log
	left   int
}

func (e *emitting) Read(_ context.Context, _ sdk.Start, out *sdk.Output[eth.Log]) error {
	for e.left > 0 {
		if e.AtOnce > 1 {
			if err := out.EmitAll(e.rows[:e.AtOnce]); err != nil {
				return err
			}
			e.left -= e.AtOnce
			continue
		}
		if err := out.Emit(e.rows[e.left%len(e.rows)]); err != nil {
			return err
		}
		e.left--
	}
	return nil
}

// BenchmarkEmit measures a reader's way out. One operation is one row.
func BenchmarkEmit(b *testing.B) {
	for _, bench := range []struct {
		name   string
		atOnce string
	}{{"one", `{"at_once": 1}`}, {"few", `{"at_once": 10}`}, {"many", `{"at_once": 1024}`}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			open := &pluginv1.Open{Register: "bench", Settings: []byte(bench.atOnce)}
			p := converse(b, sdk.Reader("bench", &emitting{rows: logRows(benchRows), left: b.N}), open)
			frames := 0
			for f := range p.out {
				if f.Kind == pluginv1.Kind_KIND_ENDED {
					break
				}
				f.Free()
				frames++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
			b.ReportMetric(float64(b.N)/float64(frames), "rows/frame")
		})
	}
}

// silent takes tuples and says nothing.
type silent struct{}

func (silent) Aggregate(context.Context, pair, func(joined) error) error { return nil }

// BenchmarkJoin measures an aggregator that joins two streams block by block, a
// row of one with a hundred of the other. One operation is one row.
func BenchmarkJoin(bench *testing.B) {
	open := openOf[a](bench, "bench", "A")
	open.Inputs = append(open.Inputs, openOf[b](bench, "bench", "B").Inputs...)
	p := converse(bench, sdk.Aggregator("bench", silent{}), open)
	const blocks, each = 100, 100
	frames := make([][3]*wire.Frame, 0, bench.N/(blocks*each)+1)
	for first := uint64(0); first*each < uint64(bench.N); first += blocks {
		var left []a
		var right []b
		for block := first; block < first+blocks; block++ {
			left = append(left, a{BlockNumber: block})
			for range each {
				right = append(right, b{BlockNumber: block})
			}
		}
		inB := batchOf(bench, right...)
		inB.Input = 1
		frames = append(frames, [3]*wire.Frame{batchOf(bench, left...), inB, {Kind: pluginv1.Kind_KIND_SAFE_POINT, Cursor: &wire.Cursor{Block: first + blocks - 1}}})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f := range p.out {
			if f.Kind == pluginv1.Kind_KIND_ENDED {
				return
			}
		}
	}()
	bench.ReportAllocs()
	bench.ResetTimer()
	for _, f := range frames {
		other := *f[2]
		other.Input = 1
		p.in <- f[0]
		p.in <- f[1]
		p.in <- f[2]
		p.in <- &other
	}
	for input := range uint32(2) {
		p.in <- &wire.Frame{Kind: pluginv1.Kind_KIND_ENDED, Input: input}
	}
	<-done
	bench.ReportMetric(float64(bench.N)/bench.Elapsed().Seconds()/1e6, "Mrows/s")
}
