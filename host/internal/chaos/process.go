package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// process is a program that was started here. It does not outlive this one.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone; err is set before
	err  error
}

// lastOutput is how long the output of a process is read after its end.
const lastOutput = 2 * time.Second

// start starts a program.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = lastOutput
	started := make(chan error)
	go func() {
		// The kernel ends the process when the thread ends that has started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// signal sends a signal; a process that is gone does not mind.
func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// end asks the process to end, and kills it if it does not in time, which is
// reported.
func (p *process) end(how os.Signal, patience time.Duration) (inTime bool) {
	p.signal(how)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		p.signal(os.Kill)
		<-p.done
		return false
	}
}

// gone tells whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// child is a process that another one has started.
type child struct {
	pid  int
	name string // of its program
}
