package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Failure is an error that the plugin itself reported. The plugin lives on.
type Failure struct {
	Class   Class
	Message string
	Stack   string  // of a panic, "" if there was none
	Cursor  *Cursor // where to rewind to, for ClassRewind
	// Sequence and Input are those of the batch that the process failed at; 0:
	// at none. Row is the row of the batch that it was working on, if Located.
	Sequence uint64
	Input    uint32
	Row      uint32
	Located  bool
}

func (f *Failure) Error() string { return f.Message }

func newFailure(m *pluginv1.Failed, at *Cursor) *Failure {
	f := &Failure{Class: m.GetClass(), Message: clean(m.GetMessage()), Stack: clean(m.GetStack()), Cursor: at}
	if f.Class == pluginv1.Class_CLASS_UNSPECIFIED {
		f.Class = ClassRetry
	}
	if f.Message == "" {
		f.Message = "it failed without saying why"
	}
	return f
}

// failureOf reads a FAILED frame.
func failureOf(f *Frame) *Failure {
	out := newFailure(f.Failed, f.Cursor)
	out.Sequence, out.Input, out.Row, out.Located = f.Sequence, f.Input, f.Failed.GetRow(), f.Failed.GetLocated()
	return out
}

// deathPatience is how long a broken connection may precede the end of the
// process that explains it.
const deathPatience = 3 * time.Second

// cause is what is behind the error of a call under ctx: what the plugin
// reported, the end of ctx, the end of the process, or what gRPC says.
func (p *Plugin) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && p.Exit() == nil {
		return overdue(ctx)
	}
	return p.broken(err)
}

// overdue is why ctx ended, as something that the plugin did not do.
func overdue(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("it does not answer: %w", cause)
	}
	return cause
}

// broken is cause where no context bounds the call.
func (p *Plugin) broken(err error) error {
	st := status.Convert(err)
	for _, detail := range st.Details() {
		if m, ok := detail.(*pluginv1.Failed); ok {
			return p.reported(newFailure(m, nil))
		}
	}
	if st.Code() == codes.Unavailable {
		p.awaitDeath()
	}
	if exit := p.Exit(); exit != nil {
		return exit
	}
	switch st.Code() {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return errors.New(p.reported(&Failure{Message: clean(st.Message())}).Message)
	}
}

func (p *Plugin) awaitDeath() {
	timer := time.NewTimer(deathPatience)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
	}
}

// callContext gives a call that has no deadline one.
func (p *Plugin) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded || p.patient {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("waited %s: %w", callTimeout, context.DeadlineExceeded))
}
