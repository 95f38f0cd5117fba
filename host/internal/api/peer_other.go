//go:build !linux

package api

import "net"

// peerOf knows nothing here: the modes of the socket and of its directory are
// what keeps others out.
func peerOf(net.Conn) peer { return peer{} }
