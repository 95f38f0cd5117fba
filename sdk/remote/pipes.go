package remote

import (
	"errors"
	"os"
)

// pipe has one end in the host and one in the plugin. Both are closed in every
// other program that either of them starts.
type pipe struct{ ours, theirs *os.File }

// pipes connect a host with the process of a plugin.
type pipes struct {
	stdout, stderr pipe
	alive          pipe // the plugin reads end of file when the host is gone
}

func (p *pipes) open() (err error) {
	var errs [3]error
	p.stdout.ours, p.stdout.theirs, errs[0] = os.Pipe()
	p.stderr.ours, p.stderr.theirs, errs[1] = os.Pipe()
	p.alive.theirs, p.alive.ours, errs[2] = os.Pipe()
	return errors.Join(errs[:]...)
}

// closeOurs and closeTheirs may follow an open that went wrong; closing what is
// not there is no harm.
func (p *pipes) closeOurs() {
	_ = p.stdout.ours.Close()
	_ = p.stderr.ours.Close()
	_ = p.alive.ours.Close()
}

func (p *pipes) closeTheirs() {
	_ = p.stdout.theirs.Close()
	_ = p.stderr.theirs.Close()
	_ = p.alive.theirs.Close()
}
