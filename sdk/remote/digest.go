package remote

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Digest asks a loader what it holds of an input: counts and sums, for each of
// the ranges in their order. Open is as its process would be opened; nothing is.
func (p *Plugin) Digest(ctx context.Context, open Open, q digest.Query) ([]digest.Range, error) {
	ctx, done := p.callContext(ctx)
	defer done()
	req := &pluginv1.DigestRequest{Open: open.message(), Input: uint32(q.Input), Column: q.Column}
	for _, r := range q.Ranges {
		req.Ranges = append(req.Ranges, &pluginv1.DigestRange{From: r.From, To: r.To})
	}
	res, err := p.wire.Digest(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("ask %s what it holds: %w", open.Step, p.cause(ctx, err))
	}
	if len(res.Ranges) != len(q.Ranges) {
		return nil, fmt.Errorf("ask %s what it holds: it answered %d ranges, not %d", open.Step, len(res.Ranges), len(q.Ranges))
	}
	out := make([]digest.Range, len(res.Ranges))
	for i, r := range res.Ranges {
		out[i] = digest.Range{From: q.Ranges[i].From, To: q.Ranges[i].To, Rows: r.Rows}
		if copy(out[i].Sum[:], r.Sum) != len(r.Sum) || len(r.Sum) != len(out[i].Sum) {
			return nil, fmt.Errorf("ask %s what it holds: a sum of %d bytes, want %d", open.Step, len(r.Sum), len(out[i].Sum))
		}
	}
	return out, nil
}
