// Package disk knows what all who write to the data directory need to know of
// file systems: what to do about their errors, and what they keep.
package disk

import (
	"errors"
	"io/fs"
)

// Advice says what to do about an error, and nothing where there is nothing
// that would help for certain.
func Advice(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission), isReadOnly(err):
		return "make it writable"
	case IsFull(err):
		return "free some space"
	}
	return ""
}
