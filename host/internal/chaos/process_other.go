//go:build !linux

package chaos

import (
	"errors"
	"os"
	"syscall"
)

// Supported is nil where processes can be found and harmed.
func Supported() error {
	return errors.New("chaos needs Linux: it finds the processes of the plugins in /proc; run it in a container or a virtual machine")
}

func attributes() *syscall.SysProcAttr { return nil }

// These are never sent: nothing runs where Supported is not nil.
var stopSignal, goOnSignal = os.Interrupt, os.Interrupt

func children(int) []child { return nil }

func harm(int, child, os.Signal) bool { return false }
