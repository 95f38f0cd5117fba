package conformance_test

import "syscall"

// leavesGroup lets a program leave the process group of its parent.
func leavesGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
