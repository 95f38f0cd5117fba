// Package view shows people what a running host does: as a picture that is
// redrawn in place on a terminal, or as a line now and then where there is none.
//
// Whatever plugins print for people goes through the view as well, because on a
// terminal only one may move the cursor: printed rows scroll by above the
// picture.
package view

import (
	"context"
	"io"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// Source gives the state of everything that runs. It is called by one goroutine.
type Source func() []engine.PathStatus

// View shows a source until ctx ends. Written to are whole lines, at any time
// and by any goroutine; they appear in order.
type View interface {
	io.Writer
	// Notice tells what the host itself is about, such as that it is draining.
	Notice(text string)
	// Run shows the source until ctx ends, and once more then.
	Run(ctx context.Context, source Source)
}

// warmUp is how soon after the start a line is told for the first time, so that
// nobody wonders whether anything runs.
const warmUp = time.Second
