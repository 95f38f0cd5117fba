package sdk

import (
	"context"

	"github.com/penstock-io/penstock/sdk/internal/process"
)

// WaitsFor tells the host that the process waits for something outside of it,
// such as a database that is away, until over is called. Then the host does not
// take it for hung: it shows what is waited for and since when, and lets
// checkpoints wait, for as long as wait_at_most of the pipeline says.
//
// what ends the sentence "it waits for ...", and holds no secret: people read
// it. ctx is the one that the method was given. Waiting that is over at once is
// not told, and neither is that of Start, which has a time limit of its own.
// Several may wait at once; the newest is told. over may be called more than
// once; until it is, the process says every second that it waits.
//
//	over := sdk.WaitsFor(ctx, "the database at 10.0.0.5: "+err.Error())
//	defer over()
func WaitsFor(ctx context.Context, what string) (over func()) {
	return process.WaitsFor(ctx, what)
}
