// Package wire is both ends of the conversation between a host and a plugin:
// the protocol's messages, the frame codec that never copies a body, and what
// go-plugin needs to introduce the two to each other. It is the only place,
// beside package remote, that knows gRPC and go-plugin.
//
// The protocol itself is described in proto/penstock/plugin/v1/plugin.proto.
package wire

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Protocol is the generation of the wire: it changes only when old and new
// cannot talk at all. Everything smaller is a feature.
const Protocol = 1

// PluginName is the name under which the service is dispensed.
const PluginName = "penstock"

// LivenessFD is the descriptor of the pipe whose other end the host holds: it
// reads end of file when the host is gone, however it went.
const LivenessFD = 3

// LivenessEnv is set to "1" in a plugin's environment when LivenessFD is there.
const LivenessEnv = "PENSTOCK_LIVENESS"

// LogLevelEnv names the environment variable that sets the level of a plugin's
// log, as hclog spells it.
const LogLevelEnv = "PENSTOCK_LOG_LEVEL"

// Handshake is a courtesy to people who run a plugin by hand, not a safeguard.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  Protocol,
		MagicCookieKey:   "PENSTOCK_PLUGIN",
		MagicCookieValue: "9c1f0d6e-penstock",
	}
}

// Sizes of windows and buffers, the same on both sides. A window holds several
// frames, so that a sender does not wait for a round trip; it is also what one
// stream may park in a host's memory.
const (
	streamWindow = 4 << 20
	connWindow   = 16 << 20
	socketBuffer = 256 << 10
)

// ServerOptions are the plugin's side of the connection's settings. They do not
// make the server wait for its handlers: go-plugin stops the server from within
// a handler, which would wait for itself. Adapter.Wait is for that.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(socketBuffer),
		grpc.WriteBufferSize(socketBuffer),
		grpc.ForceServerCodecV2(Codec()),
		grpc.ChainUnaryInterceptor(recoverUnary),
	}
}

// DialOptions are the host's side of the connection's settings.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(MaxMessage),
			grpc.MaxCallSendMsgSize(MaxMessage),
			grpc.ForceCodecV2(Codec()),
		),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithReadBufferSize(socketBuffer),
		grpc.WithWriteBufferSize(socketBuffer),
	}
}

// recoverUnary turns a panic in Describe or Configure into an error that
// carries its stack as a Failed detail, so that the host can show it and the
// plugin lives on.
func recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = failed(fmt.Sprintf("panic: %v", cause), string(debug.Stack()))
		}
	}()
	return next(ctx, req)
}

// failed is the error of a call that panicked.
func failed(message, stack string) error {
	st := status.New(codes.Internal, message)
	detailed, err := st.WithDetails(&pluginv1.Failed{Class: pluginv1.Class_CLASS_STOP, Message: message, Stack: stack})
	if err != nil {
		return st.Err()
	}
	return detailed.Err()
}

// Adapter introduces a Service to go-plugin. On the host's side Service is nil.
type Adapter struct {
	plugin.NetRPCUnsupportedPlugin
	Service Service

	processes sync.WaitGroup // the Process calls under way
	called    func()         // before the first call is answered; nil: nothing
}

// GRPCServer registers the plugin's end.
func (a *Adapter) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&serviceDesc, &counted{service: a.Service, adapter: a})
	return nil
}

// GRPCClient returns the host's end, a Client.
func (a *Adapter) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}

// Wait blocks until every Process call has returned, or until ctx ends. A
// plugin calls it when go-plugin's Serve has returned: by then the contexts of
// all calls have ended, but nothing has waited for what they still do.
func (a *Adapter) Wait(ctx context.Context) error {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		a.processes.Wait()
	}()
	select {
	case <-returned:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for processes to end: %w", context.Cause(ctx))
	}
}

// counted counts the Process calls of a service, and tells of the first call.
type counted struct {
	service Service
	adapter *Adapter
	first   sync.Once
}

func (c *counted) called() {
	if c.adapter.called != nil {
		c.first.Do(c.adapter.called)
	}
}

func (c *counted) Describe(ctx context.Context, req *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	c.called()
	return c.service.Describe(ctx, req)
}

func (c *counted) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	c.called()
	return c.service.Configure(ctx, req)
}

func (c *counted) Process(ctx context.Context, stream Stream) error {
	c.adapter.processes.Add(1)
	defer c.adapter.processes.Done()
	c.called()
	return c.service.Process(ctx, stream)
}

func (c *counted) Host(ctx context.Context, stream HostStream) error {
	c.adapter.processes.Add(1)
	defer c.adapter.processes.Done()
	c.called()
	return c.service.Host(ctx, stream)
}

func (c *counted) Digest(ctx context.Context, req *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	c.called()
	return c.service.Digest(ctx, req)
}
