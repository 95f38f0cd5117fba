package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// lastWords is how long the output of a dead process is still read. Only a
// process that has left the group can keep it open that long.
const lastWords = time.Second

// child is the process of a plugin with its output, its socket directory and
// the pipe it is told by that the host is gone. It is what go-plugin calls a
// runner, and shows go-plugin the handshake and nothing else of the output.
type child struct {
	config   Config
	dir      string // private; the socket is in it
	log      *log
	greeting *greeting
	last     *tail
	confined Confinement
	hides    *Redactor

	stopping atomic.Bool   // the host wants the plugin to end
	done     chan struct{} // closed when the process is gone and its output is read
	exit     *Exit         // set before done is closed

	mu       sync.Mutex
	process  *process // nil until it has started
	doomed   bool     // killed by the host, perhaps before it started
	startErr error    // why it could not be started
	exceeded string   // the limit that it was killed for, "" if for none
	tasks    sync.WaitGroup
}

func newChild(config Config, dir string) *child {
	hides := NewRedactor(config.Secrets)
	return &child{
		config:   config,
		dir:      dir,
		log:      newLog(config.Logger, hides),
		greeting: newGreeting(dir, hides),
		hides:    hides,
		last:     &tail{hides: hides},
		confined: config.Confinement(),
		done:     make(chan struct{}),
	}
}

// runner takes what go-plugin wants in the environment.
func (c *child) runner(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
	return &introduced{child: c, env: spec.Env}, nil
}

// start starts the process and everything that reads from it. env is what the
// handshake needs beside the configured environment.
func (c *child) start(env []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doomed {
		return errors.New("it was stopped before it started")
	}
	err := c.launch(env)
	if err != nil {
		c.startErr = err
	}
	return err
}

// launch is start with the lock held.
func (c *child) launch(env []string) (err error) {
	var files pipes
	defer func() {
		files.closeTheirs()
		if err != nil {
			files.closeOurs()
		}
	}()
	if err := files.open(); err != nil {
		return fmt.Errorf("make its pipes: %w", err)
	}
	confined, err := newConfinement(c.config, c.dir)
	if err != nil {
		return err
	}
	env = slices.Concat(confined.environment(), c.config.Env, env, []string{socketDirEnv + "=" + c.dir, wire.LivenessEnv + "=1"})
	oomKills := countOOMKills()
	c.process, err = startProcess(func() *exec.Cmd {
		return &exec.Cmd{
			Path: c.config.program(), Args: append([]string{c.config.Path}, c.config.Args...), Env: env,
			Stdout: files.stdout.theirs, Stderr: files.stderr.theirs, // Stdin is /dev/null
			ExtraFiles:  c.config.inherited(files.alive.theirs),
			SysProcAttr: processAttributes(),
		}
	}, confined)
	if err != nil {
		c.process = nil
		return err
	}
	running := c.process
	c.tasks.Go(c.log.run)
	c.tasks.Go(func() { c.watch(&files, oomKills) })
	c.tasks.Go(func() { c.guard(running) })
	return nil
}

// watch reads the output until the process has ended, and says how it did.
func (c *child) watch(files *pipes, oomKills uint64) {
	printed, logged := make(chan struct{}), make(chan struct{})
	c.tasks.Go(func() {
		defer close(printed)
		out := &greeter{greeting: c.greeting, before: c.discreet(c.log.source("stdout").text), after: c.stdout()}
		_, _ = io.Copy(out, files.stdout.ours) // ends with the process, whatever the error
		out.flush()
		c.process.goneSoon() // go-plugin kills what has not greeted, and the exit would not tell why
		c.greeting.end()
	})
	c.tasks.Go(func() {
		defer close(logged)
		out := &lines{each: c.heard(c.log.source("stderr"))}
		_, _ = io.Copy(out, files.stderr.ours)
		out.flush()
	})
	<-c.process.gone
	deadline := time.Now().Add(lastWords)
	_ = files.stdout.ours.SetReadDeadline(deadline)
	_ = files.stderr.ours.SetReadDeadline(deadline)
	<-logged
	select {
	case <-printed:
	case <-time.After(time.Until(deadline)): // nobody takes what it has printed
		c.greeting.end()
	}
	files.closeOurs()
	c.exit = c.postMortem(countOOMKills() > oomKills)
	c.log.close()
	close(c.done)
}

// heard keeps what may explain the process's death, and logs it.
func (c *child) heard(to *source) func(line []byte, dropped int) {
	return c.discreet(func(line []byte, dropped int) {
		crashing := c.last.add(line)
		to.stderr(line, dropped, crashing)
	})
}

// discreet hands lines on without the secrets in them.
func (c *child) discreet(to func(line []byte, dropped int)) func(line []byte, dropped int) {
	return func(line []byte, dropped int) { to(c.hides.bytes(line), dropped) }
}

// stdout takes what the plugin prints for people. It is used by one goroutine.
func (c *child) stdout() outlet {
	if c.config.Stdout != nil {
		return &forward{to: c.config.Stdout, hides: c.hides}
	}
	return &lines{each: c.discreet(c.log.source("stdout").text)}
}

// stderr takes what comes over the connection of what the plugin's go-plugin
// has redirected. It is used by one goroutine.
func (c *child) stderr() outlet {
	from := c.log.source("stderr")
	return &lines{each: c.discreet(func(line []byte, dropped int) { from.stderr(line, dropped, false) })}
}

// kill kills the process and its group, or keeps it from starting.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil || c.process.kill() {
		c.doomed = true
	}
}

// killed tells whether the host has killed the process.
func (c *child) killed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doomed
}

// notStarted is why the process could not be started, nil if it was.
func (c *child) notStarted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startErr
}

// wait returns when all goroutines have ended. It is false if that takes too
// long, because somebody does not take what the plugin has printed or logged.
func (c *child) wait() bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.tasks.Wait()
	}()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.id
}

// introduced is the child as go-plugin sees it.
type introduced struct {
	child *child
	env   []string
}

var _ runner.Runner = (*introduced)(nil)

func (i *introduced) Start(context.Context) error { return i.child.start(i.env) }

func (i *introduced) Wait(context.Context) error {
	<-i.child.done
	return nil
}

func (i *introduced) Kill(context.Context) error {
	i.child.kill()
	return nil
}

// ID is empty until the process has started, which tells go-plugin that there
// is nothing to kill.
func (i *introduced) ID() string {
	if pid := i.child.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

func (i *introduced) Name() string                    { return i.child.config.Name }
func (i *introduced) Diagnose(context.Context) string { return "" }

// Stdout is the handshake, then silence until the process has ended.
func (i *introduced) Stdout() io.ReadCloser { return i.child.greeting.forGoPlugin }

// Stderr is silence until the process has ended: go-plugin's own reader would
// let a plugin crash the host with a log line that is not shaped as expected.
func (i *introduced) Stderr() io.ReadCloser { return silence{i.child.done} }

func (i *introduced) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (i *introduced) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// silence says nothing until until is closed, then ends.
type silence struct{ until <-chan struct{} }

func (s silence) Read([]byte) (int, error) {
	<-s.until
	return 0, io.EOF
}

func (s silence) Close() error { return nil }

// socketDirEnv tells a plugin's go-plugin where its socket goes.
const socketDirEnv = "PLUGIN_UNIX_SOCKET_DIR"

// longestSocket is what a socket's path may measure, and longestName what
// go-plugin adds to the directory.
const (
	longestSocket = 104 - 1 // the least of the systems we know, and a zero byte
	longestName   = len("/plugin4294967295")
)

// socketDir makes a directory that only this user can enter.
func socketDir(root string) (string, error) {
	root, err := filepath.Abs(cmp.Or(root, os.TempDir()))
	if err != nil {
		return "", err
	}
	if len(root)+len("/4294967295")+longestName > longestSocket {
		root = os.TempDir()
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", err
	}
	if err := checkRoot(root); err != nil {
		return "", err
	}
	return os.MkdirTemp(root, "")
}

// checkRoot refuses a directory in which somebody else could put another in the
// place of ours.
func checkRoot(root string) error {
	info, err := os.Lstat(root)
	if err != nil {
		return err
	}
	open := info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0
	switch {
	case info.Mode()&os.ModeSymlink != 0 && root != os.TempDir():
		return fmt.Errorf("%s is a link: name the directory itself", root)
	case !isOurs(info) && info.Mode()&os.ModeSticky == 0 && root != os.TempDir():
		return fmt.Errorf("%s was made by another user: remove it, or choose another data directory", root)
	case open && root != os.TempDir():
		return fmt.Errorf("others may write to %s: run chmod go-w %s, or choose another data directory", root, root)
	}
	return nil
}
