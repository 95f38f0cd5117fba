package main

import (
	"net"
	"syscall"
	"time"
)

// deadAfter is how long a server may leave what it was sent unconfirmed before the connection counts as broken.
const deadAfter = 30 * time.Second

// tcpUserTimeout is the option's number, which package syscall lacks.
const tcpUserTimeout = 18

// dialer finds out that a server is gone which did not say goodbye: a machine without power, a cut cable.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 2, Interval: deadAfter / 6, Count: 3},
		Control: func(network, _ string, raw syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			return raw.Control(func(fd uintptr) {
				// A kernel that cannot takes longer to notice.
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(deadAfter.Milliseconds()))
			})
		},
	}
}
