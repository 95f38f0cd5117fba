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
		return lasting("the file is as large as its file system lets it be: set rotate, and begin anew with `penstock run --fresh`")
	case errors.Is(err, syscall.EROFS):
		return lasting("the file system may only be read: change path")
	case errors.Is(err, os.ErrPermission):
		return lasting("see that the file and its directory can be written to, or change path")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return lasting("change path")
	}
	return passing("it will be tried again")
}

// inspect finds what is wrong with a directory before anything is done in it.
func inspect(dir string) error {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return stopf("write to %s: there is no such directory: make it, or change path", dir)
	case err != nil:
		return explain("write to", dir, err)
	case !info.IsDir():
		return stopf("write to %s: it is no directory: change path", dir)
	}
	return nil
}

// refuse names a file that is in the way.
func refuse(path string, info os.FileInfo) error {
	kind := "this step has not made it, and will not write to it"
	switch {
	case info.IsDir():
		kind = "it is a directory"
	case !info.Mode().IsRegular():
		kind = "it is a special file"
	}
	return stopf("write to %s: it is there already, and %s: move it away, or change path", path, kind)
}

// vacant checks that there is no file of that name.
func (s *shelf) vacant(name string) error {
	switch info, err := os.Lstat(s.path(name)); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return explain("look at", s.path(name), err)
	default:
		return refuse(filepath.Join(s.dir, name), info)
	}
}
