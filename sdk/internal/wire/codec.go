package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec every other message goes through
	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// MaxMessage bounds one message in both directions. A batch is flushed long
// before; what comes near is a single huge row.
const MaxMessage = 256 << 20

// Codec is the gRPC codec of a plugin's connection: frames, and answers of nodes,
// go the raw way, every other message through protobuf. Its name is protobuf's, because its
// bytes are protobuf's too.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

type codec struct{ messages encoding.CodecV2 }

func (c codec) Name() string { return c.messages.Name() }

// Marshal returns the header and the body's own buffers. gRPC frees what it is
// given when it has been written, so the body gets a reference for it.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if a, ok := v.(*pluginv1.HostAnswer); ok {
		return marshalAnswer(a)
	}
	f, ok := v.(*Frame)
	if !ok {
		return c.messages.Marshal(v)
	}
	header, err := f.appendHeader(make([]byte, 0, 64))
	if err != nil {
		return nil, fmt.Errorf("write a frame: %w", err)
	}
	out := make(mem.BufferSlice, 0, 1+len(f.Body))
	out = append(out, mem.SliceBuffer(header))
	f.Body.Ref()
	return append(out, f.Body...), nil
}

// Unmarshal keeps references to the body's buffers; the frame's owner frees them.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if a, ok := v.(*pluginv1.HostAnswer); ok {
		return unmarshalAnswer(data, a)
	}
	f, ok := v.(*Frame)
	if !ok {
		return c.messages.Unmarshal(data, v)
	}
	return f.parse(data)
}
