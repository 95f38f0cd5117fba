package chain

import (
	"context"
	"errors"
	"slices"
)

// together answers all asks by one endpoint in one exchange, or in several where
// the endpoint takes no more at once. If one answer is of no use, all are asked
// for again.
func (w *work) together(ctx context.Context, asks []*ask) error {
	if len(asks) == 0 {
		return nil
	}
	lead := leader(asks)
	for {
		ep, fault, err := w.n.choose(ctx, lead)
		if err != nil {
			return err
		}
		if fault != nil {
			w.settleAll(asks, fault)
			return nil
		}
		open, err := w.attempt(ctx, ep, asks)
		if err != nil || len(w.unlessGivenUp(open)) == 0 {
			return err
		}
		lead.aside = lead.aside || slices.ContainsFunc(open, func(a *ask) bool { return a.aside })
		if !lead.hasTried(ep) {
			lead.tried = append(lead.tried, ep)
		}
	}
}

// leader is the ask that stands for all when an endpoint is chosen: the one about
// the newest block.
func leader(asks []*ask) *ask {
	lead := *slices.MaxFunc(asks, func(a, b *ask) int { return int(min(a.need.block, 1<<62)) - int(min(b.need.block, 1<<62)) })
	return &lead
}

// attempt has an endpoint answer all asks and returns those that it has not.
func (w *work) attempt(ctx context.Context, ep *endpoint, asks []*ask) (open []*ask, err error) {
	for rest := asks; len(rest) > 0 && len(open) == 0; {
		size := min(len(rest), ep.sizes.limit())
		s, err := w.n.send(ctx, w.asker, ep, rest[:size])
		if errors.Is(err, errElsewhere) {
			return asks, nil
		}
		if err != nil {
			return nil, err
		}
		open = w.weigh(s, rest[:size])
		rest = rest[size:]
	}
	return open, nil
}
