package remote

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// started is the body of a plugin that this host has started: its child, and
// what go-plugin knows of it.
type started struct {
	config Config
	child  *child
	client *plugin.Client
	conns  *connections
	proof  *wire.Identity // this host's towards this plugin; nil: none is asked for
}

var _ body = (*started)(nil)

func newStarted(config Config, dir string) (*started, error) {
	s := &started{config: config, child: newChild(config, dir), conns: &connections{}}
	if config.MutualTLS {
		proof, err := wire.NewIdentity()
		if err != nil {
			return nil, err
		}
		s.proof, s.child.greeting.certified = &proof, true
	}
	s.client = plugin.NewClient(s.clientConfig())
	return s, nil
}

// runner is the child, with what it has to know beside its environment.
func (s *started) runner(logger hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
	if s.proof != nil {
		spec.Env = append(spec.Env, s.proof.Env())
	}
	return s.child.runner(logger, spec, dir)
}

// dialOptions go after go-plugin's own, which they override.
func (s *started) dialOptions() []grpc.DialOption {
	options := append(wire.DialOptions(), s.conns.dialOptions(s.child)...)
	if s.proof != nil {
		options = append(options, grpc.WithTransportCredentials(s.proof.HostCredentials(s.child.dir)))
	}
	return options
}

// clientConfig is what go-plugin is told. It gets no logger and no output of
// the process but the handshake: both are the child's.
func (s *started) clientConfig() *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.Adapter{}}},
		RunnerFunc:       s.runner,
		Managed:          false, // managed clients are never forgotten
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		SkipHostEnv:      true,
		StartTimeout:     2 * s.config.StartTimeout, // ours comes first
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       s.child.stdout(),
		SyncStderr:       s.child.stderr(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: s.child.dir},
		GRPCDialOptions:  s.dialOptions(),
	}
}

// connect starts the process and waits until its server answers. When ctx ends
// it kills the process, which is what ends go-plugin's own waits.
func (s *started) connect(ctx context.Context) (wire.Client, error) {
	detach := context.AfterFunc(ctx, s.child.kill)
	defer detach()
	protocol, err := s.client.Client()
	if err != nil {
		return wire.Client{}, err
	}
	conn := protocol.(*plugin.GRPCClient).Conn // the only protocol that is allowed
	if err := wire.Alive(ctx, conn); err != nil {
		return wire.Client{}, err
	}
	if !detach() {
		return wire.Client{}, context.Cause(ctx)
	}
	return wire.NewClient(conn), nil
}

func (s *started) pid() int               { return s.child.pid() }
func (s *started) ended() <-chan struct{} { return s.child.done }
func (s *started) exit() *Exit            { return s.child.exit }
func (s *started) kill()                  { s.child.kill() }

func (s *started) wanted() (asked bool) {
	asked = !s.child.killed()
	s.child.stopping.Store(true)
	return asked
}

// finish brings everything to its end, in this order: the process, the
// connections, the goroutines, the directory.
func (s *started) finish(asked bool) (err error) {
	s.client.Kill() // has no deadline: it returns because Stop kills the process
	s.conns.close()
	if !s.child.wait() {
		err = ErrUnread
	}
	if gone := os.RemoveAll(s.child.dir); gone != nil {
		err = fmt.Errorf("remove its socket directory: %w", gone)
	}
	select {
	case <-s.child.done:
		if asked && s.child.exit.killedByHost {
			err = ErrKilled
		}
	default:
	}
	return err
}
