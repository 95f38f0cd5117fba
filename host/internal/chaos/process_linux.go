package chaos

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported is nil where processes can be found and harmed.
func Supported() error { return nil }

// attributes keep Ctrl-C from a process, and have it end with this one.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

const (
	stopSignal = unix.SIGSTOP
	goOnSignal = unix.SIGCONT
)

// children are the processes that a process has started, by name and age.
func children(parent int) []child {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // then nobody is harmed
	}
	var found []child
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || parentOf(pid) != parent {
			continue
		}
		program, err := os.Readlink("/proc/" + entry.Name() + "/exe")
		if err != nil {
			continue // it has just ended
		}
		found = append(found, child{pid: pid, name: programName(program)})
	}
	slices.SortFunc(found, func(a, b child) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return a.pid - b.pid
	})
	return found
}

// programName is the name of a program as the kernel has it, which may have no
// file any more, or never had one: plugins run from sealed memory.
func programName(program string) string {
	return strings.TrimPrefix(strings.TrimSuffix(filepath.Base(program), " (deleted)"), "memfd:")
}

// parentOf is the parent of a process, 0 if there is no such process or it has
// ended and only waits to be noticed.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || string(fields[0]) == "Z" {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}

// harm sends a signal to a child that still is one, and reports whether it did.
// Its number cannot have become another's in between.
func harm(parent int, c child, how os.Signal) bool {
	p, err := os.FindProcess(c.pid)
	if err != nil {
		return false
	}
	defer p.Release() //nolint:errcheck // it is forgotten either way
	return parentOf(c.pid) == parent && p.Signal(how) == nil
}
