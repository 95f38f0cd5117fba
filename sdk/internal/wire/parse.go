package wire

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// parse reads a frame from its buffers. It takes references to the buffers of
// the body and keeps nothing else of data, which stays the caller's.
func (f *Frame) parse(data mem.BufferSlice) error {
	*f = Frame{}
	if len(data) == 0 {
		return nil
	}
	first := data[0].ReadOnlyData()
	at, size, err := f.parseHeader(first)
	if err == nil && at+size == data.Len() {
		f.takeBody(data, at)
		return nil
	}
	// The header reaches beyond the first buffer, or fields follow the body:
	// rare, legal, and worth a copy.
	return f.parseWhole(data.Materialize())
}

// takeBody keeps what follows the first n bytes of data as the body.
func (f *Frame) takeBody(data mem.BufferSlice, n int) {
	if n == data.Len() {
		return
	}
	body := make(mem.BufferSlice, 0, len(data))
	if n < data[0].Len() {
		body = append(body, data[0].Slice(n, data[0].Len()))
	}
	for _, b := range data[1:] {
		b.Ref()
		body = append(body, b)
	}
	f.Body = body
}

// parseHeader reads fields until the body, or until b ends. It returns where
// the body's bytes begin and how many were announced.
func (f *Frame) parseHeader(b []byte) (at, size int, err error) {
	for at < len(b) {
		num, typ, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return 0, 0, fmt.Errorf("read a frame: %w", protowire.ParseError(n))
		}
		at += n
		if num == fieldBody && typ == protowire.BytesType {
			size, n := protowire.ConsumeVarint(b[at:])
			if n < 0 || size > MaxMessage {
				return 0, 0, fmt.Errorf("read a frame's body: its length is broken")
			}
			return at + n, int(size), nil
		}
		n, err := f.parseField(num, typ, b[at:])
		if err != nil {
			return 0, 0, err
		}
		at += n
	}
	return at, 0, nil
}

// parseWhole reads a frame whose fields stand in any order. The body aliases b.
func (f *Frame) parseWhole(b []byte) error {
	*f = Frame{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("read a frame: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if num == fieldBody && typ == protowire.BytesType {
			body, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return fmt.Errorf("read a frame's body: %w", protowire.ParseError(n))
			}
			f.Body = mem.BufferSlice{mem.SliceBuffer(body)}
			b = b[n:]
			continue
		}
		n, err := f.parseField(num, typ, b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// parseField reads one field other than the body and returns its length.
func (f *Frame) parseField(num protowire.Number, typ protowire.Type, b []byte) (int, error) {
	switch typ {
	case protowire.VarintType:
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return 0, fmt.Errorf("read field %d of a frame: %w", num, protowire.ParseError(n))
		}
		f.setVarint(num, v)
		return n, nil
	case protowire.BytesType:
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return 0, fmt.Errorf("read field %d of a frame: %w", num, protowire.ParseError(n))
		}
		if err := f.setBytes(num, v); err != nil {
			return 0, fmt.Errorf("read field %d of a frame: %w", num, err)
		}
		return n, nil
	default:
		n := protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return 0, fmt.Errorf("read field %d of a frame: %w", num, protowire.ParseError(n))
		}
		return n, nil // a newer peer's field
	}
}

func (f *Frame) setVarint(num protowire.Number, v uint64) {
	switch num {
	case fieldKind:
		f.Kind = pluginv1.Kind(v)
	case fieldGeneration:
		f.Generation = v
	case fieldSequence:
		f.Sequence = v
	case fieldInput:
		f.Input = uint32(v)
	case fieldRows:
		f.Rows = uint32(v)
	case fieldCheckpoint:
		f.Checkpoint = v
	case fieldHead:
		f.Head = v
	case fieldFinalized:
		f.Finalized = v
	case fieldOrigin:
		f.Origin = int64(v)
	default: // a newer peer's field
	}
}

func (f *Frame) setBytes(num protowire.Number, v []byte) error {
	switch num {
	case fieldCursor:
		f.Cursor = &Cursor{}
		return f.Cursor.parse(v)
	case fieldTrace:
		f.Trace = append([]byte(nil), v...)
	case fieldReference:
		return fmt.Errorf("the body lies in shared memory, which this side did not offer")
	case fieldOpen:
		f.Open = &pluginv1.Open{}
		return proto.Unmarshal(v, f.Open)
	case fieldOpened:
		f.Opened = &pluginv1.Opened{}
		return proto.Unmarshal(v, f.Opened)
	case fieldFailed:
		f.Failed = &pluginv1.Failed{}
		return proto.Unmarshal(v, f.Failed)
	case fieldSnapshot:
		f.Snapshot = &pluginv1.Snapshot{}
		return proto.Unmarshal(v, f.Snapshot)
	case fieldProgress:
		f.Progress = &pluginv1.Progress{}
		return proto.Unmarshal(v, f.Progress)
	default: // a newer peer's field
	}
	return nil
}

func (c *Cursor) parse(b []byte) error {
	var m pluginv1.Cursor
	if err := proto.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("read a cursor: %w", err)
	}
	got, err := CursorFromProto(&m)
	if err != nil {
		return err
	}
	*c = *got
	return nil
}

// CursorFromProto checks a cursor that came inside another message; nil stays nil.
func CursorFromProto(m *pluginv1.Cursor) (*Cursor, error) {
	if m == nil {
		return nil, nil
	}
	c := &Cursor{ChainID: m.ChainId, Block: m.Block, Position: m.Position}
	if n := len(m.Hash); n != 0 && n != len(c.Hash) {
		return nil, fmt.Errorf("read a cursor: its hash has %d bytes, want %d", n, len(c.Hash))
	}
	copy(c.Hash[:], m.Hash)
	return c, nil
}

// Proto is the cursor as a message of its own; nil stays nil.
func (c *Cursor) Proto() *pluginv1.Cursor {
	if c == nil {
		return nil
	}
	m := &pluginv1.Cursor{ChainId: c.ChainID, Block: c.Block, Position: c.Position}
	if c.Hash != [32]byte{} {
		m.Hash = c.Hash[:]
	}
	return m
}
