package plugintest

import (
	"fmt"
	"strings"
)

// history adds to what fails a test how it came to that.
type history struct {
	TB
	again string // what does the same once more
	done  []string
}

// note writes down what is about to be done.
func (h *history) note(format string, args ...any) {
	h.done = append(h.done, fmt.Sprintf(format, args...))
}

// told is how much of the past is told.
const told = 25

func (h *history) Errorf(format string, args ...any) {
	h.Helper()
	h.TB.Errorf("%s", h.tell(format, args...))
}

func (h *history) Fatalf(format string, args ...any) {
	h.Helper()
	h.TB.Fatalf("%s", h.tell(format, args...))
}

func (h *history) tell(format string, args ...any) string {
	more := ""
	from := max(len(h.done)-told, 0)
	if from > 0 {
		more = fmt.Sprintf(", after %d other things", from)
	}
	return fmt.Sprintf("%s\n%s does the same again. What was done%s:\n  %s",
		fmt.Sprintf(format, args...), h.again, more, strings.Join(h.done[from:], "\n  "))
}
