//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file until it is closed or the process has died; ok is false
// if another has locked it.
func tryLock(f *os.File) (ok bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
