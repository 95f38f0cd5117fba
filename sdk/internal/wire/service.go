package wire

import (
	"context"

	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Service is what a plugin answers. Calls may come concurrently; each process
// has a stream of its own.
type Service interface {
	Describe(ctx context.Context, req *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error)
	Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error)
	// Process lives as long as the stream; ctx ends with it.
	Process(ctx context.Context, stream Stream) error
	// Host asks the host for what processes want of it, as long as the stream
	// lives; ctx ends with it.
	Host(ctx context.Context, stream HostStream) error
	Digest(ctx context.Context, req *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error)
}

// HostStream is the plugin's end of a Host call. One goroutine may send while
// another receives; neither may be called by two at once.
type HostStream interface {
	Send(r *pluginv1.HostRequest) error
	// Recv blocks for the next answer; an error: the host has gone.
	Recv() (*pluginv1.HostAnswer, error)
}

// HostClientStream is the host's end of a Host call, with the same rules.
type HostClientStream interface {
	Send(a *pluginv1.HostAnswer) error
	Recv() (*pluginv1.HostRequest, error)
}

// Stream is one end of a process's conversation. One goroutine may send while
// another receives; neither may be called by two at once.
type Stream interface {
	// Send blocks while the other side does not read. The frame stays the
	// caller's.
	Send(f *Frame) error
	// Recv blocks for the next frame, which becomes the caller's to free.
	// io.EOF: the other side has closed the stream.
	Recv() (*Frame, error)
}

// ClientStream is the host's end of a Stream.
type ClientStream interface {
	Stream
	// CloseSend tells the plugin that nothing more will come. It must not be
	// called while Send is.
	CloseSend() error
}

// maxAnswer bounds the answer to Describe and Configure. What a plugin says
// about itself is small; a host must not be made to unpack more.
const maxAnswer = 16 << 20

const serviceName = "penstock.plugin.v1.Plugin"

// serviceDesc is written by hand because Process streams Frames instead of
// generated messages.
var serviceDesc = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*Service)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Describe", Handler: unary(serviceName+"/Describe", Service.Describe)},
		{MethodName: "Configure", Handler: unary(serviceName+"/Configure", Service.Configure)},
		{MethodName: "Digest", Handler: unary(serviceName+"/Digest", Service.Digest)},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Process", Handler: handleProcess, ServerStreams: true, ClientStreams: true},
		{StreamName: "Host", Handler: handleHost, ServerStreams: true, ClientStreams: true},
	},
	Metadata: "penstock/plugin/v1/plugin.proto",
}

// unary adapts a method of Service to gRPC.
func unary[Req, Res any](method string, call func(Service, context.Context, *Req) (*Res, error)) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		req := new(Req)
		if err := decode(req); err != nil {
			return nil, err
		}
		if intercept == nil {
			return call(srv.(Service), ctx, req)
		}
		info := &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + method}
		return intercept(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return call(srv.(Service), ctx, req.(*Req))
		})
	}
}

func handleProcess(srv any, stream grpc.ServerStream) error {
	return srv.(Service).Process(stream.Context(), end{stream})
}

func handleHost(srv any, stream grpc.ServerStream) error {
	return srv.(Service).Host(stream.Context(), messages[pluginv1.HostRequest, pluginv1.HostAnswer]{stream})
}

// messages is an end of a stream of generated messages.
type messages[Out, In any] struct{ stream messageStream }

func (m messages[Out, In]) Send(out *Out) error { return m.stream.SendMsg(out) }

func (m messages[Out, In]) Recv() (*In, error) {
	in := new(In)
	return in, m.stream.RecvMsg(in)
}

// messageStream is what a client's and a server's stream have in common.
type messageStream interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}

type end struct{ messages messageStream }

func (e end) Send(f *Frame) error { return e.messages.SendMsg(f) }

func (e end) Recv() (*Frame, error) {
	f := new(Frame)
	if err := e.messages.RecvMsg(f); err != nil {
		return nil, err
	}
	return f, nil
}

type clientEnd struct {
	end
	stream grpc.ClientStream
}

func (c clientEnd) CloseSend() error { return c.stream.CloseSend() }

// Client is the host's end of Service.
type Client struct{ conn grpc.ClientConnInterface }

// NewClient returns the host's end of the plugin behind conn.
func NewClient(conn grpc.ClientConnInterface) Client { return Client{conn} }

// Describe asks what the plugin offers.
func (c Client) Describe(ctx context.Context, req *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	res := new(pluginv1.DescribeResponse)
	return res, c.conn.Invoke(ctx, "/"+serviceName+"/Describe", req, res, grpc.MaxCallRecvMsgSize(maxAnswer))
}

// Configure checks settings without starting anything.
func (c Client) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	res := new(pluginv1.ConfigureResponse)
	return res, c.conn.Invoke(ctx, "/"+serviceName+"/Configure", req, res, grpc.MaxCallRecvMsgSize(maxAnswer))
}

// Process opens a stream that lives until ctx ends or the plugin closes it.
func (c Client) Process(ctx context.Context) (ClientStream, error) {
	stream, err := c.conn.NewStream(ctx, &serviceDesc.Streams[0], "/"+serviceName+"/Process")
	if err != nil {
		return nil, err
	}
	return clientEnd{end{stream}, stream}, nil
}

// Host opens the stream on which the plugin asks for things. It lives until ctx
// ends or the plugin closes it.
func (c Client) Host(ctx context.Context) (HostClientStream, error) {
	stream, err := c.conn.NewStream(ctx, &serviceDesc.Streams[1], "/"+serviceName+"/Host")
	if err != nil {
		return nil, err
	}
	return messages[pluginv1.HostAnswer, pluginv1.HostRequest]{stream}, nil
}

// Digest asks a loader what it holds.
func (c Client) Digest(ctx context.Context, req *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	res := new(pluginv1.DigestResponse)
	return res, c.conn.Invoke(ctx, "/"+serviceName+"/Digest", req, res, grpc.MaxCallRecvMsgSize(maxAnswer))
}
