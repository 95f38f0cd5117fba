package main

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/penstock-io/penstock/sdk"
)

// explain says which file an error is about, and what to do. What another try will not mend is marked as such: that is everything but
// what other programs and the disk do for a while.
func (d *database) explain(doing string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %s: %w", d.path, doing, err)
	}
	code := codeOf(err)
	if isTaken(err) {
		return sdk.Stop(fmt.Errorf("%s: %s: %w: another program has added rows, with numbers that the next rows were to have: "+
			"remove them, and let it write to a table of its own", d.path, doing, err))
	}
	if remedy := d.passing(code); remedy != "" {
		return fmt.Errorf("%s: %s: %w: %s", d.path, doing, err, remedy)
	}
	if remedy := lasting(code); remedy != "" {
		return sdk.Stop(fmt.Errorf("%s: %s: %w: %s", d.path, doing, err, remedy))
	}
	return sdk.Stop(fmt.Errorf("%s: %s: %w", d.path, doing, err))
}

// codeOf is SQLite's code of an error, without details; 0: it is not SQLite's.
func codeOf(err error) int {
	if failed := (*sqlite.Error)(nil); errors.As(err, &failed) {
		return failed.Code() & 0xff
	}
	return lib.SQLITE_OK
}

// isTaken tells that a row has the number of another.
func isTaken(err error) bool {
	failed := (*sqlite.Error)(nil)
	return errors.As(err, &failed) && failed.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY
}

func isBusy(err error) bool {
	code := codeOf(err)
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_LOCKED
}

// passing is what to do about an error that another try may mend.
func (d *database) passing(code int) string {
	switch code {
	case lib.SQLITE_FULL:
		return "the disk is full, or the database as large as it may be: make room"
	case lib.SQLITE_IOERR:
		return "the disk does not do what it should: look whether it is full, gone or broken"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Sprintf("another program has been writing to it for %s, and only one can at a time: end it, or change path", d.patience)
	case lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT:
		return "it will be tried again"
	}
	return ""
}

// lasting is what to do about an error that stays.
func lasting(code int) string {
	switch code {
	case lib.SQLITE_CANTOPEN:
		return "see that the file and its directory can be written to, or change path"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return "it may only be read: see that the file and its directory can be written to, or change path"
	case lib.SQLITE_NOTADB:
		return "move it away, or change path"
	case lib.SQLITE_CORRUPT:
		return "it is damaged: restore it from a copy, or move it away and load the rows anew"
	case lib.SQLITE_CONSTRAINT:
		return "the table has a rule that these rows break: drop the rule, or give the step another table with tables"
	case lib.SQLITE_TOOBIG:
		return "a row is larger than SQLite takes: leave the column out before it comes here"
	}
	return ""
}
