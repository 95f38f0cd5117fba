package chain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// transport carries batches to one endpoint. Its methods are safe for concurrent
// use. Errors that a node answered are *chain.RPCError.
type transport interface {
	// exchange returns one reply for each call, in their order, or an error that
	// concerns them all.
	exchange(ctx context.Context, calls []*chain.Query) ([]reply, error)
	// subscribe calls take with one event after another until ctx ends, take
	// returns an error, or the connection breaks; errNoSubscriptions where the
	// endpoint cannot.
	subscribe(ctx context.Context, params []byte, take func(event []byte) error) error
	close()
}

// reply is what an endpoint answered to one call. The result is not used by
// anybody else.
type reply struct {
	result []byte
	err    error
}

// longestAnswer bounds what is read of one answer. Nodes stop far below it by
// themselves.
const longestAnswer = 256 << 20

var (
	errNoSubscriptions = errors.New("the endpoint cannot be subscribed to: use one with a WebSocket or an IPC socket")
	errTimedOut        = errors.New("no answer")
	errTooLong         = errors.New("the answer is longer than is read")
	errMissing         = errors.New("the answer to the batch leaves this call out")
)

// dial makes the transport of an endpoint, without connecting yet, and says where
// it leads without what may be a key: user, path and query of a URL.
func dial(e config.Endpoint, timeout time.Duration) (conn transport, where string, err error) {
	if scheme, dir, _ := strings.Cut(e.URL, ":"); openers[scheme] != nil {
		return &files{dir: dir, open: openers[scheme]}, e.URL, nil
	}
	scheme, rest, found := strings.Cut(e.URL, "://")
	switch {
	case e.URL == "":
		return nil, "", fmt.Errorf("endpoint %q has no url", e.Name)
	case !found:
		return newSocket(e.URL, nil, timeout), e.URL, nil
	case scheme == "ipc" || scheme == "file" || scheme == "unix":
		return newSocket(rest, nil, timeout), rest, nil
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" {
		return nil, "", fmt.Errorf("endpoint %q: its url is malformed: write http://host:port, ws://host:port or the path of an IPC socket", e.Name)
	}
	where = u.Scheme + "://" + u.Host
	switch u.Scheme {
	case "http", "https":
		return newHTTP(u, e.Headers, timeout), where, nil
	case "ws", "wss":
		return newSocket(e.URL, e.Headers, timeout), where, nil
	}
	return nil, "", fmt.Errorf("endpoint %q: %s is no scheme for a node: use http, https, ws, wss or the path of an IPC socket", e.Name, u.Scheme)
}

// isLoopback tells endpoints on this machine, where compressing answers only costs
// time.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// withoutURL drops the URL, which may hold a key, from an error of the HTTP
// client.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
