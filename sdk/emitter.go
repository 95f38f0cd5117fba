package sdk

import (
	"fmt"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// A frame leaves when it has this many rows or bytes, whichever comes first,
// or when there is nothing more to say.
const (
	frameRows  = 4096
	frameBytes = 1 << 20
)

// frameRoom is what a frame's header may take of the largest message.
const frameRoom = 64 << 10

// sender numbers frames and puts them on the stream, one at a time.
type sender struct {
	mu         sync.Mutex
	stream     wire.Stream
	generation uint64
	sequence   uint64
}

func (s *sender) send(f *wire.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Generation = s.generation
	if f.Kind == pluginv1.Kind_KIND_BATCH {
		s.sequence++
		f.Sequence = s.sequence
	}
	if err := s.stream.Send(f); err != nil {
		return fmt.Errorf("send to the host: %w", err)
	}
	return nil
}

// emitter gathers rows and sends them as frames. It is not safe for
// concurrent use.
type emitter[Out transit.Row] struct {
	out     *sender
	encoder *transit.Encoder[Out]
	rows    []Out
	bytes   int
	origin  int64 // when the first of rows was emitted
	bodies  wire.Bodies
}

func (e *emitter[Out]) open(out *sender) (err error) {
	e.out = out
	e.encoder, err = transit.NewEncoder[Out]()
	return err
}

// emit takes one row and sends a frame when it is full.
func (e *emitter[Out]) emit(row Out) error {
	if len(e.rows) == 0 {
		e.origin = time.Now().UnixNano()
	}
	e.rows = append(e.rows, row)
	e.bytes += e.encoder.Size(&row)
	if len(e.rows) >= frameRows || e.bytes >= frameBytes {
		return e.flush()
	}
	return nil
}

// flush sends what has been gathered, if anything.
func (e *emitter[Out]) flush() error {
	if len(e.rows) == 0 {
		return nil
	}
	err := e.send(e.rows, e.origin)
	clear(e.rows) // lets go of what the rows pointed to
	e.rows, e.bytes = e.rows[:0], 0
	return err
}

// send writes rows as one frame without keeping them.
func (e *emitter[Out]) send(rows []Out, origin int64) error {
	buf := e.bodies.Take()
	body, err := e.encoder.Append(*buf, rows)
	if err != nil {
		return Stop(fmt.Errorf("encode %d rows of %s: %w", len(rows), rows[0].TransitType(), err))
	}
	*buf = body
	if len(body) > wire.MaxMessage-frameRoom {
		return Stop(fmt.Errorf("a row of %s takes %d bytes, the largest is %d: split it, or keep a reference to it instead",
			rows[0].TransitType(), len(body)/len(rows), wire.MaxMessage-frameRoom))
	}
	f := &wire.Frame{
		Kind: pluginv1.Kind_KIND_BATCH, Rows: uint32(len(rows)), Origin: origin,
		Body: e.bodies.Body(buf),
	}
	defer f.Free()
	return e.out.send(f)
}

// sendAll sends rows in frames of the right size without keeping them.
func (e *emitter[Out]) sendAll(rows []Out) error {
	origin := time.Now().UnixNano()
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && n < frameRows && (n == 0 || size < frameBytes) {
			size += e.encoder.Size(&rows[n])
			n++
		}
		if err := e.send(rows[:n], origin); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
