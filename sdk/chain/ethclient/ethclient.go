// Package ethclient gives plugins the client that programs for Ethereum are
// written against: go-ethereum's own, whose node is the host.
//
// What is called goes the way that everything goes which a plugin asks: through
// the host, with its endpoints, rates, retries and cache. Bindings that abigen has
// made work as they are, and so do batches, subscriptions, and errors with the
// code and data that the node has given.
package ethclient

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"

	"github.com/penstock-io/penstock/sdk/chain"
)

// New makes a client that asks through the host, about the network of c. It is
// safe for concurrent use, and holds two goroutines until it is closed. A caller
// whose ctx ends is let go at once; the host may still finish what it has begun.
//
// A subscription to heads begins with the head as it is, which a node would not
// tell. Where another subscription breaks, the client's connection does: the error
// channels of all subscriptions say so, and the next call makes a new one.
func New(c *chain.Client) *ethclient.Client {
	dialer := websocket.Dialer{
		ReadBufferSize: buffer, WriteBufferSize: buffer,
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go answer(c, ours) // until theirs is closed
			return theirs, nil
		},
	}
	// Nothing is dialled but the pipe, so there is nothing to wait for.
	client, err := rpc.DialOptions(context.Background(), "ws://host", rpc.WithWebsocketDialer(dialer), rpc.WithWebsocketMessageSizeLimit(0))
	if err != nil {
		panic("ethclient: shake hands over a pipe: " + err.Error()) // unreachable: both ends are here
	}
	return ethclient.NewClient(client)
}

const buffer = 32 << 10

// answer is the node at the other end of a connection, until that is closed.
func answer(c *chain.Client, conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	r, err := http.ReadRequest(reader)
	if err != nil {
		return // the other end has given up
	}
	upgrader := websocket.Upgrader{ReadBufferSize: buffer, WriteBufferSize: buffer}
	ws, err := upgrader.Upgrade(&pipe{conn: conn, reader: reader}, r, nil)
	if err != nil {
		return
	}
	s := &session{client: c, ws: ws, running: make(map[string]context.CancelFunc)}
	s.serve()
}

// pipe is one end of a connection as HTTP servers have it that hand it over.
type pipe struct {
	conn   net.Conn
	reader *bufio.Reader
}

// Header is what an answer would begin with, if there was one.
func (p *pipe) Header() http.Header { return http.Header{} }

// WriteHeader does nothing: the connection is handed over before.
func (p *pipe) WriteHeader(int) {}

func (p *pipe) Write([]byte) (int, error) {
	return 0, errors.New("a pipe answers nothing but WebSocket")
}

// Hijack hands the connection over.
func (p *pipe) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.conn, bufio.NewReadWriter(p.reader, bufio.NewWriter(p.conn)), nil
}
