//go:build !unix

package disk

// IsFull is not told apart here: the system's message has to do.
func IsFull(error) bool { return false }

// isReadOnly is not told apart here either.
func isReadOnly(error) bool { return false }
