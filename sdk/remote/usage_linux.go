package remote

import (
	"os"
	"strconv"
	"strings"
)

// bounds tells whether the kernel enforces a limit.
func (c *confinement) bounds(controller string) bool { return c.group.has(controller) }

// wasStarved tells, of a plugin that is gone, whether the kernel has killed it for
// its memory.
func (c *confinement) wasStarved() bool { return c.starved }

// usage is what a plugin and all that it has started use together: the memory
// that nobody else has, and the number of their processes.
func (c *confinement) usage(pid int) (memory, processes uint64) {
	var members []int
	if c.group != nil {
		members = c.group.members()
	}
	if len(members) == 0 {
		for _, s := range family(pid) {
			members = append(members, s.pid)
		}
	}
	for _, member := range members {
		memory += memoryOf(member)
	}
	return memory, uint64(len(members))
}

// memoryOf is the memory of a process that is in no file, in bytes; 0 if it has
// ended.
func memoryOf(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	var sum uint64
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "RssAnon", "RssShmem", "VmSwap":
			kilobytes, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64) // the kernel writes numbers
			sum += kilobytes << 10
		}
	}
	return sum
}
