//go:build unix

package wire

import "syscall"

// killGroup kills this program and what it has started, if a host has put it
// into a process group of its own.
func killGroup() {
	if syscall.Getpgrp() == syscall.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL) // this process is in the group: the call does not return
	}
}
