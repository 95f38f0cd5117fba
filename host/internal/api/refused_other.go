//go:build !unix

package api

// isRefused is not told apart here: the system's message has to do.
func isRefused(error) bool { return false }
