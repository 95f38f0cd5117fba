package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// endpoint is one way to reach the network, and what is known about it.
type endpoint struct {
	label string // name and URL without credentials, for messages
	batch batchSize
	rate  *rate
	conn  transport

	admitting sync.Mutex // held while the chain id is asked for

	mu       sync.Mutex // protects the fields below
	admitted bool       // it serves the right chain
	failures int        // in a row
	rests    int        // how often it has been given a rest since it last answered
	until    time.Time  // it rests until then
}

// transport carries batches. Its methods are safe for concurrent use.
type transport interface {
	// exchange returns one reply for each call, in their order, or an error that concerns them all.
	exchange(ctx context.Context, calls []*Call) ([]reply, error)
	close()
}

// reply is what a node answered to one call.
type reply struct {
	result []byte
	err    error
}

func newEndpoint(e sdk.Endpoint, batch int) (*endpoint, error) {
	limit, err := parseRate(e.Rate)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	ep := &endpoint{rate: limit, batch: batchSize{most: batch, now: batch}}
	scheme, rest, found := strings.Cut(e.URL, "://")
	switch {
	case e.URL == "":
		return nil, fmt.Errorf("endpoint %q has no url", e.Name)
	case !found:
		ep.label, ep.conn = label(e.Name, e.URL), &socket{url: e.URL}
		return ep, nil
	case scheme == "ipc" || scheme == "file" || scheme == "unix":
		ep.label, ep.conn = label(e.Name, rest), &socket{url: rest}
		return ep, nil
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("endpoint %q: its url is malformed: write http://host:port, ws://host:port or the path of an IPC socket", e.Name)
	}
	ep.label = label(e.Name, u.Scheme+"://"+u.Host)
	switch u.Scheme {
	case "http", "https":
		ep.conn = newHTTP(u)
	case "ws", "wss":
		ep.conn = &socket{url: e.URL}
	default:
		return nil, fmt.Errorf("endpoint %q: %s is no scheme for a node: use http, https, ws, wss or the path of an IPC socket", e.Name, u.Scheme)
	}
	return ep, nil
}

// label names an endpoint without what may be a key: user, path and query of its URL.
func label(name, where string) string {
	if name == "" {
		return where
	}
	return name + " (" + where + ")"
}

func (ep *endpoint) exchange(ctx context.Context, calls []*Call) ([]reply, error) {
	return ep.conn.exchange(ctx, calls)
}

func (ep *endpoint) close() { ep.conn.close() }

func (ep *endpoint) succeeded() {
	ep.batch.grow()
	ep.mu.Lock()
	ep.failures, ep.rests, ep.until = 0, 0, time.Time{}
	ep.mu.Unlock()
}

// failed counts a failure. After a few in a row an endpoint that is not the only one rests: at first for seconds, later for minutes.
func (ep *endpoint) failed(others bool) {
	const patience = 2
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.failures++
	if others && ep.failures >= patience {
		ep.failures = 0
		ep.until = time.Now().Add(min(5*time.Second<<min(ep.rests, 10), 2*time.Minute))
		ep.rests++
	}
}

func (ep *endpoint) rest(d time.Duration) {
	ep.mu.Lock()
	ep.until = time.Now().Add(d)
	ep.mu.Unlock()
}

func (ep *endpoint) restsUntil() time.Time {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.until
}

// admit makes sure, once, that an endpoint serves the chain that the others do and the configuration wants.
func (n *Node) admit(ctx context.Context, ep *endpoint) *Error {
	ep.admitting.Lock()
	defer ep.admitting.Unlock()
	if ep.isAdmitted() {
		return nil
	}
	var (
		id   uint64
		dec  decode.Decoder
		call = []*Call{{Method: "eth_chainId", Decode: func(raw []byte) (err error) {
			id, err = dec.Quantity(raw)
			return err
		}}}
	)
	replies, err := n.send(ctx, ep, call)
	if err == nil {
		err = replies[0].err
	}
	if err == nil {
		err = call[0].Decode(replies[0].result)
	}
	if err == nil {
		err = n.agree(ep, id)
	}
	if err != nil {
		return n.fault(ep, call, err)
	}
	ep.mu.Lock()
	ep.admitted = true
	ep.mu.Unlock()
	return nil
}

func (ep *endpoint) isAdmitted() bool {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return ep.admitted
}

// agree compares the chain id of an endpoint with the one wanted, or makes it the one wanted.
func (n *Node) agree(ep *endpoint, id uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.chainID == 0 {
		n.chainID = id
	}
	if n.chainID == id {
		return nil
	}
	return &Error{
		Kind: WrongChain, Endpoint: ep.label, What: "eth_chainId", Tries: 1,
		Err: fmt.Errorf("it serves chain %d, but network %q is chain %d: correct the endpoint's url or the network's chain_id", id, n.network, n.chainID),
	}
}

// ChainID is the id of the chain, asked for if it is not known yet.
func (n *Node) ChainID(ctx context.Context) (uint64, error) {
	var (
		id  uint64
		dec decode.Decoder
	)
	err := n.Do(ctx, []Call{{Method: "eth_chainId", Decode: func(raw []byte) (err error) {
		id, err = dec.Quantity(raw)
		return err
	}}})
	return id, err
}

// isLoopback tells endpoints on this machine, where compressing answers only costs time.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// batchSize is how many calls an endpoint takes in one batch: less after it has refused, slowly more while it does not.
type batchSize struct {
	mu   sync.Mutex // protects the fields below
	most int
	now  int
	good int // batches accepted since the last change
}

func (b *batchSize) limit() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// shrink lowers the limit below size, for good if the endpoint takes no batches. It reports whether there was anything to lower.
func (b *batchSize) shrink(size int, forGood bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if size <= 1 {
		return false
	}
	b.now, b.good = min(b.now, max(1, size/2)), 0
	if forGood {
		b.now, b.most = 1, 1
	}
	return true
}

func (b *batchSize) grow() {
	const often = 16
	b.mu.Lock()
	defer b.mu.Unlock()
	b.good++
	if b.good >= often && b.now < b.most {
		b.now, b.good = min(b.most, b.now+b.now/4+1), 0
	}
}

var errTooLong = errors.New("the answer is longer than is read")
