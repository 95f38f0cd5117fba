package main

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/penstock-io/penstock/sdk"
)

// remedies are what to do about SQLite's errors, by primary code. Those that
// another try may mend are not final.
var remedies = map[int]struct {
	final  bool
	remedy string
}{
	lib.SQLITE_CANTOPEN: {true, "check that the directory is there and may be written to"},
	lib.SQLITE_READONLY: {true, "check that the file and its directory may be written to"},
	lib.SQLITE_PERM:     {true, "check that the file may be written to"},
	lib.SQLITE_NOTADB:   {true, "it is there and is no SQLite file: remove it or give another path"},
	lib.SQLITE_CORRUPT:  {true, "it is damaged: restore it from a copy, or remove it and load it anew"},
	lib.SQLITE_FULL:     {false, "the disk is full: make room"},
	lib.SQLITE_IOERR:    {false, "the disk reports an error: it may be full or failing"},
	lib.SQLITE_BUSY:     {false, "another program is writing to it: stop that one or give another path"},
	lib.SQLITE_LOCKED:   {false, "another program is writing to it: stop that one or give another path"},
}

// explain says which file an error is about and what to do.
func explain(path, doing string, err error) error {
	failed := (*sqlite.Error)(nil)
	if !errors.As(err, &failed) {
		return fmt.Errorf("sqlite file %s: %s: %w", path, doing, err)
	}
	r, known := remedies[failed.Code()&0xff]
	if !known {
		return fmt.Errorf("sqlite file %s: %s: %w", path, doing, err)
	}
	err = fmt.Errorf("sqlite file %s: %s: %w: %s", path, doing, err, r.remedy)
	if r.final {
		return sdk.Stop(err)
	}
	return err
}
