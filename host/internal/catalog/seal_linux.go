package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newMemory makes a file in memory that can be sealed. Kernels since 6.3 want to
// be told that it is to be run, older ones do not know the word.
func newMemory(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// sealMemory copies a file to memory and seals that. The file that it returns
// cannot even be written through: it was opened anew to be read.
func sealMemory(ctx context.Context, name string, from *os.File, memory func(string) (*os.File, error)) (*sealed, error) {
	to, err := memory(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMemory, err)
	}
	defer func() { _ = to.Close() }() // what was read from it has a descriptor of its own
	if err := copyAll(ctx, to, from); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", errNoMemory, err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(to.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMemory, err)
	}
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", to.Fd()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMemory, err)
	}
	return &sealed{file: file, fixed: true}, nil
}
