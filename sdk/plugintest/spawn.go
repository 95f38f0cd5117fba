package plugintest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/penstock-io/penstock/sdk"
)

// socketEnv tells a process that Spawn has started where to serve.
const socketEnv = "PENSTOCK_PLUGINTEST_SOCKET"

// ready is what such a process says when it can be connected to.
const ready = "plugintest: serving"

// Spawned is a plugin in a process of its own.
type Spawned struct {
	*Plugin
	t    TB
	cmd  *exec.Cmd
	hold io.Closer // the process ends when it is closed
	end  func() error
}

// Spawn starts the program of the test once more, as a process that serves the
// registers that its TestMain gives to ServeSpawned. It ends with the test at
// the latest, also where that is killed. What it writes goes to the output
// of the test.
func Spawn(t TB) *Spawned {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("plugintest: find the program of this test: %v", err)
	}
	path := socketPath(t)
	cmd := exec.Command(self, "-test.run=^$") // without ServeSpawned it runs no test, and ends
	cmd.Env = append(os.Environ(), socketEnv+"="+path)
	cmd.Stderr = t.Output()
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("plugintest: start the plugin: %v", err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("plugintest: start the plugin: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("plugintest: start the plugin: %v", err)
	}
	var said sync.WaitGroup
	s := &Spawned{t: t, cmd: cmd, hold: hold, end: sync.OnceValue(func() error {
		said.Wait()
		return cmd.Wait()
	})}
	t.Cleanup(s.kill)
	out := bufio.NewReader(pipe)
	line, err := out.ReadString('\n')
	said.Go(func() { _, _ = io.Copy(t.Output(), out) })
	if line != ready+"\n" {
		s.kill()
		t.Fatalf("plugintest: the plugin does not serve (%q, %v): TestMain has to begin with plugintest.ServeSpawned", line, err)
	}
	s.Plugin = &Plugin{client: dial(t, path)}
	return s
}

// Kill ends the process at once and without a word, as a kernel without memory
// does, and waits until it is gone. What was opened in it is over then.
func (s *Spawned) Kill() { s.kill() }

func (s *Spawned) kill() {
	_ = s.cmd.Process.Kill() // or it has ended already
	_ = s.end()
	_ = s.hold.Close()
}

// Close lets the process end by itself, and fails the test if it does not end
// well. What was opened in it is closed then.
func (s *Spawned) Close() {
	s.t.Helper()
	if err := errors.Join(s.hold.Close(), s.end()); err != nil {
		s.t.Errorf("plugintest: end the process of the plugin: %v", err)
	}
}

// ServeSpawned serves registers in a process that Spawn has started, and does
// not return then. In every other process it does nothing. TestMain calls it
// before all else:
//
//	func TestMain(m *testing.M) {
//		plugintest.ServeSpawned(register())
//		os.Exit(m.Run())
//	}
func ServeSpawned(registers ...sdk.Register) {
	path := os.Getenv(socketEnv)
	if path == "" {
		return
	}
	if err := serveUntilEnd(path, registers); err != nil {
		fmt.Fprintln(os.Stderr, "plugintest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveUntilEnd serves until standard input ends, which it does with whoever
// has started this process.
func serveUntilEnd(path string, registers []sdk.Register) error {
	running, err := serve(path, registers, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println(ready)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, running.stop())
}
