//go:build !linux

package catalog

import (
	"context"
	"os"
)

func newMemory(string) (*os.File, error) { return nil, errNoMemory }

// sealMemory is for systems whose kernel seals memory.
func sealMemory(context.Context, string, *os.File, func(string) (*os.File, error)) (*sealed, error) {
	return nil, errNoMemory
}

// hashSealed is for memory that is sealed.
func hashSealed(ctx context.Context, file *os.File) (digest string, size int64, err error) {
	return hashOf(ctx, file)
}
