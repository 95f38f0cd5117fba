package remote

import (
	"fmt"
	"strings"
	"syscall"
)

// Exit tells how a plugin's process ended. It is the error of everything that
// was under way with the plugin.
type Exit struct {
	Plugin string
	PID    int
	// Code is the exit code, -1 where a signal ended the process.
	Code int
	// Signal is what ended the process, 0 where it exited.
	Signal syscall.Signal
	// Requested: the host had asked the process to end.
	Requested bool
	// Attached: a person ran the process, and how it ended is not known.
	Attached bool
	// Overrun says which limit the process was killed for, "" if for none, such as
	// "it used 530 MiB, more than its limit of 512 MiB (limits.memory)".
	Overrun string
	// OutOfMemory: it seems that there was no memory left.
	OutOfMemory bool
	// Panic is what Go's runtime reported, such as "panic: boom", and Stack
	// what followed.
	Panic, Stack string
	// Stderr are the last lines of the log, the newest last.
	Stderr []string

	telling      string // the line of Stderr that may tell what went wrong
	killedByHost bool
}

// maxWords bounds what an error shows of the log.
const maxWords = 300

func (e *Exit) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s (process %d) ", e.Plugin, e.PID)
	switch {
	case e.Requested && e.Attached:
		b.WriteString("was let go by the host")
		return b.String()
	case e.Attached:
		b.WriteString("was run by hand and has ended, or has hung up")
		return b.String()
	case e.Requested:
		b.WriteString("was stopped by the host")
		return b.String()
	case e.Overrun != "":
		fmt.Fprintf(&b, "was killed because %s: raise the limit in its plugin block, or have it do with less", e.Overrun)
		return b.String()
	case e.Panic != "":
		fmt.Fprintf(&b, "crashed: %s", e.Panic)
	case e.Signal != 0:
		fmt.Fprintf(&b, "was killed by signal %d (%s)", int(e.Signal), e.Signal)
	default:
		fmt.Fprintf(&b, "exited with code %d", e.Code)
	}
	if e.OutOfMemory {
		b.WriteString(": it seems that there was no memory left: give it more, or have it hold less at a time")
	}
	if e.Panic == "" && e.telling != "" {
		fmt.Fprintf(&b, "; its last words: %q", shorten(e.telling, maxWords))
	}
	return b.String()
}

// goCrashed is the exit code of a Go program that panics.
const goCrashed = 2

// postMortem says how the process ended. The process is gone and its output
// read.
func (c *child) postMortem(oomKilled bool) *Exit {
	state := c.process.state
	panicked, stack, lines, telling := c.last.words()
	e := &Exit{
		Plugin:    c.config.Name,
		PID:       c.process.id,
		Code:      state.ExitCode(),
		Requested: c.stopping.Load() || c.killed(),
		Stderr:    lines,
		telling:   telling,
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	if e.Signal == syscall.SIGKILL {
		e.Overrun = c.overrun()
	}
	e.killedByHost = e.Signal == syscall.SIGKILL && c.killed()
	if e.Code == goCrashed || (e.Signal != 0 && e.Signal != syscall.SIGKILL) { // otherwise the report is not of this end
		e.Panic, e.Stack = panicked, stack
	}
	e.OutOfMemory = strings.Contains(e.Panic, "out of memory") || strings.Contains(e.Panic, "cannot allocate memory") ||
		(oomKilled && e.Signal == syscall.SIGKILL && !e.killedByHost)
	return e
}

// end is the exit in short, as part of a longer sentence.
func (e *Exit) end() string {
	if e.Signal != 0 {
		return fmt.Sprintf("was ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exited with code %d", e.Code)
}
