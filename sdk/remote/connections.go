package remote

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// connections remembers every connection that go-plugin makes. Where a start
// fails half-way go-plugin forgets to close its connection, and there is no
// other way to come by it.
type connections struct {
	mu      sync.Mutex
	all     map[*grpc.ClientConn]struct{}
	refused error // why the last dial went wrong
}

// dialOptions connect to the child, and remember the connections.
func (c *connections) dialOptions(to *child) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := dial(ctx, to)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refused = err
			return conn, err
		}),
		grpc.WithChainStreamInterceptor(c.remember),
	}
}

// dial connects to the socket of the handshake and makes sure that the child
// itself is listening there.
func dial(ctx context.Context, to *child) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", to.greeting.socket())
	if err != nil {
		return nil, err
	}
	if err := wire.CheckPeer(conn, to.pid()); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	return conn, nil
}

func (c *connections) remember(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c.mu.Lock()
	if c.all == nil {
		c.all = make(map[*grpc.ClientConn]struct{})
	}
	c.all[conn] = struct{}{}
	c.mu.Unlock()
	return open(ctx, desc, conn, method, opts...)
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.all {
		_ = conn.Close() // closed already, where go-plugin did it
	}
}

// lastRefusal is why the last attempt to connect failed, nil if it did not.
func (c *connections) lastRefusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}
