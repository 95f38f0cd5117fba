package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/penstock-io/penstock/sdk/chain"
)

func TestKindOfStatus(t *testing.T) {
	for status, want := range map[int]chain.Kind{
		200: chain.Transient, 204: chain.Transient, 400: chain.Unclear, 401: chain.Refused, 402: chain.Refused, 403: chain.Refused, 404: chain.Refused,
		405: chain.Refused, 408: chain.TimedOut, 410: chain.Refused, 413: chain.TooMuch, 415: chain.Refused, 429: chain.Transient, 500: chain.Transient,
		501: chain.Refused, 502: chain.Transient, 503: chain.Transient, 504: chain.TimedOut, 520: chain.Transient, 524: chain.TimedOut,
		301: chain.Refused, 302: chain.Refused, 307: chain.Refused, 308: chain.Refused,
	} {
		if got := kindOf(fmt.Errorf("ask: %w", &statusError{status: status})); got != want {
			t.Errorf("%d is of kind %d, want %d", status, got, want)
		}
	}
}

func TestKindOfOtherErrors(t *testing.T) {
	for want, errs := range map[chain.Kind][]error{
		chain.TimedOut:   {fmt.Errorf("%w within 1s", errTimedOut), context.DeadlineExceeded},
		chain.TooMuch:    {errTooLong},
		chain.Transient:  {io.ErrUnexpectedEOF, errMissing, errors.New("connection reset by peer"), &chain.RPCError{Code: 429}},
		chain.WrongChain: {&chain.Error{Kind: chain.WrongChain}},
		chain.Reverted:   {&chain.RPCError{Code: 3}},
	} {
		for _, err := range errs {
			if got := kindOf(err); got != want {
				t.Errorf("%v is of kind %d, want %d", err, got, want)
			}
		}
	}
}
