package conformance

import (
	"context"

	"github.com/penstock-io/penstock/sdk/shared"
)

// noSets is shared state that nobody has put anything into.
type noSets struct{}

// Watch tells of an empty set, which does not change.
func (noSets) Watch(ctx context.Context, _ shared.Query, take func(shared.Value) error) error {
	if err := take(shared.Value{}); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}
