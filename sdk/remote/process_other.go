//go:build !linux

package remote

import "syscall"

// processAttributes put the child into a session and a group of its own. That it dies with
// the host is left to the liveness pipe here.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

// awaitExit cannot wait without reaping here.
func awaitExit(int) bool { return false }
