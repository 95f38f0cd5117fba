package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// call is one JSON-RPC call.
type call struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

// reply is the answer to a call.
type reply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// message is one call, or several as a batch.
type message struct {
	raw   []byte
	calls []call
	batch bool
}

// parse reads a message. What is none is passed on as it is: then there are no
// calls.
func parse(raw []byte) message {
	m := message{raw: raw}
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		m.batch = true
		if json.Unmarshal(trimmed, &m.calls) != nil {
			m.calls = nil
		}
		return m
	}
	var c call
	if json.Unmarshal(trimmed, &c) == nil && c.Method != "" {
		m.calls = []call{c}
	}
	return m
}

// about names what is asked, for people.
func (m *message) about() string {
	if len(m.calls) == 0 {
		return "no call"
	}
	words := []string{m.calls[0].Method}
	for _, param := range m.calls[0].Params {
		words = append(words, short(param))
	}
	if more := len(m.calls) - 1; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, " ")
}

// subscription tells whether a message is about subscriptions.
func (m *message) subscription() bool {
	for i := range m.calls {
		if method := m.calls[i].Method; method == "eth_subscribe" || method == "eth_unsubscribe" {
			return true
		}
	}
	return false
}

// refuse answers every call of a message with an error.
func (m *message) refuse(e rpcError) []byte {
	replies := make([]reply, len(m.calls))
	for i := range m.calls {
		replies[i] = m.calls[i].fail(e)
	}
	return m.encode(replies)
}

// encode writes answers as a node writes the answer to the message.
func (m *message) encode(replies []reply) []byte {
	var text []byte
	var err error
	if m.batch {
		text, err = json.Marshal(replies)
	} else if len(replies) > 0 {
		text, err = json.Marshal(replies[0])
	}
	if err != nil {
		panic(err) // unreachable: what is in a reply was JSON before
	}
	return text
}

func (c *call) fail(e rpcError) reply { return reply{Version: "2.0", ID: c.ID, Error: &e} }

func (c *call) result(raw string) reply {
	return reply{Version: "2.0", ID: c.ID, Result: json.RawMessage(raw)}
}

// ranged is the range of blocks of an eth_getLogs that names both ends.
func (c *call) ranged() (from, to uint64, ok bool) {
	if c.Method != "eth_getLogs" || len(c.Params) == 0 {
		return 0, 0, false
	}
	var query struct{ FromBlock, ToBlock string }
	if json.Unmarshal(c.Params[0], &query) != nil {
		return 0, 0, false
	}
	from, okFrom := quantity(query.FromBlock)
	to, okTo := quantity(query.ToBlock)
	return from, to, okFrom && okTo
}

// quantity is a number as JSON-RPC writes it.
func quantity(text string) (uint64, bool) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || len(digits) > 16 { // a hash is none
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil
}

func hex(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

func quoted(n uint64) string { return `"` + hex(n) + `"` }

func short(raw []byte) string {
	const most = 80
	if len(raw) > most {
		return string(raw[:most]) + "…"
	}
	return string(raw)
}
