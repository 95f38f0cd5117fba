package remote

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// process is the operating-system process of a plugin and the group of
// everything it starts.
type process struct {
	id    int
	gone  chan struct{}    // closed when the process is reaped and its group killed
	state *os.ProcessState // set before gone is closed

	mu     sync.Mutex // held while a signal is sent or the process is reaped
	reaped bool       // the ID may belong to somebody else by now
}

// startProcess starts the command that command makes. One goroutine lives as
// long as the process, and keeps its operating-system thread to itself: the
// kernel kills the child when the thread that started it ends, which must not
// happen before the host ends. The thread costs nothing extra, waiting for a
// process takes one anyway.
func startProcess(command func() *exec.Cmd) (*process, error) {
	p := &process{gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd, err := startWhenWritten(command)
		if err == nil {
			p.id = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.reap(cmd)
		close(p.gone)
	}()
	return p, <-started
}

// startWhenWritten starts a command, and waits a little where the program's file
// is still open for writing: a copy that has just ended, or a child of this host
// that was forked during the copy and has not yet closed what it inherited.
func startWhenWritten(command func() *exec.Cmd) (*exec.Cmd, error) {
	const tries, pause = 20, 10 * time.Millisecond
	for try := 1; ; try++ {
		cmd := command()
		err := cmd.Start()
		if try == tries || !isBusy(err) {
			return cmd, err
		}
		time.Sleep(pause)
	}
}

// reap waits for the process to end and kills what is left of its group.
func (p *process) reap(cmd *exec.Cmd) {
	if !awaitExit(p.id) {
		_ = cmd.Wait() // the state tells more than the error
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reaped = true
		killGroup(p.id) // the ID may have been taken in this instant, which is as unlikely as it is unavoidable
		p.state = cmd.ProcessState
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(p.id) // before it is reaped, while the ID cannot be anybody else's
	_ = cmd.Wait()
	p.reaped = true
	p.state = cmd.ProcessState
}

// kill kills the whole group. It is false once the process is gone.
func (p *process) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return false
	}
	killGroup(p.id)
	return true
}

// goneSoon waits for the process to end, but not for long.
func (p *process) goneSoon() {
	timer := time.NewTimer(exitPatience)
	defer timer.Stop()
	select {
	case <-p.gone:
	case <-timer.C:
	}
}
