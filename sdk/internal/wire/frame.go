package wire

import (
	"errors"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Frame is one message of a Process stream, equal on the wire to
// pluginv1.Frame. It is written and read by hand so that the body is never
// copied: a host reads the header and passes the body's buffers on.
//
// A received frame owns a reference to its body's buffers: whoever drops the
// frame calls Free once. Sending takes references of its own, so the sender
// still has to call Free.
type Frame struct {
	Kind       pluginv1.Kind
	Generation uint64
	Sequence   uint64
	Input      uint32 // to a plugin: the index of the input
	Rows       uint32 // rows in the body
	Checkpoint uint64
	Cursor     *Cursor // nil when the frame names no place
	Head       uint64
	Finalized  uint64
	Trace      []byte
	Origin     int64 // Unix nanoseconds, 0 when unknown

	Open     *pluginv1.Open
	Opened   *pluginv1.Opened
	Failed   *pluginv1.Failed
	Snapshot *pluginv1.Snapshot
	Progress *pluginv1.Progress

	Body mem.BufferSlice
}

// Cursor is a place in a source: everything up to and including it is meant.
type Cursor struct {
	ChainID  uint64
	Block    uint64
	Hash     [32]byte // zero when the source has no hashes
	Position []byte   // opaque, for sources that are not block chains
}

// Free gives the body's buffers back. The frame must not be used afterwards.
func (f *Frame) Free() {
	f.Body.Free()
	f.Body = nil
}

// Ref returns a copy of the frame that holds references of its own to the
// body, for a second receiver. Header fields may be changed on the copy.
func (f *Frame) Ref() *Frame {
	f.Body.Ref()
	c := *f
	return &c
}

// Field numbers of pluginv1.Frame.
const (
	fieldKind       = 1
	fieldGeneration = 2
	fieldSequence   = 3
	fieldInput      = 4
	fieldRows       = 5
	fieldCheckpoint = 6
	fieldCursor     = 7
	fieldHead       = 8
	fieldFinalized  = 9
	fieldTrace      = 10
	fieldOrigin     = 11
	fieldReference  = 12
	fieldOpen       = 13
	fieldOpened     = 14
	fieldFailed     = 15
	fieldSnapshot   = 16
	fieldProgress   = 17
	fieldBody       = 30
)

// appendHeader appends everything but the body's bytes: the body's tag and
// length are the last thing written.
func (f *Frame) appendHeader(b []byte) ([]byte, error) {
	varint := func(num protowire.Number, v uint64) {
		if v != 0 {
			b = protowire.AppendTag(b, num, protowire.VarintType)
			b = protowire.AppendVarint(b, v)
		}
	}
	varint(fieldKind, uint64(f.Kind))
	varint(fieldGeneration, f.Generation)
	varint(fieldSequence, f.Sequence)
	varint(fieldInput, uint64(f.Input))
	varint(fieldRows, uint64(f.Rows))
	varint(fieldCheckpoint, f.Checkpoint)
	if f.Cursor != nil {
		b = protowire.AppendTag(b, fieldCursor, protowire.BytesType)
		b = protowire.AppendBytes(b, f.Cursor.append(nil))
	}
	varint(fieldHead, f.Head)
	varint(fieldFinalized, f.Finalized)
	if len(f.Trace) > 0 {
		b = protowire.AppendTag(b, fieldTrace, protowire.BytesType)
		b = protowire.AppendBytes(b, f.Trace)
	}
	varint(fieldOrigin, uint64(f.Origin))
	b, err := f.appendControl(b)
	if err != nil {
		return nil, err
	}
	if n := f.Body.Len(); n > 0 {
		b = protowire.AppendTag(b, fieldBody, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(n))
	}
	return b, nil
}

func (f *Frame) appendControl(b []byte) ([]byte, error) {
	message := func(num protowire.Number, m proto.Message) error {
		b = protowire.AppendTag(b, num, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(proto.Size(m)))
		var err error
		b, err = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
		return err
	}
	var errs error
	if f.Open != nil {
		errs = errors.Join(errs, message(fieldOpen, f.Open))
	}
	if f.Opened != nil {
		errs = errors.Join(errs, message(fieldOpened, f.Opened))
	}
	if f.Failed != nil {
		errs = errors.Join(errs, message(fieldFailed, f.Failed))
	}
	if f.Snapshot != nil {
		errs = errors.Join(errs, message(fieldSnapshot, f.Snapshot))
	}
	if f.Progress != nil {
		errs = errors.Join(errs, message(fieldProgress, f.Progress))
	}
	return b, errs
}

func (c *Cursor) append(b []byte) []byte {
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, c.ChainID)
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, c.Block)
	if c.Hash != [32]byte{} {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendBytes(b, c.Hash[:])
	}
	if len(c.Position) > 0 {
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendBytes(b, c.Position)
	}
	return b
}
