//go:build unix

package disk

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
)

// IsFull tells whether there is no more room for a file. The database keeps of
// some of its errors nothing but the text.
func IsFull(err error) bool {
	return err != nil && slices.ContainsFunc([]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}, func(full syscall.Errno) bool {
		return errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error())
	})
}

// SyncDir makes durable which files there are in a directory.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// isReadOnly tells whether the file system takes no writes at all.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
