//go:build unix

package api

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// isOurs tells whether a file belongs to this process's user.
func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// isRefused tells whether a socket is there and nobody listens.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
