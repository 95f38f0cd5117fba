package remote

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes put the child into a session and a group of its own, out of reach of the
// terminal's Ctrl-C, and let the kernel kill it when the host is gone.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process has ended, and leaves it to be reaped.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
