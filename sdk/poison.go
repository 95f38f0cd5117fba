package sdk

import (
	"context"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// poisoned counts rows that were put aside, and reports them when there is
// time to: a flood of bad rows must not become a flood of log lines.
type poisoned struct {
	out   *sender
	count uint64
	cause string
}

func (p *poisoned) add(err error) {
	p.count++
	p.cause = err.Error()
}

func (p *poisoned) report(ctx context.Context) error {
	if p.count == 0 {
		return nil
	}
	Logger(ctx).Error("rows were put aside", "rows", p.count, "cause", p.cause)
	f := &wire.Frame{
		Kind:     pluginv1.Kind_KIND_PROGRESS,
		Progress: &pluginv1.Progress{Poisoned: p.count, Cause: p.cause},
	}
	p.count = 0
	return p.out.send(f)
}
