package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/sdk/chain"
)

// socket speaks JSON-RPC over a WebSocket or an IPC socket. It connects when it is
// first used and again after the connection broke.
type socket struct {
	url     string
	header  http.Header
	timeout time.Duration

	mu     sync.Mutex  // protects client
	client *rpc.Client // nil: not connected
}

func newSocket(url string, headers map[string]string, timeout time.Duration) *socket {
	s := &socket{url: url, timeout: timeout, header: http.Header{}}
	for name, value := range headers {
		s.header.Set(name, value)
	}
	return s
}

func (s *socket) dial(ctx context.Context) (*rpc.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := rpc.DialOptions(ctx, s.url, rpc.WithWebsocketMessageSizeLimit(longestAnswer), rpc.WithHeaders(s.header))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", withoutURL(err))
	}
	s.client = client
	return client, nil
}

// drop gives up a connection that broke.
func (s *socket) drop(client *rpc.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client {
		s.client = nil
		client.Close()
	}
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

func (s *socket) exchange(ctx context.Context, calls []*chain.Query) ([]reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimedOut)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	results := make([]json.RawMessage, len(calls))
	batch := make([]rpc.BatchElem, len(calls))
	for i, c := range calls {
		args, err := arguments(c.Params)
		if err != nil {
			return nil, err
		}
		batch[i] = rpc.BatchElem{Method: c.Method, Args: args, Result: &results[i]}
	}
	if err := client.BatchCallContext(ctx, batch); err != nil {
		if ctx.Err() == nil {
			s.drop(client)
		}
		if strings.Contains(err.Error(), "read limit exceeded") {
			return nil, errTooLong
		}
		return nil, s.explain(ctx, plain(err))
	}
	replies := make([]reply, len(calls))
	for i := range batch {
		replies[i] = reply{result: results[i], err: plain(batch[i].Error)}
		if results[i] == nil && replies[i].err == nil {
			replies[i].result = []byte("null")
		}
	}
	return replies, nil
}

// explain says of an exchange that was ended why it was.
func (s *socket) explain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTimedOut) {
		return fmt.Errorf("%w within %s", errTimedOut, s.timeout)
	}
	return err
}

// arguments takes a JSON array apart.
func arguments(params []byte) ([]any, error) {
	if len(params) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(params, &raw); err != nil {
		return nil, fmt.Errorf("read the parameters %s: %w", chain.Short(string(params)), err)
	}
	args := make([]any, len(raw))
	for i, r := range raw {
		args[i] = r
	}
	return args, nil
}

func (s *socket) subscribe(ctx context.Context, params []byte, take func(event []byte) error) error {
	args, err := arguments(params)
	if err != nil {
		return err
	}
	feed := make(chan json.RawMessage, 64)
	sub, err := s.open(ctx, feed, args)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event := <-feed:
			if err := take(event); err != nil {
				return err
			}
		case err := <-sub.Err():
			if err == nil {
				err = errors.New("the node ended the subscription")
			}
			return plain(err)
		}
	}
}

func (s *socket) open(ctx context.Context, feed chan json.RawMessage, args []any) (*rpc.ClientSubscription, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimedOut)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	sub, err := client.EthSubscribe(ctx, feed, args...)
	if errors.Is(err, rpc.ErrNotificationsUnsupported) {
		return nil, errNoSubscriptions
	}
	if err != nil {
		if errors.Is(err, rpc.ErrClientQuit) {
			s.drop(client)
		}
		return nil, s.explain(ctx, plain(err))
	}
	return sub, nil
}

// plain turns what go-ethereum's client returns into the errors of this package.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, rpc.ErrMissingBatchResponse) {
		return errMissing
	}
	if h, ok := errors.AsType[rpc.HTTPError](err); ok {
		return &statusError{status: h.StatusCode, body: chain.Short(string(h.Body))}
	}
	coded, ok := errors.AsType[rpc.Error](err)
	if !ok {
		return err
	}
	out := &chain.RPCError{Code: coded.ErrorCode(), Message: coded.Error()}
	if detailed, ok := errors.AsType[rpc.DataError](err); ok && detailed.ErrorData() != nil {
		if data, err := json.Marshal(detailed.ErrorData()); err == nil {
			out.Data = data
		}
	}
	return out
}
