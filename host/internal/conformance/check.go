package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// check is one thing that a plugin has to do right.
type check struct {
	name  string
	about string
	do    func(ctx context.Context, b *bench) error
}

// subject is what is checked: a register, or the plugin as a whole.
type subject struct {
	suite    *suite
	register remote.Register
	known    *known // what the register does undisturbed; nil: it was not tried yet
	wasRead  *read  // the same of a reader
	knownErr error  // why that is not known
	settled  bool   // it is known how many inputs it takes
	single   bool   // it takes one of those that there are
}

// finding is something that a plugin does wrong.
type finding struct {
	saw, want, mend string
	harmless        bool // it is told, but is no failure
}

func (f *finding) Error() string { return f.saw }

// wrong says what was seen, what was wanted, and how to mend it.
func wrong(saw, want, mend string) error { return &finding{saw: saw, want: want, mend: mend} }

// doubtful is wrong for what a plugin can live with.
func doubtful(saw, want, mend string) error {
	return &finding{saw: saw, want: want, mend: mend, harmless: true}
}

// unchecked says why something cannot be checked.
type unchecked struct{ why string }

func (u *unchecked) Error() string { return u.why }

func skip(format string, args ...any) error { return &unchecked{fmt.Sprintf(format, args...)} }

// check runs one check, unless it was not chosen. When it returns, no process is
// left of it.
func (s *suite) check(ctx context.Context, c check, about *subject) {
	register := about.register.Name
	if ctx.Err() != nil || s.cfg.Run != nil && !s.cfg.Run.MatchString(c.name) && !s.cfg.Run.MatchString(register+"/"+c.name) {
		return
	}
	b := s.bench(about.register)
	b.subject = about
	within, cancel := context.WithTimeoutCause(ctx, s.cfg.Deadline, fmt.Errorf("it was not through after %s", s.cfg.Deadline))
	begun, asked := time.Now(), s.nodes.count()
	// A plugin that hangs is killed, which ends every wait for it.
	stop := context.AfterFunc(within, b.kill)
	b.settle(within)
	err := c.do(within, b)
	stop()
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = late(err, context.Cause(within))
	}
	cancel()
	if err != nil {
		err = s.nodes.excuse(err, asked)
	}
	took := time.Since(begun)
	if left := b.end(); left != nil && err == nil {
		err = left
	}
	if ctx.Err() != nil {
		return // it was broken off, which is nobody's fault
	}
	s.tell(c, register, took, err, b.notes)
}

// late says that a check was not through in time, and what it was doing.
func late(err, cause error) error {
	if f := (*finding)(nil); errors.As(err, &f) {
		return err
	}
	return wrong(fmt.Sprintf("%v: %v", cause, err), "an answer in time", mendSilence)
}

func (s *suite) tell(c check, register string, took time.Duration, err error, notes []string) {
	r := Result{Register: register, Check: c.name, About: c.about, Outcome: Pass, Took: took, Note: strings.Join(notes, "; ")}
	f, u := (*finding)(nil), (*unchecked)(nil)
	switch {
	case err == nil:
	case errors.As(err, &u):
		r.Outcome, r.Reason = Skip, u.why
	case errors.As(err, &f):
		r.Outcome, r.Saw, r.Want, r.Mend = Fail, f.saw, f.want, f.mend
		if f.harmless {
			r.Outcome = Warn
		}
	default:
		r.Outcome, r.Saw, r.Want, r.Mend = Fail, err.Error(), c.about, mendError(err)
	}
	s.report.Results = append(s.report.Results, r)
	s.cfg.Tell(r)
}

// mendSilence is what to do about a plugin that does not answer.
const mendSilence = "look where it waits: give it a long --timeout and send its process SIGQUIT, which prints what each goroutine does; --log-level debug shows it"

// mendError is what to do about an error that nobody has expected.
func mendError(err error) string {
	failure, exit := (*remote.Failure)(nil), (*remote.Exit)(nil)
	switch {
	case silent(err):
		return mendSilence
	case errors.As(err, &exit):
		return "the process must not end by itself, whatever it is told: return errors, they are told to the host"
	case errors.As(err, &failure) && failure.Stack != "":
		return "it panicked here:\n" + firstLines(failure.Stack, 12)
	case errors.As(err, &failure):
		return "the rows are made up from the types that it declares: accept them, or put those that make no sense aside with sdk.Poison; --set changes its settings, --seed the rows"
	default:
		return "run the check alone with --run, and look at the plugin's log with --log-level debug"
	}
}

func firstLines(text string, n int) string {
	lines := strings.SplitN(text, "\n", n+1)
	if len(lines) > n {
		lines = append(lines[:n], "...")
	}
	return strings.Join(lines, "\n")
}

// patience is how long a single answer may take that a plugin owes at once.
const patience = 10 * time.Second

// within bounds one wait.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("waited %s", d))
}

// silent tells that an answer did not come in time.
func silent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errSilent)
}

var errSilent = errors.New("it said nothing")
