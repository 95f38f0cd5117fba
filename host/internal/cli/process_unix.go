//go:build unix

package cli

import (
	"fmt"
	"os"
	"syscall"
)

// ownGroup keeps Ctrl-C in a terminal from reaching a process before its time.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// become replaces this process with another program. It returns only if that
// was not possible.
func become(path string, args []string) error {
	if err := syscall.Exec(path, append([]string{path}, args...), os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	return nil // unreachable: the process is another one by now
}
