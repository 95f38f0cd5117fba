package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Memory is a chain.Service over a node without a transport between, for measurements. Its fields are set before it is first asked.
type Memory struct {
	Node *Node

	mu    sync.Mutex // protects known
	known map[string]uint64
}

// Exchange answers. Calls that fail are not made again, and rejected answers are refused with why they were.
func (m *Memory) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	const here = "memory"
	results := make([]chain.Result, len(r.Calls))
	for i := range r.Calls {
		q := &r.Calls[i]
		raw, err := m.Node.Answer(q.Method, q.Params)
		if n := len(q.Rejected); err == nil && n > 0 {
			err = errors.New(q.Rejected[n-1].Reason)
		}
		results[i] = chain.Result{Raw: raw, Endpoint: here}
		if err != nil {
			fault := faultOf(err)
			fault.Endpoint, fault.What, fault.Tries = here, chain.Describe(q.Method, q.Params), max(1, len(q.Rejected))
			results[i] = chain.Result{Err: fault, Endpoint: here}
		}
	}
	return results, nil
}

// Subscribe tells of new heads.
func (m *Memory) Subscribe(ctx context.Context, _ chain.Subscription, take func(event []byte) error) error {
	moved := m.Node.Chain.Moved()
	for {
		if b := m.Node.Chain.At(m.Node.height()); b != nil {
			if err := take(b.appendBlock(nil, false, true)); err != nil {
				return err
			}
		}
		select {
		case <-moved:
			moved = m.Node.Chain.Moved()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Known is what Learn was told.
func (m *Memory) Known(context.Context, string) (map[string]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.known), nil
}

// Learn keeps a number.
func (m *Memory) Learn(_ context.Context, _, name string, value uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]uint64{}
	}
	m.known[name] = value
	if value == 0 {
		delete(m.known, name)
	}
	return nil
}

// ServeHTTP answers JSON-RPC over HTTP, much faster than go-ethereum's server that Serve uses: the yardstick of measurements should cost as
// little as can be.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body = bytes.TrimSpace(body)
	w.Header().Set("Content-Type", "application/json")
	if len(body) > 0 && body[0] == '[' {
		err = n.batch(w, body)
	} else {
		var q question
		if err = json.Unmarshal(body, &q); err == nil {
			_, _ = w.Write(n.reply(nil, q)) // that the client has gone concerns nobody
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

type question struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

func (n *Node) batch(w io.Writer, body []byte) error {
	var all []question
	if err := json.Unmarshal(body, &all); err != nil {
		return err
	}
	if n.BatchItems > 0 && len(all) > n.BatchItems {
		_, _ = io.WriteString(w, `[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}]`)
		return nil
	}
	var out []byte
	for i, q := range all {
		if i > 0 {
			out = append(out[:0], ',')
		} else {
			out = append(out[:0], '[')
		}
		out = n.reply(out, q)
		_, _ = w.Write(out)
	}
	if len(all) == 0 {
		_, _ = io.WriteString(w, "[")
	}
	_, _ = io.WriteString(w, "]")
	return nil
}

func (n *Node) reply(dst []byte, q question) []byte {
	raw, err := n.Answer(q.Method, q.Params)
	dst = slices.Grow(dst, len(raw)+len(q.ID)+64)
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	if len(q.ID) == 0 {
		q.ID = json.RawMessage(null)
	}
	dst = append(dst, q.ID...)
	if err == nil {
		dst = append(append(dst, `,"result":`...), raw...)
		return append(dst, '}')
	}
	fault := &Error{Code: -32000, Message: err.Error()}
	if told, ok := errors.AsType[*Error](err); ok {
		fault = told
	}
	text, _ := json.Marshal(map[string]any{"code": fault.Code, "message": fault.Message}) //nolint:errchkjson // it is a number and a text
	dst = append(append(dst, `,"error":`...), text...)
	return append(dst, '}')
}
