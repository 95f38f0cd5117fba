package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/store"
)

// SwapWatcher is told how a swap comes on.
type SwapWatcher func(Event) error

// Swap puts other bytes in the place of those that a plugin runs and tells every
// phase. It returns when the swap is committed, or is not to be; what there is of
// the record then is returned with the error too. Progress of the request is not
// asked for.
func (c *Client) Swap(ctx context.Context, r SwapRequest, tell SwapWatcher) (store.SwapRecord, error) {
	stream, err := c.plugins.Swap(ctx, connect.NewRequest(&hostv1.SwapRequest{
		Plugin: r.Plugin, Path: r.Path, Steps: r.Steps, Lock: r.Lock, NoProbation: r.NoProbation,
		Probation: toDuration(r.Probation), Timeout: toDuration(r.Timeout),
	}))
	return follow(c, "swap", stream, err, tell)
}

// Rollback takes the newest committed swap of a plugin back, as Swap would.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest, tell SwapWatcher) (store.SwapRecord, error) {
	stream, err := c.plugins.Rollback(ctx, connect.NewRequest(&hostv1.RollbackRequest{
		Plugin: r.Plugin, Lock: r.Lock, NoProbation: r.NoProbation, Probation: toDuration(r.Probation), Timeout: toDuration(r.Timeout),
	}))
	return follow(c, "rollback", stream, err, tell)
}

// follow reads a swap to its end.
func follow[T any, M interface {
	*T
	GetPhase() *hostv1.Event
	GetRecord() *hostv1.SwapRecord
}](c *Client, what string, stream *connect.ServerStreamForClient[T], err error, tell SwapWatcher,
) (record store.SwapRecord, _ error) {
	if err != nil {
		return record, c.told(what, err)
	}
	defer stream.Close()
	for stream.Receive() {
		m := M(stream.Msg())
		if r := m.GetRecord(); r != nil {
			record = fromSwap(r)
			continue
		}
		if err := tell(fromEvent(m.GetPhase())); err != nil {
			return record, err
		}
	}
	return record, c.told(what, stream.Err())
}

// History tells swaps, oldest first: all that are remembered if limit is 0, of
// all plugins if plugin is "". That some cannot be read is an error beside the
// others.
func (c *Client) History(ctx context.Context, plugin string, limit int) ([]store.SwapRecord, error) {
	r, err := c.plugins.History(ctx, connect.NewRequest(&hostv1.HistoryRequest{Plugin: plugin, Limit: uint32(max(limit, 0))}))
	if err != nil {
		return nil, c.told("history", err)
	}
	var swaps []store.SwapRecord
	for _, record := range r.Msg.Swaps {
		swaps = append(swaps, fromSwap(record))
	}
	if r.Msg.Damage != "" {
		return swaps, fmt.Errorf("some swaps are missing: %w", errors.New(r.Msg.Damage))
	}
	return swaps, nil
}

func toDuration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
