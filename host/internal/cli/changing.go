package cli

import (
	"context"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/store"
)

// changing joins what is asked of a host with what carries it out: neither knows
// the other.
type changing struct{ *change.Changes }

func (c changing) Swap(ctx context.Context, r api.SwapRequest) (store.SwapRecord, error) {
	return c.Changes.Swap(ctx, change.SwapRequest(r))
}

func (c changing) Rollback(ctx context.Context, r api.RollbackRequest) (store.SwapRecord, error) {
	return c.Changes.Rollback(ctx, change.RollbackRequest(r))
}

func (c changing) Attach(ctx context.Context, a api.Attachment) error {
	return c.Changes.Attach(ctx, change.Attachment{
		Plugin: a.Plugin, Steps: a.Steps, Address: a.Address, PID: a.PID, Protocol: a.Protocol, SDKVersion: a.SDKVersion, Progress: a.Progress,
		Attached: func(steps []change.AttachedStep) {
			out := make([]api.AttachedStep, len(steps))
			for i, s := range steps {
				out[i] = api.AttachedStep(s)
			}
			a.Attached(out)
		},
	})
}
