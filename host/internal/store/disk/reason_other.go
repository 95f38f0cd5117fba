//go:build !unix

package disk

// IsFull is not told apart here: the system's message has to do.
func IsFull(error) bool { return false }

// SyncDir leaves it to the system which files there are in a directory.
func SyncDir(string) error { return nil }

// isReadOnly is not told apart here either.
func isReadOnly(error) bool { return false }
