package sdk

import (
	"context"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Stop marks an error that trying again will not mend: the path goes to the
// state error and says so. Other errors are tried again, from the last place
// that is safe.
func Stop(err error) error {
	return classed(pluginv1.Class_CLASS_STOP, err)
}

// Rewind marks an error that asks the host to go back: everything after cursor
// is read again.
func Rewind(cursor Cursor, err error) error {
	if err == nil {
		return nil
	}
	return &process.Error{Class: pluginv1.Class_CLASS_REWIND, Cursor: wireCursor(cursor), Err: err}
}

// Poison marks the row that Transform or the tuple that Aggregate was given as
// bad: it is put aside and the path goes on. A row is kept by the host as a dead
// letter, to be looked at and given out again; a tuple is only counted. Where
// many rows were given it cannot tell which one is meant: call PutAside there,
// and go on. A row that makes the method panic or fail again and again is found
// and put aside by the host without a word.
func Poison(err error) error {
	return classed(pluginv1.Class_CLASS_POISON, err)
}

// PutAside says that the process could not use a row and goes on without it.
// Such rows are counted and reported to the host, with the newest cause. ctx
// is the one that the method was given. It may be called by several goroutines
// at once.
func PutAside(ctx context.Context, cause error) {
	process.PutAside(ctx, 1, cause)
}

func classed(class pluginv1.Class, err error) error {
	if err == nil {
		return nil
	}
	return &process.Error{Class: class, Err: err}
}

// ofMany is the error of a method that was given the n rows of body. One row
// that is bad is put aside; of several nobody knows which.
func ofMany(ctx context.Context, method string, n int, body []byte, err error) error {
	if !process.IsPoison(err) {
		return err
	}
	if n == 1 {
		return process.PutRowAside(ctx, 0, body, err)
	}
	return process.Stopf("%s was given %d rows and returned Poison, which does not tell the bad one: call sdk.PutAside for it and go on: %w", method, n, err)
}
