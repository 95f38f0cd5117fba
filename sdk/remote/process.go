package remote

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// process is the operating-system process of a plugin and everything it starts.
type process struct {
	id    int
	gone  chan struct{}    // closed when the process is reaped and what it has started is killed
	state *os.ProcessState // set before gone is closed

	confined *confinement

	mu     sync.Mutex // held while a signal is sent or the process is reaped
	reaped bool       // the ID may belong to somebody else by now
}

// startProcess starts the command that command makes, confined. One goroutine
// lives as long as the process, and keeps its operating-system thread to itself:
// the thread is restricted, which the process inherits and nobody else must, and
// the kernel kills the child when the thread that started it ends, which must not
// happen before the host ends. The thread costs nothing extra, waiting for a
// process takes one anyway.
func startProcess(command func() *exec.Cmd, confined *confinement) (*process, error) {
	p := &process{gone: make(chan struct{}), confined: confined}
	started := make(chan error)
	go onOwnThread(func() {
		cmd, err := p.start(command)
		confined.close()
		started <- err
		if err != nil {
			confined.leave()
			return
		}
		p.reap(cmd)
		confined.leave()
		close(p.gone)
	})
	return p, <-started
}

// onOwnThread calls f on a thread that ends with it, and that is not the first of
// this process: what is done to that one, others see done to the whole process.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if !isFirstThread() {
		f() // never unlocked: a thread that is restricted ends with its goroutine
		return
	}
	left := make(chan struct{})
	go onOwnThread(func() { // elsewhere, as this goroutine holds the first one
		close(left)
		f()
	})
	<-left
	runtime.UnlockOSThread()
}

// start restricts the thread and starts the process on it.
func (p *process) start(command func() *exec.Cmd) (*exec.Cmd, error) {
	if err := p.confined.enter(); err != nil {
		return nil, err
	}
	cmd, err := startWhenWritten(func() *exec.Cmd {
		cmd := command()
		p.confined.attributes(cmd)
		return cmd
	}, p.confined)
	if err != nil {
		return nil, err
	}
	p.confined.settle(cmd)
	p.id = cmd.Process.Pid
	return cmd, nil
}

// startWhenWritten starts a command, and waits a little where the program's file
// is still open for writing: a copy that has just ended, or a child of this host
// that was forked during the copy and has not yet closed what it inherited.
func startWhenWritten(command func() *exec.Cmd, confined *confinement) (*exec.Cmd, error) {
	const tries, pause = 20, 10 * time.Millisecond
	for try := 1; ; try++ {
		cmd := command()
		err := cmd.Start()
		if confined.yields(err) {
			continue
		}
		if try == tries || !isBusy(err) {
			return cmd, err
		}
		time.Sleep(pause)
	}
}

// reap waits for the process to end and kills what it has left behind.
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
	p.confined.kill(p.id)
	killGroup(p.id) // before it is reaped, while the ID cannot be anybody else's
	_ = cmd.Wait()
	p.reaped = true
	p.state = cmd.ProcessState
	p.confined.killStrays()
}

// kill kills the process and all that it has started. It is false once the
// process is gone.
func (p *process) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return false
	}
	p.confined.kill(p.id)
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
