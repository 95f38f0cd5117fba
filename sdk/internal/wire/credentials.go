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
	peer, known, err := peerOf(conn)
	if err != nil {
		return fmt.Errorf("ask who is at the other end of the socket: %w", err)
	}
	if !known {
		return nil
	}
	if peer.UID != os.Geteuid() {
		return fmt.Errorf("the socket's other end belongs to user %d, not to user %d", peer.UID, os.Geteuid())
	}
	if peer.PID != pid {
		return fmt.Errorf("the socket's other end is process %d, not process %d", peer.PID, pid)
	}
	return nil
}

// ServerCredentials are the transport credentials of a plugin's server: no
// encryption, but only the process that started this one may connect. They
// remember that process now, so they are made before the host can go away.
// The host dials with insecure credentials.
func ServerCredentials() credentials.TransportCredentials {
	return parentOnly{pid: os.Getppid()}
}

type parentOnly struct{ pid int }

func (p parentOnly) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if err := CheckPeer(conn, p.pid); err != nil {
		return nil, nil, fmt.Errorf("refuse a connection: %w", err)
	}
	return conn, peerInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
}

func (p parentOnly) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are for a plugin's server; a host dials with insecure ones")
}

func (p parentOnly) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peer"}
}

func (p parentOnly) Clone() credentials.TransportCredentials { return p }

func (p parentOnly) OverrideServerName(string) error { return nil }

type peerInfo struct{ credentials.CommonAuthInfo }

func (peerInfo) AuthType() string { return "peer" }
