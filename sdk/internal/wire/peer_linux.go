package wire

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who is at the other end of a unix socket.
func peerOf(conn net.Conn) (peer peerCred, known bool, err error) {
	socket, ok := conn.(syscall.Conn)
	if !ok || conn.RemoteAddr().Network() != "unix" {
		return peerCred{}, false, errors.New("it is no unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return peerCred{}, false, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return peerCred{}, false, err
	}
	return peerCred{PID: int(cred.Pid), UID: int(cred.Uid)}, true, nil
}
