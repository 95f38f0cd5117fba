package conformance

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/penstock-io/penstock/sdk/chain"
)

// noNodes is the chain of a run without a network. It remembers that it was asked:
// what a plugin cannot do then is not its fault.
type noNodes struct{ times atomic.Int64 }

var errNoNodes = errors.New("there is no network to ask: give it one with --network URL, or --devchain")

func (n *noNodes) asked() error {
	n.times.Add(1)
	return errNoNodes
}

// Exchange answers nothing.
func (n *noNodes) Exchange(context.Context, chain.Request) ([]chain.Result, error) {
	return nil, n.asked()
}

// Subscribe tells of nothing.
func (n *noNodes) Subscribe(context.Context, chain.Subscription, func([]byte) error) error {
	return n.asked()
}

// Known knows nothing.
func (n *noNodes) Known(context.Context, string) (map[string]uint64, error) { return nil, n.asked() }

// Learn keeps nothing.
func (n *noNodes) Learn(context.Context, string, string, uint64) error { return n.asked() }

// excuse makes a skip of an error that says that the chain was asked in vain, and
// did come after that.
func (n *noNodes) excuse(err error, before int64) error {
	if n == nil || n.times.Load() == before || !strings.Contains(err.Error(), errNoNodes.Error()) {
		return err
	}
	return skip("it reads from a network: give it one with --network URL, or --devchain")
}

// count is how often it was asked.
func (n *noNodes) count() int64 {
	if n == nil {
		return 0
	}
	return n.times.Load()
}
