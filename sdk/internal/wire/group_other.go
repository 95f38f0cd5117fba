//go:build !unix

package wire

// killGroup does nothing where there are no process groups.
func killGroup() {}
