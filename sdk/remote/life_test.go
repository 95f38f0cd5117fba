package remote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

func open(t *testing.T, p *remote.Plugin, register string) *remote.Stream {
	t.Helper()
	s, err := p.Open(t.Context(), remote.Open{Register: register, Step: "step"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Cancel)
	return s
}

// exitOf receives until the plugin's end, and returns what is told about it.
func exitOf(t *testing.T, s *remote.Stream) *remote.Exit {
	t.Helper()
	_, err := s.Recv()
	var exit *remote.Exit
	if !errors.As(err, &exit) {
		t.Fatalf("Recv: got %v, want how the plugin ended", err)
	}
	t.Log(err)
	return exit
}

func TestStopIsOrderly(t *testing.T) {
	p := start(t, config(t, "good"))
	began := time.Now()
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("stopped after %s", time.Since(began))
	exit := p.Exit()
	if exit == nil || exit.Code != 0 || !exit.Requested {
		t.Errorf("Exit: got %+v, want code 0 as requested", exit)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("Stop again: %v", err)
	}
	if _, err := p.Describe(t.Context()); !errors.Is(err, exit) {
		t.Errorf("Describe: got %v, want %v", err, exit)
	}
	if _, err := p.Open(t.Context(), remote.Open{Register: "echo", Step: "step"}); !errors.Is(err, exit) {
		t.Errorf("Open: got %v, want %v", err, exit)
	}
}

// A stream that is open does not hold Stop up.
func TestStopWithAnOpenStream(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "deaf")
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if exit := exitOf(t, s); !exit.Requested {
		t.Errorf("got %+v, want a requested exit", exit)
	}
	if err := s.Send(batch(10)); !errors.As(err, new(*remote.Exit)) {
		t.Errorf("Send: got %v, want how the plugin ended", err)
	}
}

// A plugin that ignores everything is killed with all it has started.
func TestStopKillsTheGroup(t *testing.T) {
	c := config(t, "ignores shutdown")
	p := start(t, c)
	grandchild := sleepIn(t, c.RunDir)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := p.Stop(ctx)
	if !errors.Is(err, remote.ErrKilled) {
		t.Errorf("Stop: got %v, want %v", err, remote.ErrKilled)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("Stop took %s, with a deadline of 200ms", took)
	}
	for _, pid := range []int{p.PID(), grandchild} {
		eventually(t, "still running: "+strconv.Itoa(pid), func() bool { return !alive(pid) })
	}
}

func sleepIn(t *testing.T, runDir string) int {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(runDir, "*", "sleep.pid"))
	if len(paths) != 1 {
		t.Fatalf("the plugin has started nothing: %v", paths)
	}
	raw, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("what the plugin has started does not run")
	}
	return pid
}

// Without a deadline a plugin that ignores everything is killed too.
func TestStopWithoutADeadline(t *testing.T) {
	p := start(t, config(t, "ignores shutdown"))
	if err := p.Stop(t.Context()); !errors.Is(err, remote.ErrKilled) {
		t.Errorf("Stop: got %v, want %v", err, remote.ErrKilled)
	}
}

// A stopped process answers nothing, not even the request to end.
func TestStopOfAFrozenPlugin(t *testing.T) {
	p := start(t, config(t, "good"))
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the plugin is not frozen", func() bool { return state(p.PID()) == "T" })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Describe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Describe: got %v, want %v", err, context.DeadlineExceeded)
	}
	if err := p.Stop(ctx); !errors.Is(err, remote.ErrKilled) {
		t.Errorf("Stop: got %v, want %v", err, remote.ErrKilled)
	}
}

func TestKill(t *testing.T) {
	p := start(t, config(t, "ignores shutdown"))
	s := open(t, p, "echo")
	p.Kill()
	if alive(p.PID()) {
		t.Error("it is still alive")
	}
	if exit := exitOf(t, s); exit.Signal != syscall.SIGKILL || !exit.Requested {
		t.Errorf("got %+v, want killed as requested", exit)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("Stop after Kill: %v", err)
	}
}

// A panic where nobody recovers ends the process. Whoever waits for a frame is
// told what it was.
func TestPanicInAProcess(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "panic")
	if err := s.Send(batch(1)); err != nil {
		t.Fatal(err)
	}
	exit := exitOf(t, s)
	if exit.Panic != "panic: boom in another goroutine" || exit.Code != 2 || exit.Requested {
		t.Errorf("got %+v", exit)
	}
	if !strings.Contains(exit.Stack, "goroutine") || !strings.Contains(exit.Stack, "service_test.go") {
		t.Errorf("the stack is %q", exit.Stack)
	}
	select {
	case <-p.Done():
	default:
		t.Error("Done is not closed")
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("Stop after a crash: %v", err)
	}
}

func TestExitOfAProcess(t *testing.T) {
	s := open(t, start(t, config(t, "good")), "exit")
	if err := s.Send(batch(1)); err != nil {
		t.Fatal(err)
	}
	exit := exitOf(t, s)
	if exit.Code != 7 || exit.Signal != 0 || !strings.Contains(exit.Error(), "the disk is on fire") {
		t.Errorf("got %+v", exit)
	}
}

func TestPluginIsKilledByOthers(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "echo")
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	exit := exitOf(t, s)
	if exit.Signal != syscall.SIGKILL || exit.Code != -1 || exit.Requested || exit.OutOfMemory {
		t.Errorf("got %+v, want killed and not requested", exit)
	}
	if !strings.Contains(exit.Error(), "killed by signal 9") {
		t.Errorf("it says %q", exit)
	}
}

// What a plugin has started does not outlive it.
func TestCrashTakesTheGroup(t *testing.T) {
	c := config(t, "parent")
	p := start(t, c)
	grandchild := sleepIn(t, c.RunDir)
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	eventually(t, "the plugin's child runs on", func() bool { return !alive(grandchild) })
}

// Whoever blocks in Send is freed by the end of the plugin, too.
func TestSendToADyingPlugin(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "deaf")
	sent := make(chan error)
	go func() {
		big := batch(4 << 20)
		for {
			if err := s.Send(big); err != nil {
				sent <- err
				return
			}
		}
	}()
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := <-sent
	if !errors.Is(err, remote.ErrEnded) && !errors.As(err, new(*remote.Exit)) {
		t.Errorf("Send: got %v, want %v or how the plugin ended", err, remote.ErrEnded)
	}
	_ = exitOf(t, s)
}

// A process outside of the group that holds the output open cannot hide that
// the plugin has ended.
func TestExitIsSeenWhileTheOutputIsOpen(t *testing.T) {
	began := time.Now()
	_, err := remote.Start(t.Context(), config(t, "leaves the output"))
	if !errors.Is(err, remote.ErrExited) && !errors.Is(err, remote.ErrNotPlugin) {
		t.Errorf("Start: got %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
}

// Two hundred lives leave no descriptor, no socket and no zombie behind;
// goroutines are watched over by TestMain.
func TestNothingIsLeft(t *testing.T) {
	cycles := 200
	if testing.Short() {
		cycles = 20
	}
	c := config(t, "good")
	var before int
	var starting, stopping time.Duration
	for i := range cycles {
		began := time.Now()
		p, err := remote.Start(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Describe(t.Context()); err != nil {
			t.Error(err)
		}
		starting += time.Since(began)
		began = time.Now()
		if i%4 == 3 {
			p.Kill()
		} else if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		} else {
			stopping += time.Since(began)
		}
		if i == 5 {
			before = len(descriptors())
		}
	}
	t.Logf("start to first answer %s, stop %s", starting/time.Duration(cycles), stopping/time.Duration(cycles*3/4))
	if after := len(descriptors()); after > before {
		t.Errorf("%d descriptors are open, before it were %d", after, before)
	}
	for _, pid := range children(t) {
		if path, _ := os.Readlink("/proc/" + pid + "/exe"); path == c.Path || path == "" {
			t.Errorf("process %s is left", pid)
		}
	}
}

// children are the processes whose parent is this one, zombies too.
func children(t *testing.T) (pids []string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		stat, _ := os.ReadFile(path) // it may have ended by now
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}
