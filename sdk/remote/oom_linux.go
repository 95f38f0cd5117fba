package remote

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// countOOMKills is how often the kernel has killed a process for want of memory
// since it started, on the whole machine; 0 where it does not say.
func countOOMKills() uint64 {
	f, err := os.Open("/proc/vmstat")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if count, found := strings.CutPrefix(lines.Text(), "oom_kill "); found {
			n, _ := strconv.ParseUint(count, 10, 64) // 0 if it is no number
			return n
		}
	}
	return 0
}
