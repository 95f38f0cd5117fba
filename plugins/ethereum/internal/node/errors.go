package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Kind says what to do about an error of a node. Later kinds matter more when a batch has several.
type Kind uint8

// The kinds that Do returns. All but Transient mean that asking the same again is of no use.
const (
	Transient        Kind = iota // the network, a busy or lagging node: it was tried again as often as allowed
	unclear                      // an error that means something else with every provider
	timedOut                     // no answer in time
	refused                      // the endpoint does not let us in: another may
	unbatched                    // the endpoint takes no batches
	Moved                        // what was answered belongs to another block than it should
	TooMuch                      // ask for less
	TooManyAddresses             // ask for fewer addresses or topics
	Pruned                       // the node no longer has so old a block
	NoMethod                     // the node does not know the method
	Invalid                      // the node does not take the parameters
	WrongChain                   // the endpoint serves another chain
)

// Error is what became of a call: where, what, how often it was tried, and the node's own words.
type Error struct {
	Kind     Kind
	Endpoint string // its name and URL without credentials
	What     string // method and parameters
	Tries    int
	Spent    time.Duration
	After    time.Duration // the node asked to wait that long
	Err      error
	once     bool // of a call that is made Once
	answered bool // the node's answer to a call that is tried Never again
}

func (e *Error) Error() string {
	if e.Tries > 1 {
		return fmt.Sprintf("ask %s for %s, tried %d times in %s: %v", e.Endpoint, e.What, e.Tries, e.Spent.Round(time.Millisecond), e.Err)
	}
	return fmt.Sprintf("ask %s for %s: %v", e.Endpoint, e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error that Do returned; Transient if it is none of ours.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Transient
}

// Hopeless reports whether an error will be the same however often a process is started again.
func Hopeless(err error) bool {
	switch KindOf(err) {
	case Pruned, NoMethod, Invalid, WrongChain, TooManyAddresses:
		return true
	default:
		return false
	}
}

var (
	errTimedOut = errors.New("no answer")
	errMissing  = errors.New("the answer to the batch leaves this call out")
)

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
	return fmt.Sprintf("%s (code %d, %s)", e.Message, e.Code, short(string(e.Data)))
}

// statusError is an HTTP answer that is not JSON-RPC.
type statusError struct {
	status int
	after  time.Duration
	body   string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	if e.status == http.StatusOK {
		text = "an answer that is not JSON"
	}
	if e.body == "" {
		return text
	}
	return fmt.Sprintf("%s: %q", text, e.body)
}

// fault makes an Error of what went wrong with some calls.
func (n *Node) fault(ep *endpoint, calls []*Call, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Kind: classify(err), Endpoint: ep.label, What: describe(calls), Tries: 1, Err: err}
	_, answered := errors.AsType[*RPCError](err)
	for _, c := range calls {
		e.once = e.once || c.Once
		e.answered = e.answered || c.Never && answered
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		e.After = status.after
	}
	return e
}

// classify finds the kind of what an exchange or a Decode returned.
func classify(err error) Kind {
	if told, ok := errors.AsType[*RPCError](err); ok {
		return classifyRPC(told)
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return classifyStatus(status)
	}
	switch {
	case errors.Is(err, errTimedOut), errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case errors.Is(err, errTooLong):
		return TooMuch
	case errors.Is(err, decode.ErrElsewhere):
		return Moved
	}
	return Transient
}

func classifyStatus(e *statusError) Kind {
	switch e.status {
	case http.StatusRequestEntityTooLarge:
		return TooMuch
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return timedOut
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return refused
	}
	return Transient
}

// What nodes say, by what it means. The first that matches counts.
var meanings = []struct {
	kind Kind
	text *regexp.Regexp
}{
	{TooManyAddresses, regexp.MustCompile(`(?i)exceed max (addresses|topics)|too many addresses`)},
	{Pruned, regexp.MustCompile(`(?i)pruned|history (is )?(not|un)available|no longer available`)},
	{Transient, regexp.MustCompile(`(?i)rate.?limit|too many requests|request limit|requests per second|compute units|(capacity|quota|credits).*exceed|exceeded (the|its|your).*(capacity|quota|credits)`)},
	{Transient, regexp.MustCompile(`(?i)unknown block|(header|block) not (found|available)|extends beyond current head|invalid block range|beyond (the )?(head|latest)|not yet available|in the future|after last accepted`)},
	{unbatched, regexp.MustCompile(`(?i)batch(es| requests| calls)? (is |are )?(not|un|disabled)`)},
	{TooMuch, regexp.MustCompile(`(?i)(batch|response|request|body|result).*(too (large|big)|exceed)|response size should not|too many logs|` +
		`more than \d+ (results|logs)|exceeded max allowed|query exceeds|range threshold exceeded|block range (is )?too (large|wide)|block range limit exceeded|freetier|no backend is currently healthy`)},
	{timedOut, regexp.MustCompile(`(?i)timed? ?out|deadline exceeded|took too long`)},
	{NoMethod, regexp.MustCompile(`(?i)method.*(not (found|supported|available|allowed|whitelisted)|does not exist)|unsupported method|unknown method`)},
	{refused, regexp.MustCompile(`(?i)unauthori[sz]ed|invalid (api|project) ?(key|id)|access denied|forbidden|must be authenticated`)},
}

// classifyRPC goes by the code where its meaning is settled, and otherwise by what providers are known to write.
func classifyRPC(e *RPCError) Kind {
	switch e.Code {
	case -32601, -32004:
		return NoMethod
	case 4444:
		return Pruned
	case 429:
		return Transient
	case -32003:
		return TooMuch
	}
	if LimitOf(e) != (Limit{}) {
		return TooMuch
	}
	for _, m := range meanings {
		if m.text.MatchString(e.Message) {
			return m.kind
		}
	}
	switch e.Code {
	case -32602:
		return unclear
	case -32600, -32700:
		return Invalid
	}
	return unclear
}

// describe names calls in an error: method and parameters of the first, and how many more.
func describe(calls []*Call) string {
	c := calls[0]
	text := c.Method
	if params, err := json.Marshal(c.Params); err == nil && len(c.Params) > 0 {
		text += short(string(params))
	}
	if more := len(calls) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more in one batch", more)
	}
	return text
}

// short keeps what fits a line.
func short(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
