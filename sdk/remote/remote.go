// Package remote is a host's one door to a plugin: it starts the process,
// describes, configures and streams, and sees to it that nothing is left of it
// afterwards.
//
// Its one idea: a plugin is an operating-system process that may do anything.
// It may print, hang, lie, crash, or start processes of its own. So the process
// belongs to this package from its first instruction to its last: it lives in a
// process group and a socket directory of its own, its output is always read,
// every call has a deadline, and when it ends, the error that every open call
// returns says why.
//
// go-plugin makes the introduction (handshake and health) and nothing else.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// Config says what to start. Only Path is required.
type Config struct {
	// Name is the plugin's name in messages and logs; the base name of Path if
	// empty.
	Name string
	// Path is the program. It is not looked up in PATH.
	Path string
	// Sealed holds the bytes that run instead of those that lie at Path, which then
	// need not be there any more: the process and messages only see its name. It
	// stays the caller's, and must be open until Start has returned. A script
	// inherits it. Where the system cannot run an open file (that is, everywhere but
	// on Linux), the file that its name names is run. nil: what lies at Path.
	Sealed *os.File
	// Args are its arguments after the program's name.
	Args []string
	// Env is its whole environment, as name=value, but for what the handshake,
	// the sandbox and the limits add. Nothing of the host's own environment
	// reaches it.
	Env []string
	// Sandbox is what it may reach; nil: whatever its user may.
	Sandbox *Sandbox
	// Limits are what it may use.
	Limits Limits
	// Secrets stand in nothing that comes of the plugin: its log, what it prints,
	// its errors, and how it ended.
	Secrets []string
	// RunDir is where the private socket directory is made, the system's
	// temporary directory if empty. A path that is too long for a socket is
	// replaced by that directory too.
	RunDir string
	// Logger gets what the plugin logs and prints, under its name. nil: nothing
	// is logged.
	Logger hclog.Logger
	// Stdout gets what the plugin prints for people after the handshake, whole
	// lines at a time. A Write that blocks holds the plugin up when it prints;
	// one that fails is ignored. It is used concurrently. nil: it is logged.
	Stdout io.Writer
	// StartTimeout bounds Start, 10 seconds if zero.
	StartTimeout time.Duration
	// HostVersion is told to the plugin when it is asked to describe itself.
	HostVersion string
	// MutualTLS has host and plugin prove to each other who they are, with
	// certificates of this one start, and encrypts what they say.
	MutualTLS bool
	// Services are what the plugin may ask of its host.
	Services Services
}

// LogLevelEnv names the environment variable that sets the level of a plugin's
// log, as hclog spells it.
const LogLevelEnv = wire.LogLevelEnv

const (
	defaultStartTimeout = 10 * time.Second
	// callTimeout bounds a call whose context has no deadline.
	callTimeout = 10 * time.Second
)

func (c Config) complete() (Config, error) {
	if c.Path == "" {
		return c, errors.New("start a plugin: its path is missing")
	}
	if c.Name == "" {
		c.Name = filepath.Base(c.Path)
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return c, fmt.Errorf("start plugin %s: %w", c.Name, err)
	}
	c.Path = path
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.Logger = c.Logger.Named(c.Name)
	if c.StartTimeout == 0 {
		c.StartTimeout = defaultStartTimeout
	}
	return c, nil
}

// program is what the kernel is told to run. A file that is only open here is
// found through the table of open files, of which a child has a copy until it
// runs something else. The interpreter of a script looks for it only then, in
// what it has inherited.
func (c Config) program() string {
	switch {
	case c.Sealed == nil:
		return c.Path
	case runtime.GOOS != "linux":
		return c.Sealed.Name()
	case isScript(c.Sealed):
		return fmt.Sprintf("/proc/self/fd/%d", wire.LivenessFD+1)
	}
	return fmt.Sprintf("/proc/self/fd/%d", c.Sealed.Fd())
}

// inherited are the files that the child keeps, from wire.LivenessFD on.
func (c Config) inherited(alive *os.File) []*os.File {
	if c.Sealed != nil && isScript(c.Sealed) {
		return []*os.File{alive, c.Sealed}
	}
	return []*os.File{alive}
}

// Plugin is a running plugin. Its methods may be called concurrently. Stop or
// Kill must be called once it is of no more use, also after it has died.
type Plugin struct {
	name    string
	version string // the host's, which Describe tells
	body    body
	wire    wire.Client
	hides   *Redactor
	patient bool // a call takes as long as it takes, unless its context says otherwise

	serving sync.WaitGroup     // what the plugin asks of its host
	unserve context.CancelFunc // ends that; nil: it is asked nothing

	stopping sync.Once
	stopped  chan struct{} // closed when nothing is left; stopErr is set before
	stopErr  error
}

// body is the process behind a plugin.
type body interface {
	pid() int
	// ended is closed when the process is gone and its last output is read; exit
	// tells from then on how it went.
	ended() <-chan struct{}
	exit() *Exit
	// wanted notes that the host wants the end, and tells whether the process can
	// come to it by itself.
	wanted() (asked bool)
	// kill ends at once whatever is under way; finish then returns soon.
	kill()
	// finish brings everything to its end and returns when nothing is left. It is
	// called once.
	finish(asked bool) error
}

// Start starts the program and returns when it answers. ctx bounds the start
// alone. An error is a *StartError, or ctx's own; nothing of the process is left
// by then.
func Start(ctx context.Context, config Config) (*Plugin, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	if err := config.checkFile(); err != nil {
		return nil, err
	}
	dir, err := socketDir(config.RunDir)
	if err != nil {
		return nil, fmt.Errorf("start plugin %s: make a directory for its socket: %w", config.Name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, config.StartTimeout, ErrSlow)
	defer cancel()
	process, err := newStarted(config, dir)
	if err != nil {
		return nil, fmt.Errorf("start plugin %s: %w", config.Name, errors.Join(err, os.Remove(dir)))
	}
	p := newPlugin(config.Name, config.HostVersion, process)
	p.hides = process.child.hides
	if p.wire, err = process.connect(ctx); err != nil {
		err = process.explain(ctx, err)
		p.Kill()
		return nil, err
	}
	p.serve(config.Services)
	return p, nil
}

func newPlugin(name, version string, body body) *Plugin {
	return &Plugin{name: name, version: version, body: body, stopped: make(chan struct{})}
}

// Name is the name the plugin was started under.
func (p *Plugin) Name() string { return p.name }

// PID is the process's ID; it stays the same after its death.
func (p *Plugin) PID() int { return p.body.pid() }

// Done is closed when the process has ended and its last output is read.
func (p *Plugin) Done() <-chan struct{} { return p.body.ended() }

// Exit tells how the process ended, nil while it runs.
func (p *Plugin) Exit() *Exit {
	select {
	case <-p.body.ended():
		return p.body.exit()
	default:
		return nil
	}
}
