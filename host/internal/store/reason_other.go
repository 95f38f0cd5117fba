//go:build !unix

package store

// isFull is not told apart here: the system's message has to do.
func isFull(error) bool { return false }

// isReadOnly is not told apart here either.
func isReadOnly(error) bool { return false }
