package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// Why a plugin did not start. A *StartError wraps one of them.
var (
	ErrMissing       = errors.New("the file is missing")
	ErrNotExecutable = errors.New("the file cannot be executed")
	ErrNotProgram    = errors.New("the file is no program for this machine")
	ErrNotPlugin     = errors.New("the program is not a Penstock plugin")
	ErrProtocol      = errors.New("the plugin speaks another protocol")
	ErrSlow          = errors.New("the plugin did not answer in time")
	ErrExited        = errors.New("the plugin ended before it could serve")
	ErrSocket        = errors.New("the plugin's socket is not where it belongs")
	ErrPeer          = errors.New("somebody else answers at the plugin's socket")
)

// StartError says why a plugin did not start and what to do about it.
type StartError struct {
	Plugin, Path string
	// Reason is one of the errors above.
	Reason error
	// Exit is how the process ended where it did so by itself.
	Exit *Exit

	text     string
	attached bool // it was not to be started
}

func (e *StartError) Error() string {
	if e.attached {
		return fmt.Sprintf("attach plugin %s: %s", e.Plugin, e.text)
	}
	return fmt.Sprintf("start plugin %s: %s", e.Plugin, e.text)
}

// Unwrap returns the reason, and the exit if there was one.
func (e *StartError) Unwrap() []error {
	if e.Exit == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Exit}
}

func (c Config) startError(reason error, format string, args ...any) *StartError {
	return &StartError{Plugin: c.Name, Path: c.Path, Reason: reason, text: fmt.Sprintf(format, args...)}
}

// explain says why connect failed with err. It is called before anything is
// killed but for what ctx has killed.
func (s *started) explain(ctx context.Context, err error) error {
	if failed := s.child.notStarted(); failed != nil {
		return s.config.explainLaunch(failed)
	}
	printed, wrong := s.child.greeting.judgement()
	if wrong != nil && !errors.Is(wrong, ErrNotPlugin) {
		return s.config.startError(reasonOf(wrong), "%s: %s", s.config.Path, afterReason(wrong))
	}
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, ErrSlow) && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("start plugin %s: %w", s.config.Name, cause)
	}
	if refused := s.conns.lastRefusal(); errors.Is(refused, ErrPeer) {
		return s.config.startError(ErrPeer, "%s: %v: it must be the program itself that serves, not one that it starts", s.config.Path, refused)
	}
	if cause != nil {
		return s.config.startError(ErrSlow, "%s did not answer within its start_timeout of %s%s: raise start_timeout, or see what it does before it serves",
			s.config.Path, s.config.StartTimeout, sayPrinted(printed, " and printed %s instead of a handshake"))
	}
	return s.explainSilence(wrong, printed, err)
}

// explainSilence is explain where there was no handshake, or no server
// behind it.
func (s *started) explainSilence(wrong error, printed []string, err error) error {
	c, greeted := s.config, s.child.greeting.socket() != ""
	var exit *Exit
	how := ""
	if wrong == nil {
		if exit = s.exitSoon(); exit != nil {
			how = " and " + exit.end()
		}
	}
	var said *StartError
	switch {
	case greeted && exit == nil:
		said = c.startError(ErrSlow, "%s listens but does not answer: %v", c.Path, err)
	case len(printed) > 0 && !greeted:
		said = c.startError(ErrNotPlugin, "%s is not a Penstock plugin: it printed %s instead of a handshake%s: correct its path, or run it by hand to see what it is",
			c.Path, quote(printed), how)
	case exit != nil:
		said = c.startError(ErrExited, "%s ended before it could serve: %v: run it by hand to see more, and make sure that it is a Penstock plugin", c.Path, exit)
	default:
		said = c.startError(ErrNotPlugin, "%s is not a Penstock plugin: it closed its output without a handshake: correct its path", c.Path)
	}
	said.Exit = exit
	return said
}

// exitPatience is how long a program whose output has ended may take to exit.
const exitPatience = time.Second

// exitSoon is how the process ended by itself, nil if it did not.
func (s *started) exitSoon() *Exit {
	timer := time.NewTimer(exitPatience)
	defer timer.Stop()
	select {
	case <-s.child.done:
		if !s.child.exit.Requested {
			return s.child.exit
		}
	case <-timer.C:
	}
	return nil
}

// explainLaunch says why the operating system would not start the program.
func (c Config) explainLaunch(err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return c.notProgram(c.describeProgram())
	case errors.Is(err, fs.ErrNotExist):
		return c.startError(ErrNotProgram, "%s cannot run: the interpreter or loader that it names is not on this machine", c.Path)
	case errors.Is(err, fs.ErrPermission):
		return c.startError(ErrNotExecutable, "%s may not be executed by this user: look at its permissions, and whether its file system is mounted noexec", c.Path)
	case isBusy(err):
		return c.startError(ErrNotExecutable, "%s is still being written: start it when the copy has ended", c.Path)
	}
	return c.startError(ErrNotExecutable, "%s: %v", c.Path, err)
}

// reasonOf is the sentinel that err wraps.
func reasonOf(err error) error {
	for _, reason := range []error{ErrProtocol, ErrSocket, ErrPeer} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return ErrNotPlugin
}

// afterReason is the text of an error without the sentinel it begins with.
func afterReason(err error) string {
	return strings.TrimPrefix(err.Error(), reasonOf(err).Error()+": ")
}

func sayPrinted(lines []string, format string) string {
	if len(lines) == 0 {
		return ""
	}
	return fmt.Sprintf(format, quote(lines))
}

func quote(lines []string) string {
	quoted := make([]string, len(lines))
	for i, line := range lines {
		quoted[i] = fmt.Sprintf("%q", line)
	}
	return strings.Join(quoted, ", ")
}
