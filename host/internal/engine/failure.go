package engine

import (
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/remote"
)

// stepError says which process an error came from.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return fmt.Sprintf("step %s: %v", e.step, e.err) }
func (e *stepError) Unwrap() error { return e.err }

// reorgError ends a generation whose reader has seen the chain change its mind.
type reorgError struct {
	step string
	fork *remote.Cursor
}

func (e *reorgError) Error() string {
	return fmt.Sprintf("the chain was reorganised after block %d", e.fork.Block)
}

func stepOf(err error) string {
	if at := (*stepError)(nil); errors.As(err, &at) {
		return at.step
	}
	return ""
}

func withoutStep(err error) error {
	if at := (*stepError)(nil); errors.As(err, &at) {
		return at.err
	}
	return err
}

// reason is why a path begins again.
type reason struct {
	what    string
	because error // what a step failed of, which was told when it did; nil: it was none
}

func (r reason) String() string {
	if r.because == nil {
		return r.what
	}
	return r.what + ": " + r.because.Error()
}
