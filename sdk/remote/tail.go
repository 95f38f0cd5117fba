package remote

import (
	"regexp"
	"strings"

	"github.com/hashicorp/go-hclog"
)

const (
	// tailLines and tailWidth bound what is remembered of a plugin's log.
	tailLines = 20
	tailWidth = 1 << 10
	// maxReport bounds a crash report. The goroutine that crashed comes first.
	maxReport = 64 << 10
)

// tail remembers the end of a plugin's standard error: the last lines, and all
// of a crash report. add is called by one goroutine, words when it has ended.
type tail struct {
	hides  *Redactor
	lines  []string // a ring: the oldest at next
	next   int
	report strings.Builder
	inside bool // a crash report has begun
}

// add takes a line and tells whether it is part of a crash report.
func (t *tail) add(line []byte) (crashing bool) {
	text := string(line[:min(len(line), tailWidth)])
	if strings.TrimSpace(text) != "" {
		t.keep(text)
	}
	if strings.HasPrefix(text, "{") {
		return false // other goroutines still log
	}
	if beginsReport(text) && (!t.inside || !strings.HasPrefix(text, "SIG")) { // a panic may end in SIGABRT
		t.inside = true
		t.report.Reset()
	}
	if t.inside && t.report.Len()+len(text) < maxReport {
		t.report.WriteString(text)
		t.report.WriteByte('\n')
	}
	return t.inside
}

func (t *tail) keep(text string) {
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, text)
		return
	}
	t.lines[t.next] = text
	t.next = (t.next + 1) % tailLines
}

// signalReport is how a report begins when a signal came from outside of Go.
var signalReport = regexp.MustCompile(`^SIG[A-Z]+: `)

// beginsReport tells the first line of what Go's runtime prints when a program
// crashes.
func beginsReport(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") ||
		strings.HasPrefix(line, "unexpected fault address ") || signalReport.MatchString(line)
}

// words returns what is remembered: the crash report in two parts, if there is
// one, the last lines, records in short, and the newest line that may tell what
// went wrong, which records below warnings do not.
func (t *tail) words() (panicked, stack string, lines []string, telling string) {
	message, trace, _ := strings.Cut(clean(t.report.String()), "\n\n")
	for i := range t.lines {
		text := t.lines[(t.next+i)%len(t.lines)]
		r, ok := parseRecord(text)
		if ok {
			text = t.hides.Text(r.message)
		}
		text = clean(text)
		lines = append(lines, text)
		if !ok || r.level >= hclog.Warn {
			telling = text
		}
	}
	return strings.TrimSpace(message), strings.TrimSpace(trace), lines, telling
}
