package remote

import (
	"fmt"
	"strings"
)

// reported completes what a plugin reports: without secrets, and with a hint
// where its sandbox may be what has kept it from something.
func (p *Plugin) reported(f *Failure) *Failure {
	f = p.hides.failure(f)
	f.Message += p.hint(f.Message)
	return f
}

// hint is what to do about a refusal that may be the sandbox's, "" where the text
// is about something else or there is no sandbox.
func (p *Plugin) hint(text string) string {
	box := p.Confined()
	if !box.Sandboxed || !strings.Contains(text, "permission denied") && !strings.Contains(text, "operation not permitted") {
		return ""
	}
	if !box.Network && (strings.Contains(text, "socket:") || strings.Contains(text, "connect:") || strings.Contains(text, "bind:") || strings.Contains(text, "dial ")) {
		return fmt.Sprintf(" (plugins reach no network unless their block says so: plugin %q { network = true })", p.name)
	}
	return fmt.Sprintf(" (its sandbox may be what denies it: penstock plugin describe %s tells what it reaches, and sandbox { read = [...] write = [...] } in its plugin block adds to that)", p.name)
}
