package wire

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// ServeAttached answers the host whose process is given, and nobody else, at a
// listener: what Serve does for a host that has started the program, without
// go-plugin, which would take over its output and its signals. It returns when
// ctx has ended and every process has ended or had a second to; the listener is
// closed by then.
func ServeAttached(ctx context.Context, service Service, listener net.Listener, host int) error {
	floor := heapFloor()
	defer runtime.KeepAlive(floor)
	adapter := &Adapter{Service: service}
	server := grpc.NewServer(append(ServerOptions(), grpc.Creds(peerOnly{pid: host}))...)
	if err := adapter.GRPCServer(nil, server); err != nil {
		return err
	}
	answers := health.NewServer()
	answers.SetServingStatus(plugin.GRPCServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, answers)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the host: %w", err)
	case <-ctx.Done():
	}
	server.Stop()
	<-served //nolint:errcheck // it was stopped, which is the error
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastGrace)
	defer cancel()
	return adapter.Wait(last)
}

// Alive asks a server whether it answers.
func Alive(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	return err
}

// AliveUntil blocks until the server behind a connection has gone or ctx ends,
// however long the server says nothing, and tells why.
func AliveUntil(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	for err == nil {
		_, err = stream.Recv()
	}
	return err
}
