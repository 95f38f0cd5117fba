package api

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel which user and which process is at the other end of a
// unix socket.
func peerOf(conn net.Conn) (p peer) {
	socket, ok := conn.(syscall.Conn)
	if !ok || conn.LocalAddr().Network() != "unix" {
		return peer{err: errors.New("it is no unix socket")}
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return peer{err: err}
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return peer{err: err}
	}
	return peer{uid: int(cred.Uid), known: true, plugin: cameFromPlugin(int(cred.Pid))}
}

// cameFromPlugin tells whether a process is a plugin of this host, or was started
// by one. A plugin is a child of this process with a session of its own. What has
// left its session and its parents is told by the filters on its system calls,
// which nobody gets rid of: whoever steers a host has no more of them than the
// host itself. A process that is gone is taken for one. 0 is a process that this
// one cannot see, which a plugin cannot become.
func cameFromPlugin(pid int) bool {
	if pid == 0 || pid == os.Getpid() {
		return false
	}
	filters, ok := filtersOf(pid)
	if own, known := filtersOf(os.Getpid()); !ok || known && filters > own {
		return true
	}
	_, session, ok := kinOf(pid)
	if !ok || isPlugin(session) {
		return true
	}
	const deep = 1000 // no tree of processes is so deep; what is read at several times could hold a circle
	for range deep {
		if isPlugin(pid) {
			return true
		}
		parent, _, ok := kinOf(pid)
		if !ok || parent <= 1 || parent == os.Getpid() {
			return false
		}
		pid = parent
	}
	return true
}

// isPlugin tells whether a process is a child of this one with a session of its
// own.
func isPlugin(pid int) bool {
	parent, session, ok := kinOf(pid)
	return ok && parent == os.Getpid() && session == pid
}

// kinOf is the parent of a process and the session that it is in.
func kinOf(pid int) (parent, session int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(text, ')') // a name may hold anything
	if err != nil || end < 0 {
		return 0, 0, false
	}
	var state string
	var group int
	n, _ := fmt.Sscan(string(text[end+1:]), &state, &parent, &group, &session)
	return parent, session, n == 4
}

// filtersOf is how many filters are on the system calls of a process.
func filtersOf(pid int) (filters int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "Seccomp_filters:"); found {
			filters, _ = strconv.Atoi(strings.TrimSpace(value)) // the kernel writes a number
		}
	}
	return filters, true
}
