package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

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
	if err := fill(ctx, to, from); err != nil {
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

// atATime is how much is copied or hashed before somebody may have lost patience.
const atATime = 4 << 20

// fill copies a file to memory within the kernel, which spares a copy. Some file
// systems do not know how.
func fill(ctx context.Context, to, from *os.File) error {
	for at := int64(0); ctx.Err() == nil; {
		n, err := unix.Sendfile(int(to.Fd()), int(from.Fd()), &at, atATime)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil && at == 0:
			return copyAll(ctx, to, from)
		case err != nil:
			return fmt.Errorf("copy it to memory: %w", err)
		case n == 0:
			return nil
		}
	}
	return context.Cause(ctx)
}

// hashSealed hashes memory where it is. It cannot shrink under the eyes of
// whoever looks, because that is sealed.
func hashSealed(ctx context.Context, file *os.File) (digest string, size int64, err error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return hashOf(ctx, file)
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return hashOf(ctx, file)
	}
	defer func() { _ = unix.Munmap(memory) }() // it was only read
	hash := sha256.New()
	for part := range slices.Chunk(memory, atATime) {
		if err := ctx.Err(); err != nil {
			return "", 0, context.Cause(ctx)
		}
		_, _ = hash.Write(part) // a hash takes everything
	}
	return digestPrefix + hex.EncodeToString(hash.Sum(nil)), info.Size(), nil
}
