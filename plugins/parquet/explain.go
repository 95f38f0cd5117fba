package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/penstock-io/penstock/sdk"
)

// stopf is an error that trying again will not mend.
func stopf(format string, args ...any) error { return sdk.Stop(fmt.Errorf(format, args...)) }

// explain says which file an error is about, and what to do. What another try
// will not mend is marked as such: permissions and places that are not there.
func explain(doing, path string, err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err // its path is ours
	}
	if inner, ok := errors.AsType[*os.LinkError](err); ok {
		err = inner.Err
	}
	passing := func(remedy string) error { return fmt.Errorf("%s %s: %w: %s", doing, path, err, remedy) }
	lasting := func(remedy string) error { return sdk.Stop(passing(remedy)) }
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return passing("the disk is full: make room; it will be tried again")
	case errors.Is(err, syscall.EIO):
		return passing("the disk does not do what it should: look whether it is gone or broken")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return passing("too many files are open: raise the limit (ulimit -n)")
	case errors.Is(err, syscall.EFBIG):
		return lasting("the file is as large as its file system lets it be: set size or rows, and begin anew with `penstock run --fresh`")
	case errors.Is(err, syscall.EROFS):
		return lasting("the file system may only be read: change path")
	case errors.Is(err, os.ErrPermission):
		return lasting("see that the directory and what is in it can be written to, or change path")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return lasting("change path")
	}
	return passing("it will be tried again")
}

// prepare makes the directory if it is not there.
func prepare(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return stopf("write to %s: it is no directory: change path", dir)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return explain("write to", dir, err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); errors.Is(err, os.ErrNotExist) {
		return stopf("make %s: there is no directory %s: make it, or change path", dir, filepath.Dir(dir))
	}
	return makeDir(dir)
}

// makeDir makes a directory that stays.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return explain("make", dir, err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return explain("write", filepath.Dir(dir), err)
	}
	return nil
}

// vacant checks that there is no file of that name.
func vacant(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return explain("look at", path, err)
	}
	kind := "this step has not made it, and will not write to it"
	switch {
	case info.IsDir():
		kind = "it is a directory"
	case !info.Mode().IsRegular():
		kind = "it is a special file"
	}
	return stopf("write to %s: it is there already, and %s: move it away, or change path", path, kind)
}
