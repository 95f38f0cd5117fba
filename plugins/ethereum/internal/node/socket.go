package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// socket speaks JSON-RPC over a WebSocket or an IPC socket. It connects when it is first used and again after the connection broke.
type socket struct {
	url string

	mu     sync.Mutex  // protects client
	client *rpc.Client // nil: not connected
}

func (s *socket) dial(ctx context.Context) (*rpc.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := rpc.DialOptions(ctx, s.url, rpc.WithWebsocketMessageSizeLimit(longestAnswer))
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

func (s *socket) exchange(ctx context.Context, calls []*Call) ([]reply, error) {
	client, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]json.RawMessage, len(calls))
	batch := make([]rpc.BatchElem, len(calls))
	for i, c := range calls {
		batch[i] = rpc.BatchElem{Method: c.Method, Args: c.Params, Result: &results[i]}
	}
	if err := client.BatchCallContext(ctx, batch); err != nil {
		if ctx.Err() == nil {
			s.drop(client)
		}
		if strings.Contains(err.Error(), "read limit exceeded") {
			return nil, errTooLong
		}
		return nil, err
	}
	replies := make([]reply, len(calls))
	for i := range batch {
		replies[i] = reply{result: results[i], err: plain(batch[i].Error)}
	}
	return replies, nil
}

// plain turns what go-ethereum's client returns into the errors of this package.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, rpc.ErrMissingBatchResponse) {
		return errMissing
	}
	coded, ok := errors.AsType[rpc.Error](err)
	if !ok {
		return err
	}
	out := &RPCError{Code: coded.ErrorCode(), Message: coded.Error()}
	if detailed, ok := errors.AsType[rpc.DataError](err); ok && detailed.ErrorData() != nil {
		if data, err := json.Marshal(detailed.ErrorData()); err == nil {
			out.Data = data
		}
	}
	return out
}
