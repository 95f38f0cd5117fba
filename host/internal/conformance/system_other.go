//go:build !linux

package conformance

import "errors"

// marked cannot tell here.
func marked(string) []int { return nil }

func killAll([]int) {}

// usage is what a process takes.
type usage struct {
	files  int
	memory int64
}

func usageOf(int) (usage, error) { return usage{}, errors.ErrUnsupported }

func memoryOf(int) (int64, error) { return 0, errors.ErrUnsupported }

func ended(int) bool { return false }
