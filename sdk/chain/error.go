package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what to do about an error of a node. Later kinds matter more where
// a request has several. The numbers are those of the wire.
type Kind uint8

// The kinds of errors. All but Transient mean that asking the same again is of
// no use.
const (
	Transient        Kind = iota // the network, a busy or lagging node: it was tried again as often as allowed
	Unclear                      // an error that means something else with every provider
	TimedOut                     // no answer in time
	Refused                      // the endpoint does not let us in: another may
	Unbatched                    // the endpoint takes no batches
	Moved                        // what was answered belongs to another block than it should
	Mismatch                     // what was answered cannot be true
	TooMuch                      // ask for less
	TooManyAddresses             // ask for fewer addresses or topics
	Pruned                       // the node no longer has so old a block
	NoMethod                     // the node does not know the method
	Invalid                      // the node does not take the parameters
	Reverted                     // the contract reverted: an answer as good as any
	WrongChain                   // the endpoint serves another chain
)

// Error is what became of a call: where, what, how often it was tried, and the
// node's own words.
type Error struct {
	Kind     Kind
	Endpoint string // its name and URL without credentials
	What     string // method and parameters
	Tries    int
	Spent    time.Duration
	Err      error // an *RPCError where the node answered with one
	Limit    Limit // what the node says it would take
}

func (e *Error) Error() string {
	if e.Tries > 1 {
		return fmt.Sprintf("ask %s for %s, tried %d times in %s: %v", e.Endpoint, e.What, e.Tries, e.Spent.Round(time.Millisecond), e.Err)
	}
	return fmt.Sprintf("ask %s for %s: %v", e.Endpoint, e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error that Do returned; Transient if it is none of
// ours.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Transient
}

// Hopeless reports whether an error will be the same however often a process is
// started again.
func Hopeless(err error) bool {
	switch KindOf(err) {
	case Pruned, NoMethod, Invalid, WrongChain, TooManyAddresses, Reverted:
		return true
	default:
		return false
	}
}

// RPCError is an error that a node answered.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e *RPCError) Error() string {
	if len(e.Data) == 0 || string(e.Data) == "null" {
		return fmt.Sprintf("%s (code %d)", e.Message, e.Code)
	}
	return fmt.Sprintf("%s (code %d, %s)", e.Message, e.Code, Short(string(e.Data)))
}

// ErrorCode is the code of JSON-RPC, as go-ethereum's rpc.Error has it.
func (e *RPCError) ErrorCode() int { return e.Code }

// ErrorData is what else the node said, as go-ethereum's rpc.DataError has it.
func (e *RPCError) ErrorData() any {
	var v any
	if json.Unmarshal(e.Data, &v) != nil {
		return nil
	}
	return v
}

// Describe names a call in messages: method and parameters, cut to a line.
func Describe(method string, params []byte) string {
	if text := strings.TrimSpace(string(params)); text != "" && text != "[]" && text != "null" {
		return method + Short(text)
	}
	return method
}

// Short keeps what fits a line.
func Short(text string) string {
	const most = 200
	if len(text) > 8*most {
		text = text[:8*most] // more would not be shown
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
