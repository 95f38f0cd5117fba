package chain

import (
	"context"
	"fmt"
)

// Raw makes calls and returns what became of each, in their order, without looking
// at it: for those who have their own idea of what an answer is. The error is
// about all of them.
func (c *Client) Raw(ctx context.Context, calls []Query) ([]Result, error) {
	results, err := c.service.Exchange(ctx, Request{Asker: c.asker, Network: c.network, Calls: calls})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil && len(results) != len(calls) {
		err = fmt.Errorf("ask about network %q: %d answers to %d calls", c.network, len(results), len(calls))
	}
	return results, err
}
