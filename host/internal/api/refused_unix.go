//go:build unix

package api

import (
	"errors"
	"syscall"
)

// isRefused tells whether a socket is there and nobody listens.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
