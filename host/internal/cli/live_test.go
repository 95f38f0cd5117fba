//go:build linux

package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program in it.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu  sync.Mutex
	out bytes.Buffer
	end sync.WaitGroup
}

// openTerminal starts a program in a terminal of its own, of 100 by 30
// characters, where there are such terminals.
func openTerminal(t *testing.T, dir, program string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("open a terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("open a terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("open a terminal: %v", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("open a terminal: %v", err)
	}
	defer slave.Close()
	x := &terminal{t: t, master: master, cmd: exec.CommandContext(t.Context(), program, args...)}
	x.cmd.Dir = dir
	x.cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x.end.Go(func() { _, _ = io.Copy(x, master) }) // ends with the last who has the terminal open
	return x
}

func (x *terminal) Write(text []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.Write(text)
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

// await waits until the program has written a text.
func (x *terminal) await(text string) {
	x.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(x.text(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			out := x.text()
			x.t.Fatalf("%q does not appear; the terminal got at last %q", text, out[max(len(out)-2000, 0):])
		}
	}
}

// typed types a key.
func (x *terminal) typed(key string) {
	x.t.Helper()
	if _, err := x.master.WriteString(key); err != nil {
		x.t.Fatal(err)
	}
}

// wait returns the exit code and all that was written.
func (x *terminal) wait() (int, string) {
	x.t.Helper()
	_ = x.cmd.Wait() // the code says it
	x.end.Wait()
	return x.cmd.ProcessState.ExitCode(), x.text()
}

const endless = `
network "main" {
  chain_id = 7
  endpoint "only" {
    url = "http://127.0.0.1:1"
  }
}
pipeline "numbers" {
  reader "toy.numbers" "numbers" {}
  loader "toy.print" "print" {
    input = numbers
  }
}
`

func TestLiveViewInATerminal(t *testing.T) {
	bin, dir := install(t), t.TempDir()
	build(t, filepath.Join(bin, "plugins", "toy"), "./testdata/toy")
	if err := os.WriteFile(filepath.Join(dir, "pipelines.hcl"), []byte(endless), 0o600); err != nil {
		t.Fatal(err)
	}
	x := openTerminal(t, dir, filepath.Join(bin, "penstock"), "run")
	x.await("STEP     KIND    REGISTER     STATE")
	x.await("number 100 of block 50\r\n")
	x.typed("\x03")
	code, out := x.wait()
	if code != 0 {
		t.Errorf("exit code %d after Ctrl-C, want 0", code)
	}
	if want := "numbers\x1b[0m  \x1b[2minactive"; !strings.Contains(out, want) {
		t.Errorf("the last picture does not say that the path is at rest: %q does not appear", want)
	}
	for _, pair := range [][2]string{{"\x1b[?25l", "\x1b[?25h"}, {"\x1b[?7l", "\x1b[?7h"}, {"\x1b[?2026h", "\x1b[?2026l"}} {
		if strings.LastIndex(out, pair[0]) > strings.LastIndex(out, pair[1]) {
			t.Errorf("%q was not undone by %q", pair[0], pair[1])
		}
	}
	if strings.Contains(out, "starting: pipelines") && strings.Index(out, "starting: pipelines") > strings.Index(out, "STEP") {
		t.Error("the log is written across the picture")
	}
}

// Stopping asks a person first, and the watched state is drawn in place until
// Ctrl-C, which ends only the watching.
func TestSteeringFromATerminal(t *testing.T) {
	bin, dir := install(t), t.TempDir()
	build(t, filepath.Join(bin, "plugins", "toy"), "./testdata/toy")
	if err := os.WriteFile(filepath.Join(dir, "pipelines.hcl"), []byte(endless), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(bin, "penstock")
	host := openTerminal(t, dir, program, "run")
	host.await("number 100 of block 50\r\n")

	watch := openTerminal(t, dir, program, "status", "--watch")
	watch.await("STEP     KIND    REGISTER     STATE")
	watch.typed("\x03")
	if code, out := watch.wait(); code != 0 || strings.Contains(out, "penstock:") {
		t.Errorf("status --watch: exit code %d after Ctrl-C, want 0; it wrote %q", code, out)
	}

	refused := openTerminal(t, dir, program, "stop", "numbers")
	refused.await("Stop numbers? It forgets its checkpoints and begins anew when it runs again; penstock pause numbers goes on later. [y/N] ")
	refused.typed("n\n")
	if code, out := refused.wait(); code != 1 || !strings.Contains(out, "penstock: nothing was stopped") {
		t.Errorf("stop: exit code %d after no, want 1; it wrote %q", code, out)
	}

	last := openTerminal(t, dir, program, "status", "--watch")
	last.await("STEP     KIND    REGISTER     STATE")
	agreed := openTerminal(t, dir, program, "stop", "numbers")
	agreed.await("[y/N] ")
	agreed.typed("y\n")
	if code, out := agreed.wait(); code != 0 || !strings.Contains(out, "numbers is stopped and its checkpoints are forgotten") {
		t.Errorf("stop: exit code %d after yes, want 0; it wrote %q", code, out)
	}
	if code, _ := host.wait(); code != 0 {
		t.Errorf("the host ended with exit code %d, want 0: its only pipeline was stopped", code)
	}
	if code, out := last.wait(); code != 1 || !strings.Contains(out, "has gone while it was asked") {
		t.Errorf("status --watch: exit code %d after the host, want 1; it wrote %q", code, out[max(len(out)-500, 0):])
	}
}
