package sdk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/transit"
)

// stateFormat is the first byte of an aggregator's snapshot. After it come the
// first block of which no tuple was made, the number of ports, for each its
// name, its type, the rows that wait as one batch and its newest safe point, and
// the author's own state: 0, or 1 and the state.
const stateFormat = 1

func (w *joinWorker[Out]) encodeState(author []byte) ([]byte, error) {
	state := binary.AppendUvarint([]byte{stateFormat}, w.next)
	state = binary.AppendUvarint(state, uint64(len(w.held)))
	for i, port := range w.shape.ports {
		var rows []byte
		if w.held[i].len() > 0 {
			e, err := transit.NewEncoderOf(w.shape.rows[i])
			if err != nil {
				return nil, err
			}
			if rows, err = e.AppendValue(nil, w.held[i].rows); err != nil {
				return nil, fmt.Errorf("take a snapshot of input %q: %w", port.Name, err)
			}
		}
		state = appendBytes(state, []byte(port.Name))
		state = appendBytes(state, port.Type.MarshalSchema())
		state = appendBytes(state, rows)
		state = appendPoint(state, w.reached.points[slices.Index(w.ports, i)])
	}
	if author == nil {
		return append(state, 0), nil
	}
	return appendBytes(append(state, 1), author), nil
}

// decodeState restores the rows that wait and returns the author's own state,
// nil if there is none. A newer version of the register may read fewer columns,
// or have other inputs beside the old ones.
func (w *joinWorker[Out]) decodeState(state []byte) (author []byte, err error) {
	if len(state) == 0 || state[0] != stateFormat {
		return nil, fmt.Errorf("it is not of format %d, which this version of the SDK (%s) knows", stateFormat, Version)
	}
	r := stateReader{rest: state[1:]}
	w.next = r.uvarint()
	for ports := r.uvarint(); ports > 0 && r.err == nil; ports-- {
		name, schema, rows, point := string(r.bytes()), r.bytes(), r.bytes(), r.point()
		if r.err != nil {
			break
		}
		if err := w.restorePort(name, schema, rows, point); err != nil {
			return nil, fmt.Errorf("input %q: %w", name, err)
		}
	}
	if r.uvarint() == 1 {
		author = append([]byte{}, r.bytes()...)
	}
	return author, r.err
}

func (w *joinWorker[Out]) restorePort(name string, schema, rows []byte, point *SafePoint) error {
	i := slices.IndexFunc(w.shape.ports, func(p process.Port) bool { return p.Name == name })
	if i < 0 && len(rows) > 0 {
		return errors.New("rows wait for it, but the register has no such input any more")
	}
	if i < 0 {
		return nil
	}
	w.reached.points[slices.Index(w.ports, i)] = point
	if len(rows) == 0 {
		return nil
	}
	was, err := transit.ParseType(w.shape.ports[i].Type.Name, schema)
	if err != nil {
		return err
	}
	d, err := transit.NewDecoderOf(w.shape.rows[i], was)
	if err != nil {
		return err
	}
	h := &w.held[i]
	if h.rows, err = d.AppendValue(h.rows, rows); err != nil {
		return err
	}
	if w.policy.timeout > 0 {
		h.stamp(0)
	}
	if w.spans() {
		return h.note(0)
	}
	return nil
}

func appendBytes(state, b []byte) []byte {
	return append(binary.AppendUvarint(state, uint64(len(b))), b...)
}

// appendPoint appends 0, or 1 and a safe point.
func appendPoint(state []byte, p *SafePoint) []byte {
	if p == nil {
		return append(state, 0)
	}
	state = binary.AppendUvarint(append(state, 1), p.Cursor.ChainID)
	state = binary.AppendUvarint(state, p.Cursor.Block)
	state = append(state, p.Cursor.Hash[:]...)
	state = appendBytes(state, p.Cursor.Position)
	state = binary.AppendUvarint(state, p.Head)
	return binary.AppendUvarint(state, p.Finalized)
}

var errCutShort = errors.New("it is cut short")

// stateReader reads a snapshot. After an error it returns nothing.
type stateReader struct {
	rest []byte
	err  error
}

func (r *stateReader) uvarint() uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		r.rest, r.err = nil, errCutShort
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *stateReader) point() *SafePoint {
	if r.uvarint() == 0 {
		return nil
	}
	p := &SafePoint{Cursor: Cursor{ChainID: r.uvarint(), Block: r.uvarint()}}
	copy(p.Cursor.Hash[:], r.take(uint64(len(p.Cursor.Hash))))
	p.Cursor.Position = slices.Clone(r.bytes())
	p.Head, p.Finalized = r.uvarint(), r.uvarint()
	return p
}

func (r *stateReader) bytes() []byte { return r.take(r.uvarint()) }

func (r *stateReader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.err = nil, errCutShort
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
