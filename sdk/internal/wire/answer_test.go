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

// fullAnswer has every field that an answer may have.
func fullAnswer() *pluginv1.HostAnswer {
	return &pluginv1.HostAnswer{
		Id: 1 << 40, More: true, Error: "why", Event: []byte("event"), Known: map[string]uint64{"a": 1, "b": 1 << 63},
		Shared: &pluginv1.SharedValue{Version: 3, Members: []string{"x", "y"}},
		Results: []*pluginv1.ChainResult{
			{Result: bytes.Repeat([]byte("0123456789"), 40), Endpoint: "one"},
			{Error: &pluginv1.ChainError{Kind: 2, Message: "no", SpentNs: -5, Data: []byte("data")}, Endpoint: "two"},
			{},
			{Result: []byte("null")},
		},
	}
}

// split cuts bytes anywhere, as gRPC's buffers do.
func split(rng *rand.Rand, raw []byte) (data mem.BufferSlice) {
	for rest := raw; len(rest) > 0; {
		n := 1 + rng.IntN(len(rest))
		data = append(data, mem.SliceBuffer(rest[:n]))
		rest = rest[n:]
	}
	return data
}

// An answer is an ordinary protobuf message to everyone else, who writes and reads it in any order and any buffers.
func TestAnswerIsProtobufOnTheWire(t *testing.T) {
	want := fullAnswer()
	out, err := Codec().Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var m pluginv1.HostAnswer
	if err := proto.Unmarshal(out.Materialize(), &m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &m, protocmp.Transform()); diff != "" {
		t.Errorf("a generated reader sees another answer (-want +got):\n%s", diff)
	}
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		var got pluginv1.HostAnswer
		if err := Codec().Unmarshal(split(rng, raw), &got); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
			t.Fatalf("seed %d: another answer came out (-want +got):\n%s", seed, diff)
		}
	}
}

// A result goes out without a copy, and comes in to memory of its own.
func TestAnswerIsNotCopiedOnItsWayOut(t *testing.T) {
	result := bytes.Repeat([]byte("x"), 4096)
	out, err := Codec().Marshal(&pluginv1.HostAnswer{Id: 1, Results: []*pluginv1.ChainResult{{Result: result}}})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, b := range out {
		found = found || len(b.ReadOnlyData()) == len(result) && &b.ReadOnlyData()[0] == &result[0]
	}
	if !found {
		t.Error("the result was copied")
	}
	raw := out.Materialize()
	var got pluginv1.HostAnswer
	if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, &got); err != nil {
		t.Fatal(err)
	}
	clear(raw) // as gRPC does with its buffers when it uses them again
	if !bytes.Equal(got.Results[0].Result, result) {
		t.Error("the result lies in a buffer that others write to")
	}
}

// What is broken is an error, and never more than there is.
func TestAnswerThatIsBroken(t *testing.T) {
	raw, err := proto.Marshal(fullAnswer())
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		var got, reference pluginv1.HostAnswer
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw[:n])}, &got); (err == nil) != (proto.Unmarshal(raw[:n], &reference) == nil) {
			t.Errorf("the first %d bytes: %v, which a generated reader sees otherwise", n, err)
		}
	}
	for name, raw := range map[string][]byte{
		"a result beyond its answer":      {0x52, 0x7f, 0x0a, 0x01, 'x'},
		"bytes beyond their result":       {0x52, 0x03, 0x0a, 0x02, 'x', 'y'},
		"another field beyond its result": {0x52, 0x02, 0x1a, 0x02, 'x', 'y'},
		"a length without an end":         {0x52, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a number beyond its result":      {0x52, 0x02, 0x20, 0xff, 0x01},
		"a group":                         {0x53},
	} {
		var got pluginv1.HostAnswer
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, &got); err == nil {
			t.Errorf("%s was read as %v", name, &got)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	raw, _ := proto.Marshal(fullAnswer())
	f.Add(raw, uint64(3))
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		var got, want pluginv1.HostAnswer
		if err := Codec().Unmarshal(split(rand.New(rand.NewPCG(seed, 0)), raw), &got); err != nil {
			return
		}
		if err := proto.Unmarshal(raw, &want); err != nil {
			t.Fatalf("read what a generated reader refuses: %v", err)
		}
		if diff := cmp.Diff(&want, &got, protocmp.Transform()); diff != "" {
			t.Fatalf("another answer came out (-want +got):\n%s", diff)
		}
	})
}
