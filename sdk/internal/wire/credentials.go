package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// peerCred is the process at the other end of a unix socket, as the kernel saw it
// when the connection was made.
type peerCred struct {
	PID int
	UID int
}

// CheckPeer refuses a connection whose other end is not the process pid of this
// process's own user. A socket's file mode already keeps other users out; this
// keeps out the user's other processes, and catches a socket that was replaced.
// Where the kernel does not tell, it accepts.
func CheckPeer(conn net.Conn, pid int) error {
	peer, known, err := Peer(conn)
	if err == nil && known && peer != pid {
		err = fmt.Errorf("the socket's other end is process %d, not process %d", peer, pid)
	}
	return err
}

// Peer is the process at the other end of a unix socket, if the kernel tells. It
// refuses one of another user.
func Peer(conn net.Conn) (pid int, known bool, err error) {
	peer, known, err := peerOf(conn)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("ask who is at the other end of the socket: %w", err)
	case known && peer.UID != os.Geteuid():
		return 0, false, fmt.Errorf("the socket's other end belongs to user %d, not to user %d", peer.UID, os.Geteuid())
	}
	return peer.PID, known, nil
}

// ServerCredentials are the transport credentials of a plugin's server: no
// encryption, but only the process that started this one may connect. They
// remember that process now, so they are made before the host can go away.
// The host dials with insecure credentials.
func ServerCredentials() credentials.TransportCredentials {
	return peerOnly{pid: os.Getppid()}
}

type peerOnly struct{ pid int }

func (p peerOnly) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if err := CheckPeer(conn, p.pid); err != nil {
		return nil, nil, fmt.Errorf("refuse a connection: %w", err)
	}
	return conn, peerInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
}

func (p peerOnly) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are for a plugin's server; a host dials with insecure ones")
}

func (p peerOnly) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peer"}
}

func (p peerOnly) Clone() credentials.TransportCredentials { return p }

func (p peerOnly) OverrideServerName(string) error { return nil }

type peerInfo struct{ credentials.CommonAuthInfo }

func (peerInfo) AuthType() string { return "peer" }
