//go:build !linux

package main

import (
	"net"
	"time"
)

// dialer finds out that a server is gone which did not say goodbye, as far as the system can.
func dialer() *net.Dialer {
	return &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
}
