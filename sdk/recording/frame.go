package recording

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// The first bytes of records.
const (
	recordHeader   = 'H'
	recordSnapshot = 'S'
	recordInput    = 'I'
	recordOutput   = 'O'
	recordEnd      = 'E'
)

// Kind is what a frame is. It has the number of the plugin protocol.
type Kind uint32

// The kinds that are recorded.
const (
	Final     = Kind(pluginv1.Kind_KIND_FINAL)
	Drain     = Kind(pluginv1.Kind_KIND_DRAIN)
	Batch     = Kind(pluginv1.Kind_KIND_BATCH)
	Barrier   = Kind(pluginv1.Kind_KIND_BARRIER)
	SafePoint = Kind(pluginv1.Kind_KIND_SAFE_POINT)
	Ended     = Kind(pluginv1.Kind_KIND_ENDED)
)

func (k Kind) known() bool {
	switch k {
	case Final, Drain, Batch, Barrier, SafePoint, Ended:
		return true
	}
	return false
}

func (k Kind) String() string {
	switch k {
	case Final:
		return "final"
	case Drain:
		return "drain"
	case Batch:
		return "batch"
	case Barrier:
		return "barrier"
	case SafePoint:
		return "safe point"
	case Ended:
		return "end"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// Frame is one that the process was given, or has said.
type Frame struct {
	Output          bool // it has said it
	Kind            Kind
	Input           uint32
	Rows            uint32
	Checkpoint      uint64
	Head, Finalized uint64
	Cursor          *Cursor
	Body            []byte
}

// AppendFrame appends the record of a frame of the wire to dst. ok is false, and
// nothing is appended, for kinds that are not part of a recording.
func AppendFrame(dst []byte, f *wire.Frame, output bool) (record []byte, ok bool) {
	if !Kind(f.Kind).known() {
		return dst, false
	}
	what := byte(recordInput)
	if output {
		what = recordOutput
	}
	dst = append(dst, what)
	for _, v := range []uint64{uint64(f.Kind), uint64(f.Input), uint64(f.Rows), f.Checkpoint, f.Head, f.Finalized} {
		dst = binary.AppendUvarint(dst, v)
	}
	if f.Cursor == nil {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		dst = binary.AppendUvarint(dst, f.Cursor.ChainID)
		dst = binary.AppendUvarint(dst, f.Cursor.Block)
		dst = append(dst, f.Cursor.Hash[:]...)
		dst = binary.AppendUvarint(dst, uint64(len(f.Cursor.Position)))
		dst = append(dst, f.Cursor.Position...)
	}
	for _, part := range f.Body {
		dst = append(dst, part.ReadOnlyData()...)
	}
	return dst, true
}

var errCutShort = errors.New("a frame is cut short")

// parseFrame reads the record of a frame. The body is a part of it.
func parseFrame(record []byte) (Frame, error) {
	f := Frame{Output: record[0] == recordOutput}
	b := record[1:]
	varint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	kind, input, rows := varint(), varint(), varint()
	f.Checkpoint, f.Head, f.Finalized = varint(), varint(), varint()
	if len(b) == 0 {
		return f, errCutShort
	}
	f.Kind, f.Input, f.Rows = Kind(kind), uint32(input), uint32(rows)
	if uint64(f.Kind) != kind || uint64(f.Input) != input || uint64(f.Rows) != rows || !f.Kind.known() {
		return f, fmt.Errorf("a frame of kind %d with %d rows of input %d is none that is recorded: read it with a newer version", kind, rows, input)
	}
	has := b[0]
	b = b[1:]
	if has != 0 {
		f.Cursor = &Cursor{ChainID: varint(), Block: varint()}
		if len(b) < len(f.Cursor.Hash) {
			return f, errCutShort
		}
		b = b[copy(f.Cursor.Hash[:], b):]
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return f, errCutShort
		}
		f.Cursor.Position, b = b[size:size+int(n)], b[size+int(n):]
	}
	f.Body = b
	return f, nil
}

// wireFrame is the frame as it travels, with a body of its own from a pool. It is
// the caller's to free.
func (f *Frame) wireFrame(bodies *wire.Bodies, generation, sequence uint64) *wire.Frame {
	out := &wire.Frame{
		Kind: pluginv1.Kind(f.Kind), Generation: generation, Input: f.Input, Rows: f.Rows,
		Checkpoint: f.Checkpoint, Head: f.Head, Finalized: f.Finalized, Cursor: f.Cursor.wire(),
	}
	if f.Kind == Batch {
		body := bodies.Take()
		*body = append(*body, f.Body...)
		out.Sequence, out.Body = sequence, bodies.Body(body)
	}
	return out
}

func (c *Cursor) wire() *wire.Cursor {
	if c == nil {
		return nil
	}
	return &wire.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
}
