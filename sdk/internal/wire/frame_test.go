package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

func fullFrame() *Frame {
	return &Frame{
		Kind: pluginv1.Kind_KIND_BARRIER, Generation: 3, Sequence: 1 << 40, Input: 2, Rows: 4096, Checkpoint: 77,
		Cursor: &Cursor{ChainID: 1, Block: 19_000_000, Hash: [32]byte{1, 2, 3}, Position: []byte("p")},
		Head:   5, Finalized: 4, Trace: []byte("trace"), Origin: 1_700_000_000_000_000_000,
		Open:     &pluginv1.Open{Register: "eth.logs", To: proto.Uint64(9), Settings: []byte("{}")},
		Opened:   &pluginv1.Opened{Output: &pluginv1.DataType{Name: "eth.log"}},
		Failed:   &pluginv1.Failed{Class: pluginv1.Class_CLASS_POISON, Message: "m", Row: 3, Stack: "s"},
		Snapshot: &pluginv1.Snapshot{Version: 1, State: []byte("state")},
		Progress: &pluginv1.Progress{Poisoned: 2, Cause: "c"},
		Body:     mem.BufferSlice{mem.SliceBuffer("one "), mem.SliceBuffer("two")},
	}
}

func asProto(f *Frame) *pluginv1.Frame {
	m := &pluginv1.Frame{
		Kind: f.Kind, Generation: f.Generation, Sequence: f.Sequence, Input: f.Input, Rows: f.Rows,
		Checkpoint: f.Checkpoint, Cursor: f.Cursor.Proto(), Head: f.Head, Finalized: f.Finalized, Trace: f.Trace,
		Origin: f.Origin, Open: f.Open, Opened: f.Opened, Failed: f.Failed, Snapshot: f.Snapshot, Progress: f.Progress,
	}
	if f.Body.Len() > 0 {
		m.Body = f.Body.Materialize()
	}
	return m
}

// A frame is an ordinary protobuf message to everyone else.
func TestFrameIsProtobufOnTheWire(t *testing.T) {
	want := fullFrame()
	out, err := Codec().Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var m pluginv1.Frame
	if err := proto.Unmarshal(out.Materialize(), &m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asProto(want), &m, protocmp.Transform()); diff != "" {
		t.Errorf("a generated reader sees another frame (-want +got):\n%s", diff)
	}
}

// Frames from a generated writer are read whatever buffers they arrive in.
func TestFrameReadsAnySplitOfBuffers(t *testing.T) {
	want := asProto(fullFrame())
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		var data mem.BufferSlice
		for rest := raw; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			data = append(data, mem.SliceBuffer(rest[:n]))
			rest = rest[n:]
		}
		var f Frame
		if err := Codec().Unmarshal(data, &f); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, asProto(&f), protocmp.Transform()); diff != "" {
			t.Fatalf("seed %d: another frame came out (-want +got):\n%s", seed, diff)
		}
	}
}

// Fields may follow the body, and fields of a newer peer are passed over.
func TestFrameReadsFieldsInAnyOrder(t *testing.T) {
	first, _ := proto.Marshal(&pluginv1.Frame{Body: []byte("body")})
	second, _ := proto.Marshal(&pluginv1.Frame{Kind: pluginv1.Kind_KIND_BATCH, Rows: 7})
	unknown := []byte{0xa0, 0x06, 0x01, 0xaa, 0x06, 0x02, 'x', 'y', 0xad, 0x06, 1, 2, 3, 4}
	raw := append(append(append([]byte{}, first...), second...), unknown...)
	var f Frame
	if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, &f); err != nil {
		t.Fatal(err)
	}
	if f.Rows != 7 || !bytes.Equal(f.Body.Materialize(), []byte("body")) {
		t.Errorf("got %d rows and body %q, want 7 and %q", f.Rows, f.Body.Materialize(), "body")
	}
}

// The body's buffers are passed on, not copied, and counted.
func TestFramePassesItsBodyByReference(t *testing.T) {
	pool := &countingPool{}
	body := make([]byte, 4096)
	header, _ := proto.Marshal(&pluginv1.Frame{Kind: pluginv1.Kind_KIND_BATCH})
	prefix := append(header, 0xf2, 0x01, 0x80, 0x20) // field 30, 4,096 bytes
	buf := mem.NewBuffer(&body, pool)
	var f Frame
	if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(prefix), buf}, &f); err != nil {
		t.Fatal(err)
	}
	buf.Free() // what gRPC does once Unmarshal is through
	if &f.Body[0].ReadOnlyData()[0] != &body[0] {
		t.Error("the body was copied")
	}
	second := f.Ref()
	out, err := Codec().Marshal(second)
	if err != nil {
		t.Fatal(err)
	}
	if &out[len(out)-1].ReadOnlyData()[0] != &body[0] {
		t.Error("the body was copied on its way out")
	}
	out.Free()
	second.Free()
	if pool.put != 0 {
		t.Error("the body was given back while a frame still held it")
	}
	f.Free()
	if pool.put != 1 {
		t.Errorf("the body was given back %d times, want once", pool.put)
	}
}

type countingPool struct{ put int }

func (p *countingPool) Get(n int) *[]byte { b := make([]byte, n); return &b }
func (p *countingPool) Put(*[]byte)       { p.put++ }

func FuzzFrame(f *testing.F) {
	raw, _ := proto.Marshal(asProto(fullFrame()))
	f.Add(raw, 3)
	f.Add([]byte{0xf2, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f}, 1)
	f.Fuzz(func(t *testing.T, raw []byte, split int) {
		if split < 0 || split > len(raw) {
			split = 0
		}
		var got Frame
		err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw[:split]), mem.SliceBuffer(raw[split:])}, &got)
		if err != nil {
			return
		}
		if _, err := Codec().Marshal(&got); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
		got.Free()
	})
}
