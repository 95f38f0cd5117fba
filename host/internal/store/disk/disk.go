// Package disk says what to do about an error of the file system, for all who
// write to the data directory.
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
