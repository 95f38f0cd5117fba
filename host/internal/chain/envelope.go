package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/penstock-io/penstock/sdk/chain"
)

// encode writes one call as an object and several as a batch; the ids count up from
// first.
func encode(calls []*chain.Query, first int) []byte {
	size := 2
	for _, c := range calls {
		size += len(c.Method) + len(c.Params) + 64
	}
	out := make([]byte, 0, size)
	if len(calls) == 1 {
		return appendCall(out, calls[0], first)
	}
	for i, c := range calls {
		between := byte(',')
		if i == 0 {
			between = '['
		}
		out = appendCall(append(out, between), c, first+i)
	}
	return append(out, ']')
}

func appendCall(out []byte, c *chain.Query, id int) []byte {
	out = append(out, `{"jsonrpc":"2.0","id":`...)
	out = strconv.AppendInt(out, int64(id), 10)
	out = append(out, `,"method":"`...)
	out = append(out, c.Method...)
	out = append(out, `","params":`...)
	if len(c.Params) == 0 {
		out = append(out, "[]"...)
	}
	out = append(out, c.Params...)
	return append(out, '}')
}

// envelope is one answer in a body. Its parts are slices of the body, nil where it
// has none.
type envelope struct{ id, result, fault []byte }

// set takes a member of an answer.
func (e *envelope) set(key, value []byte) {
	switch string(key) {
	case "id":
		e.id = value
	case "result":
		e.result = value
	case "error":
		if e.fault = value; string(value) == "null" {
			e.fault = nil
		}
	}
}

// parse finds the reply to each of n calls in a body, by ids that count up from
// first. Results alias it.
func parse(body []byte, first, n int) ([]reply, error) {
	s := scanner{text: body}
	switch s.peek() {
	case 0:
		return nil, errors.New("an empty answer")
	case '{', '[':
	default:
		return nil, &statusError{status: http.StatusOK, body: chain.Short(string(body[:min(len(body), 4<<10)]))}
	}
	all, err := s.envelopes(n)
	if err != nil {
		return nil, fmt.Errorf("parse %d bytes of an answer: %w", len(body), err)
	}
	return match(all, first, n)
}

// own gives results memory of their own: whoever keeps one does not keep those
// beside it, and the body's memory can be used again.
func own(replies []reply) []reply {
	for i := range replies {
		replies[i].result = bytes.Clone(replies[i].result)
	}
	return replies
}

// match puts answers in the order of their calls. An error without a call that it
// belongs to concerns them all.
func match(all []envelope, first, n int) ([]reply, error) {
	replies := make([]reply, n)
	for i := range replies {
		replies[i].err = errMissing
	}
	whole := len(all) == 1 && n > 1
	for i := range all {
		e := &all[i]
		at, known := e.place(first, n)
		switch {
		case e.fault != nil && (!known || whole):
			return nil, rpcError(e.fault)
		case !known:
			return nil, fmt.Errorf("the node answered a call with id %s, which was not asked", chain.Short(string(e.id)))
		case e.fault != nil:
			replies[at].err = rpcError(e.fault)
		case e.result == nil:
			replies[at].err = errors.New("the answer has neither a result nor an error")
		case replies[at].err == nil && !bytes.Equal(replies[at].result, e.result):
			return nil, fmt.Errorf("the node answered the call with id %d twice, in two ways", first+at)
		default:
			replies[at] = reply{result: e.result}
		}
	}
	return replies, nil
}

// place is which of n calls an answer belongs to. Ids are numbers; some nodes make
// text of them.
func (e *envelope) place(first, n int) (at int, known bool) {
	id, err := strconv.Atoi(string(bytes.Trim(e.id, `"`)))
	return id - first, err == nil && id >= first && id < first+n
}

// rpcError reads an error that a node answered, also one that is none by the
// rules.
func rpcError(raw []byte) *chain.RPCError {
	e := &chain.RPCError{}
	if err := json.Unmarshal(raw, e); err == nil {
		return e
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw[:min(len(raw), 4<<10)])
	}
	return &chain.RPCError{Message: text}
}
