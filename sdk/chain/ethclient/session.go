package ethclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/penstock-io/penstock/sdk/chain"
)

// session answers what comes over one connection.
type session struct {
	client *chain.Client
	ws     *websocket.Conn

	sending sync.Mutex // held while something is sent

	mu      sync.Mutex // protects the fields below
	last    uint64     // the number of the newest subscription
	running map[string]context.CancelFunc
}

// message is one of JSON-RPC, a call or its answer.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *fault          `json:"error,omitempty"`
}

// fault is an error of an answer.
type fault struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// What is answered where no node has said a code.
const (
	codeParse  = -32700
	codeServer = -32000
)

// serve answers until the connection is closed, and returns when nothing that it
// has begun goes on.
func (s *session) serve() {
	ctx, cancel := context.WithCancel(context.Background()) // ends with the connection
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		_, text, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		all.Go(func() { s.take(ctx, text) })
	}
}

// take answers one message: a call or a batch of calls.
func (s *session) take(ctx context.Context, text []byte) {
	var calls []message
	batch := bytes.HasPrefix(bytes.TrimSpace(text), []byte("["))
	err := error(nil)
	if batch {
		err = json.Unmarshal(text, &calls)
	} else {
		calls = make([]message, 1)
		err = json.Unmarshal(text, &calls[0])
	}
	switch {
	case err != nil:
		s.one(message{ID: json.RawMessage("null"), Error: &fault{Code: codeParse, Message: err.Error()}})
	case batch:
		s.send(s.answers(ctx, calls)...)
	case calls[0].Method == "eth_subscribe":
		s.subscribe(ctx, calls[0])
	case calls[0].Method == "eth_unsubscribe":
		s.unsubscribe(calls[0])
	default:
		s.one(s.answers(ctx, calls)[0])
	}
}

// answers makes calls through the host.
func (s *session) answers(ctx context.Context, calls []message) []message {
	queries, out := make([]chain.Query, len(calls)), make([]message, len(calls))
	for i, call := range calls {
		params := []byte(call.Params)
		if len(params) == 0 || string(params) == "null" {
			params = []byte("[]")
		}
		queries[i] = chain.Query{Method: call.Method, Params: params, Never: strings.HasPrefix(call.Method, "eth_send")}
		out[i] = message{ID: call.ID}
	}
	results, err := s.client.Raw(ctx, queries)
	for i := range out {
		switch {
		case err != nil:
			out[i].Error = faultOf(err)
		case results[i].Err != nil:
			out[i].Error = faultOf(results[i].Err)
		default:
			out[i].Result = results[i].Raw
		}
	}
	return out
}

// faultOf is an error as a node would have it, with its own code and data where it
// has said them.
func faultOf(err error) *fault {
	told, ok := errors.AsType[*chain.RPCError](err)
	if !ok {
		return &fault{Code: codeServer, Message: err.Error()}
	}
	return &fault{Code: told.Code, Message: told.Message, Data: told.Data}
}

// subscribe tells of events until that is not wanted any more.
func (s *session) subscribe(ctx context.Context, call message) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.last++
	id := "0x" + strconv.FormatUint(s.last, 16)
	s.running[id] = cancel
	s.mu.Unlock()
	var params []any
	if err := json.Unmarshal(call.Params, &params); err != nil {
		s.one(message{ID: call.ID, Error: &fault{Code: codeParse, Message: err.Error()}})
		return
	}
	s.one(message{ID: call.ID, Result: quoted(id)})
	_ = s.client.Subscribe(ctx, params, func(event []byte) error {
		params, err := json.Marshal(map[string]json.RawMessage{"subscription": quoted(id), "result": event})
		if err != nil {
			return err
		}
		s.one(message{Method: "eth_subscription", Params: params})
		return nil
	})
	s.mu.Lock()
	_, wanted := s.running[id]
	delete(s.running, id)
	s.mu.Unlock()
	if wanted {
		_ = s.ws.Close() // there is no other way to say that no event will come any more
	}
}

func (s *session) unsubscribe(call message) {
	var ids []string
	_ = json.Unmarshal(call.Params, &ids) // what is malformed names none
	known := false
	s.mu.Lock()
	for _, id := range ids {
		if cancel := s.running[id]; cancel != nil {
			delete(s.running, id)
			cancel()
			known = true
		}
	}
	s.mu.Unlock()
	s.one(message{ID: call.ID, Result: []byte(strconv.FormatBool(known))})
}

func quoted(text string) json.RawMessage { return json.RawMessage(strconv.Quote(text)) }

// one sends a message that is no part of a batch.
func (s *session) one(m message) { s.write(m.append(nil)) }

// send sends the answers to a batch.
func (s *session) send(all ...message) {
	out := []byte{'['}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = m.append(out)
	}
	s.write(append(out, ']'))
}

// append writes a message. A result is as the host has told it, and not looked at:
// it may be large.
func (m message) append(out []byte) []byte {
	m.Version = "2.0"
	if m.Result != nil {
		out = append(append(out, `{"jsonrpc":"2.0","id":`...), m.ID...)
		out = append(append(out, `,"result":`...), m.Result...)
		return append(out, '}')
	}
	text, err := json.Marshal(m)
	if err != nil { // what a node has said beside its error is no JSON
		m.Error = &fault{Code: codeServer, Message: err.Error()}
		text, _ = json.Marshal(m)
	}
	return append(out, text...)
}

// write sends text. That the other end has gone is told by who reads.
func (s *session) write(text []byte) {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.ws.WriteMessage(websocket.TextMessage, text)
}
