package process

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// reportEvery bounds how often rows that were put aside are reported: a flood
// of bad rows must not become a flood of log lines.
const reportEvery = time.Second

// aside counts the rows that a process has put aside since the last report.
type aside struct {
	out      *Sender
	input    uint32 // the batch that is worked on
	sequence uint64

	mu       sync.Mutex
	rows     uint64
	kept     uint64 // those that the host has been sent already
	cause    string
	reported time.Time
}

type asideKey struct{}

// PutAside counts n rows that the process ctx belongs to could not use. They
// are reported to the host before the next checkpoint or end, and otherwise
// soon.
func PutAside(ctx context.Context, n uint64, cause error) {
	a, ok := ctx.Value(asideKey{}).(*aside)
	if !ok {
		Logger(ctx).Error("rows were put aside", "rows", n, "cause", cause)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows += n
	a.cause = sendable(cause.Error())
}

// PutRowAside is PutAside for one row of the batch that is worked on: the host
// keeps it. body is that row alone. It blocks while the host does not read, and
// must be called by the goroutine that the batch was given to.
func PutRowAside(ctx context.Context, row int, body []byte, cause error) error {
	a, ok := ctx.Value(asideKey{}).(*aside)
	if !ok {
		PutAside(ctx, 1, cause)
		return nil
	}
	a.mu.Lock()
	a.kept++
	a.cause = sendable(cause.Error())
	progress := &pluginv1.Progress{Poisoned: 1, Cause: a.cause, Row: uint32(row)}
	a.mu.Unlock()
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_PROGRESS, Progress: progress, Input: a.input, Sequence: a.sequence}
	bodies := wire.Bodies{}
	f.Body = bodies.Body(&body)
	defer f.Free()
	return a.out.Send(f)
}

// wait is how long a report has to wait; 0: there is none.
func (a *aside) wait() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rows+a.kept == 0 {
		return 0
	}
	return max(reportEvery-time.Since(a.reported), 1)
}

// reportSoon reports unless it has done so within the last second.
func (a *aside) reportSoon(ctx context.Context, out *Sender) error {
	if a.wait() > 1 {
		return nil
	}
	return a.report(ctx, out)
}

// report tells the log and the host, in line with the output.
func (a *aside) report(ctx context.Context, out *Sender) error {
	a.mu.Lock()
	progress, all := &pluginv1.Progress{Poisoned: a.rows, Cause: a.cause}, a.rows+a.kept
	a.rows, a.kept, a.reported = 0, 0, time.Now()
	a.mu.Unlock()
	if all == 0 {
		return nil
	}
	Logger(ctx).Error("rows were put aside", "rows", all, "cause", progress.Cause)
	if progress.Poisoned == 0 {
		return nil
	}
	return out.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_PROGRESS, Progress: progress})
}
