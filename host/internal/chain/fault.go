package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// statusError is an HTTP answer that is not JSON-RPC.
type statusError struct {
	status int
	after  time.Duration // it wants to be left alone so long
	body   string
	to     string // of a redirect
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	if e.status == http.StatusOK {
		text = "an answer that is not JSON"
	}
	if e.to != "" {
		return fmt.Sprintf("%s: it sends us on to %s, where nobody goes unasked: write that address into the endpoint's url if it is right", text, e.to)
	}
	if e.body == "" {
		return text
	}
	return fmt.Sprintf("%s: %q", text, e.body)
}

// kindOf is what an error of an exchange or of one reply means.
func kindOf(err error) chain.Kind {
	if told, ok := errors.AsType[*chain.RPCError](err); ok {
		return chain.KindOfAnswer(told)
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return kindOfStatus(status.status)
	}
	if ours, ok := errors.AsType[*chain.Error](err); ok {
		return ours.Kind
	}
	switch {
	case errors.Is(err, errTimedOut), errors.Is(err, context.DeadlineExceeded):
		return chain.TimedOut
	case errors.Is(err, errTooLong):
		return chain.TooMuch
	}
	return chain.Transient
}

func kindOfStatus(status int) chain.Kind {
	const cloudflareTimedOut = 524
	switch status {
	case http.StatusRequestEntityTooLarge:
		return chain.TooMuch
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, cloudflareTimedOut:
		return chain.TimedOut
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
		http.StatusGone, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return chain.Refused
	case http.StatusBadRequest:
		return chain.Unclear
	}
	return chain.Transient
}

// isBroken tells errors of connections from what a node or a proxy answered.
func isBroken(err error) bool {
	if _, status := errors.AsType[*statusError](err); status || errors.Is(err, errTimedOut) {
		return false
	}
	_, answered := errors.AsType[*chain.RPCError](err)
	return !answered
}

// isThrottled tells errors that say: not so fast.
func isThrottled(err error) bool {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.status == http.StatusTooManyRequests
	}
	told, ok := errors.AsType[*chain.RPCError](err)
	return ok && told.Throttled()
}

// afterOf is how long an error asks to wait.
func afterOf(err error) time.Duration {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.after
	}
	return 0
}
