//go:build unix

package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store/disk"
)

func TestAdvice(t *testing.T) {
	for want, errs := range map[string][]error{
		"free some space": {
			&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, syscall.EDQUOT, syscall.EFBIG,
			errors.New("file resize error: " + syscall.ENOSPC.Error()), // as the database says it
		},
		"make it writable": {&os.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, fs.ErrPermission, syscall.EACCES},
		"":                 {nil, errors.New("something else"), syscall.EIO},
	} {
		for _, err := range errs {
			if got := disk.Advice(err); got != want {
				t.Errorf("Advice(%v): got %q, want %q", err, got, want)
			}
		}
	}
}
