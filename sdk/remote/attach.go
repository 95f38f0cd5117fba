package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// Protocol is the generation of the wire that a host of this SDK speaks.
const Protocol = wire.Protocol

// AttachConfig says where a plugin is that a person has started by hand.
type AttachConfig struct {
	// Name is the plugin's name in messages and logs.
	Name string
	// Address is the path of its socket, in a directory that only the host's user
	// can enter.
	Address string
	// PID is its process: nobody else may answer at the socket.
	PID int
	// Protocol is what it says that it speaks.
	Protocol uint32
	// Logger is told when it is reached and when it is gone. nil: nothing is logged.
	Logger hclog.Logger
	// HostVersion is told to the plugin when it is asked to describe itself.
	HostVersion string
	// Secrets stand in no error of it.
	Secrets []string
	// Services are what the plugin may ask of its host.
	Services Services
}

// Attach connects to a plugin that runs already. What it does, prints and takes is
// its person's affair: no call of it has a deadline but that of its context, Stop
// hangs up without ending the process, and Done is closed when the connection is
// gone, which it is with the process. It may be called again for the same process.
// ctx bounds the connecting alone. An error is a *StartError, or ctx's own.
func Attach(ctx context.Context, config AttachConfig) (*Plugin, error) {
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	config.Logger = config.Logger.Named(config.Name)
	if err := config.check(); err != nil {
		return nil, err
	}
	g := &guest{config: config, done: make(chan struct{})}
	conn, err := grpc.NewClient("passthrough:///"+config.Name, append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(g.dial))...)
	if err != nil {
		return nil, fmt.Errorf("attach plugin %s: %w", config.Name, err)
	}
	g.conn = conn
	if err := wire.Alive(ctx, conn); err != nil {
		_ = conn.Close() // nothing was said over it
		return nil, g.explain(ctx, err)
	}
	living, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	g.hangUp = hangUp
	g.watching.Go(func() { g.watch(living) })
	p := newPlugin(config.Name, config.HostVersion, g)
	p.wire, p.patient, p.hides = wire.NewClient(conn), true, NewRedactor(config.Secrets)
	p.serve(config.Services)
	config.Logger.Info("attached: a person runs this plugin, outside of the sandbox and without deadlines", "pid", config.PID)
	return p, nil
}

// check reports what can be seen before anybody is called.
func (c AttachConfig) check() error {
	if c.Protocol != wire.Protocol {
		return c.failed(ErrProtocol, "process %d speaks protocol %d, this host protocol %d: build the plugin with the SDK of this host", c.PID, c.Protocol, wire.Protocol)
	}
	dir := filepath.Dir(c.Address)
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || !filepath.IsAbs(c.Address):
		return c.failed(ErrSocket, "there is no directory %s, where process %d says that it listens: it must run on this machine, and see the same files", dir, c.PID)
	case err != nil:
		return c.failed(ErrSocket, "%v", err)
	case !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !isOurs(info):
		return c.failed(ErrSocket, "the directory %s of its socket was made by somebody else, or others may enter it: it must belong to this user alone", dir)
	}
	info, err = os.Lstat(c.Address)
	if err != nil || info.Mode().Type() != fs.ModeSocket || !isOurs(info) {
		return c.failed(ErrSocket, "%s, where process %d says that it listens, is no socket of this user", c.Address, c.PID)
	}
	return nil
}

func (c AttachConfig) failed(reason error, format string, args ...any) *StartError {
	return &StartError{Plugin: c.Name, Path: c.Address, Reason: reason, text: fmt.Sprintf(format, args...), attached: true}
}

// isOurs tells whether a file belongs to this process's user.
func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// guest is the body of a plugin that a person has started.
type guest struct {
	config AttachConfig
	conn   *grpc.ClientConn

	refused  atomic.Pointer[error] // why the last dial went wrong
	hangUp   context.CancelFunc    // ends the watch
	watching sync.WaitGroup
	leaving  atomic.Bool   // the host hangs up
	done     chan struct{} // closed when the connection is gone
	last     *Exit         // set before done is closed
}

var _ body = (*guest)(nil)

// dial connects to the socket and makes sure that the process listens there that
// has asked to be attached.
func (g *guest) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", g.config.Address)
	if err == nil {
		if err = wire.CheckPeer(conn, g.config.PID); err != nil {
			_ = conn.Close()
			err = fmt.Errorf("%w: %w", ErrPeer, err)
		}
	}
	g.refused.Store(&err)
	return conn, err
}

// explain says why nobody answers.
func (g *guest) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("attach plugin %s: %w", g.config.Name, overdue(ctx))
	}
	if refused := g.refused.Load(); refused != nil && errors.Is(*refused, ErrPeer) {
		return g.config.failed(ErrPeer, "%v", *refused)
	}
	return g.config.failed(ErrExited, "process %d does not answer at %s: %v", g.config.PID, g.config.Address, err)
}

// watch waits until the connection is gone.
func (g *guest) watch(ctx context.Context) {
	_ = wire.AliveUntil(ctx, g.conn) // there is but one reason
	g.last = &Exit{Plugin: g.config.Name, PID: g.config.PID, Code: -1, Requested: g.leaving.Load(), Attached: true}
	g.config.Logger.Info("detached", "pid", g.config.PID, "by_host", g.last.Requested)
	close(g.done)
}

func (g *guest) pid() int               { return g.config.PID }
func (g *guest) ended() <-chan struct{} { return g.done }
func (g *guest) exit() *Exit            { return g.last }
func (g *guest) kill()                  { g.wanted(); g.hangUp() }

func (g *guest) wanted() bool {
	g.leaving.Store(true)
	return true
}

// finish hangs up: streams that are open end with that, in the process too.
func (g *guest) finish(bool) error {
	g.hangUp()
	g.watching.Wait()
	if err := g.conn.Close(); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	return nil
}
