package sdk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/sdk/transit"
)

// The snapshot of an aggregator is the rows it holds back, each port as one
// encoded batch, and the author's own state behind them.

func (w *aggregateWorker[Out]) barrier(ctx context.Context, _ uint64) ([]byte, error) {
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	state := []byte{}
	for i := range w.held {
		var body []byte
		if rows := w.held[i].rows; rows.Len() > 0 {
			e, err := transit.NewEncoderOf(w.shape.rows[i])
			if err != nil {
				return nil, err
			}
			if body, err = e.AppendValue(nil, rows); err != nil {
				return nil, err
			}
		}
		state = append(binary.AppendUvarint(state, uint64(len(body))), body...)
	}
	author, err := snapshotOf(w.author)
	return append(state, author...), err
}

func (w *aggregateWorker[Out]) restore(state []byte) error {
	for i := range w.held {
		n, used := binary.Uvarint(state)
		if used <= 0 || n > uint64(len(state)-used) {
			return Stop(errors.New("restore the snapshot: it is cut short"))
		}
		body := state[used : used+int(n)]
		state = state[used+int(n):]
		if n == 0 {
			continue
		}
		d, err := transit.NewDecoderOf(w.shape.rows[i], w.shape.ports[i].typ)
		if err != nil {
			return Stop(err)
		}
		if w.held[i].rows, err = d.AppendValue(w.held[i].rows, body); err != nil {
			return Stop(fmt.Errorf("restore the snapshot: %w", err))
		}
		if input := slices.Index(w.ports, i); w.policy.on < 0 && input >= 0 {
			if err := w.note(input, 0); err != nil {
				return err
			}
		}
	}
	if len(state) == 0 {
		return nil
	}
	r, ok := w.author.(Restorer)
	if !ok {
		return Stop(errors.New("there is a snapshot to restore, but the register has no Restore method"))
	}
	return r.Restore(state)
}
