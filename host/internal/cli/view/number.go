package view

import (
	"fmt"
	"strconv"
	"time"
)

// count writes a number as people read it: 1,234 up to ten million, 12.3M above.
func count(n uint64) string {
	switch {
	case n >= 10_000_000_000:
		return fmt.Sprintf("%.1fG", float64(n)/1e9)
	case n >= 10_000_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
	digits := strconv.FormatUint(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// perSecond writes a rate with three digits at most.
func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "0"
	case rate < 9.95:
		return strconv.FormatFloat(rate, 'f', 1, 64)
	case rate < 999.5:
		return strconv.FormatFloat(rate, 'f', 0, 64)
	case rate < 99_950:
		return strconv.FormatFloat(rate/1e3, 'f', 1, 64) + "k"
	case rate < 999_500:
		return strconv.FormatFloat(rate/1e3, 'f', 0, 64) + "k"
	}
	return strconv.FormatFloat(rate/1e6, 'f', 1, 64) + "M"
}

// block writes the number of a block that may not be known yet.
func block(n *uint64) string {
	if n == nil {
		return "-"
	}
	return count(*n)
}

// elapsed writes a time in seconds, and without them once they say nothing.
func elapsed(d time.Duration) string {
	d = d.Truncate(time.Second)
	hours, minutes, seconds := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case hours >= 24:
		return fmt.Sprintf("%dd%02dh", hours/24, hours%24)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%02ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}
