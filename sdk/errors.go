package sdk

import (
	"errors"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Stop marks an error that trying again will not mend: the path goes to the
// state error and says so.
func Stop(err error) error {
	return classed(pluginv1.Class_CLASS_STOP, err)
}

// Rewind marks an error that asks the host to go back: everything after cursor
// is read again.
func Rewind(cursor Cursor, err error) error {
	if err == nil {
		return nil
	}
	return &classError{class: pluginv1.Class_CLASS_REWIND, cursor: &cursor, err: err}
}

// Poison marks the row at hand as bad: it is put aside and the path goes on.
func Poison(err error) error {
	return classed(pluginv1.Class_CLASS_POISON, err)
}

// classError carries what the host is to do about an error. Errors without a
// class are tried again.
type classError struct {
	class  pluginv1.Class
	cursor *Cursor
	err    error
}

func (e *classError) Error() string { return e.err.Error() }
func (e *classError) Unwrap() error { return e.err }

func classed(class pluginv1.Class, err error) error {
	if err == nil {
		return nil
	}
	return &classError{class: class, err: err}
}

func isPoison(err error) bool {
	var c *classError
	return errors.As(err, &c) && c.class == pluginv1.Class_CLASS_POISON
}
