package sdk

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
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

// emitter gathers rows and sends them as frames. It is not safe for
// concurrent use.
type emitter[Out transit.Row] struct {
	out     *process.Sender
	encoder *transit.Encoder[Out]
	rows    []Out
	bytes   int       // what rows take on the wire, about
	origin  int64     // when the first of rows was emitted
	sent    time.Time // when the last frame left
	bodies  wire.Bodies
}

func (e *emitter[Out]) open(out *process.Sender) (err error) {
	e.out = out
	e.encoder, err = transit.NewEncoder[Out]()
	return err
}

// waiting tells whether rows have been emitted that have not left.
func (e *emitter[Out]) waiting() bool { return len(e.rows) > 0 }

// emit takes one row and sends a frame when it is full.
func (e *emitter[Out]) emit(row Out) error {
	if len(e.rows) == cap(e.rows) {
		e.grow()
	}
	n := len(e.rows)
	e.rows = e.rows[:n+1]
	e.rows[n] = row
	size := e.encoder.Size(&e.rows[n])
	if n == 0 {
		e.origin = time.Now().UnixNano()
	}
	if e.bytes+size > frameBytes && n > 0 {
		return e.emitBig(size)
	}
	e.bytes += size
	if n+1 == frameRows || e.bytes >= frameBytes {
		return e.flush()
	}
	return nil
}

// grow makes room for more rows, up to a frame of them.
func (e *emitter[Out]) grow() {
	rows := make([]Out, len(e.rows), min(max(2*cap(e.rows), 16), frameRows))
	copy(rows, e.rows)
	e.rows = rows
}

// emitBig sends the rows before the last one, which does not fit in with them.
func (e *emitter[Out]) emitBig(size int) error {
	last := len(e.rows) - 1
	row := e.rows[last]
	e.rows = e.rows[:last]
	if err := e.flush(); err != nil {
		return err
	}
	e.rows = append(e.rows, row)
	e.bytes, e.origin = size, time.Now().UnixNano()
	if size >= frameBytes {
		return e.flush()
	}
	return nil
}

// flush sends what has been gathered, if anything.
func (e *emitter[Out]) flush() error {
	if len(e.rows) == 0 {
		return nil
	}
	err := e.send(e.rows, e.bytes, e.origin)
	clear(e.rows) // lets go of what the rows pointed to
	e.rows, e.bytes = e.rows[:0], 0
	return err
}

// sendAll sends rows in frames of the right size without keeping them.
func (e *emitter[Out]) sendAll(rows []Out) error {
	origin := time.Now().UnixNano()
	for len(rows) > 0 {
		n, bytes := 0, 0
		for n < len(rows) && n < frameRows {
			size := e.encoder.Size(&rows[n])
			if n > 0 && bytes+size > frameBytes {
				break
			}
			bytes += size
			n++
		}
		if err := e.send(rows[:n], bytes, origin); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// send writes rows as one frame without keeping them.
func (e *emitter[Out]) send(rows []Out, bytes int, origin int64) error {
	if bytes > process.LargestBody {
		return tooBig(rows, bytes)
	}
	buf := e.bodies.Take()
	body, err := e.encoder.Append(*buf, rows)
	if err != nil {
		return Stop(fmt.Errorf("encode %d rows of %s: %w", len(rows), rows[0].TransitType(), err))
	}
	if len(body) > process.LargestBody {
		return tooBig(rows, len(body))
	}
	*buf = body
	f := &wire.Frame{
		Kind: pluginv1.Kind_KIND_BATCH, Rows: uint32(len(rows)), Origin: origin,
		Body: e.bodies.Body(buf),
	}
	defer f.Free()
	if err := e.out.Send(f); err != nil {
		return err
	}
	e.sent = time.Now()
	return nil
}

// tooBig refuses what no message can hold. Only a row that is alone in its
// frame is so big.
func tooBig[Out transit.Row](rows []Out, bytes int) error {
	return Stop(fmt.Errorf("a row of %s takes %d bytes, the largest may take %d: split it, or keep a reference to it instead",
		rows[0].TransitType(), bytes/len(rows), process.LargestBody))
}
