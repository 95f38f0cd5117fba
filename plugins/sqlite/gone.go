package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	lib "modernc.org/sqlite/lib"

	"github.com/penstock-io/penstock/sdk"
)

// A file that somebody removes or replaces lives on for those who have it open: rows would go where nobody finds them, without an error.
// So the names are looked at whenever rows are committed.

// remember keeps in mind which files the names lead to.
func (d *database) remember() error {
	var err error
	if d.file, err = os.Stat(d.path); err != nil {
		return d.explain("look at it", err)
	}
	d.log = nil // SQLite makes it with the first transaction
	return nil
}

// present checks that the names still lead to the files that are open.
func (d *database) present() error {
	if err := d.same(d.path, &d.file); err != nil {
		return err
	}
	return d.same(d.path+"-wal", &d.log)
}

func (d *database) same(path string, was *os.FileInfo) error {
	is, err := os.Stat(path)
	switch {
	case *was == nil:
		*was = is // it is seen for the first time, if it is there
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return lost(path, "has been removed while it was open")
	case err != nil:
		return d.explain("look at it", err)
	case !os.SameFile(is, *was):
		return lost(path, "has been replaced by another while it was open")
	}
	return nil
}

func lost(path, how string) error {
	return sdk.Stop(fmt.Errorf("commit: %s %s: rows since then are nowhere: put the file back as it was, with the one that ends with -wal, and start again; "+
		"or begin anew with penstock run --fresh", path, how))
}

// duplicates explains why a key cannot be made.
func (d *database) duplicates(t *table, err error) error {
	if codeOf(err) != lib.SQLITE_CONSTRAINT {
		return d.explain("make the key of table "+t.name, err)
	}
	return sdk.Stop(fmt.Errorf("%s: make the key of table %s: rows that are there already have the same values in %s: begin anew with penstock run --fresh, or set key as it was",
		d.path, t.name, quoteAll(t.key)))
}
