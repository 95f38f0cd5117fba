package process

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// ErrDrained is the cause of a producer's end when the host asked for it.
var ErrDrained = errors.New("the host asked the reader to stop")

// errUnwanted is the cause of a producer's end when nobody wants what it has:
// the host rewinds it or is gone.
var errUnwanted = errors.New("the host begins again")

// Error carries what the host is to do about an error. Errors without a class
// are tried again.
type Error struct {
	Class  pluginv1.Class
	Cursor *wire.Cursor // where to rewind to
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Stop marks an error that trying again will not mend.
func Stop(err error) error { return &Error{Class: pluginv1.Class_CLASS_STOP, Err: err} }

// Stopf is Stop with a message.
func Stopf(format string, args ...any) error { return Stop(fmt.Errorf(format, args...)) }

// IsPoison tells errors that are about one row.
func IsPoison(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == pluginv1.Class_CLASS_POISON
}

// panicError is what an author's panic becomes.
type panicError struct {
	cause any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.cause) }

// guard runs the author's code and turns a panic into an error with its stack.
func guard(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause: cause, stack: string(debug.Stack())}
		}
	}()
	return f()
}

// fault is the batch that a process failed at.
type fault struct {
	input    uint32
	sequence uint64
	row      int
	located  bool // row is to blame
}

// failedFrame tells the host what went wrong, with its class, and where if that
// is known.
func failedFrame(err error, at *fault) *wire.Frame {
	f := &wire.Frame{
		Kind:   pluginv1.Kind_KIND_FAILED,
		Failed: &pluginv1.Failed{Class: pluginv1.Class_CLASS_RETRY, Message: sendable(err.Error())},
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		f.Failed.Class, f.Cursor = e.Class, e.Cursor
	}
	if at != nil {
		f.Input, f.Sequence = at.input, at.sequence
		f.Failed.Row, f.Failed.Located = uint32(at.row), at.located
	}
	if p := (*panicError)(nil); errors.As(err, &p) {
		f.Failed.Stack = sendable(p.stack)
	}
	return f
}

// longestText bounds what is told about one error.
const longestText = 64 << 10

// sendable is text that a message can carry: authors put anything into their
// errors, also bytes that are no text.
func sendable(text string) string {
	if len(text) > longestText {
		text = text[:longestText] + fmt.Sprintf("... (%d bytes)", len(text))
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func mistakesError(mistakes []settings.Mistake) error {
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = errors.New(m.String())
	}
	return fmt.Errorf("settings: %w", errors.Join(errs...))
}
