package fetch

import (
	"context"
	"errors"
	"strings"

	"github.com/penstock-io/penstock/sdk/chain"
)

// What is learned about an endpoint.
const (
	lessonBlocks    = "blocks" // a range that was not too large, after one that was
	lessonLimit     = "limit"  // the largest range, by the node's own word
	lessonAddresses = "addresses"
)

const lessonPrefix = "eth_getLogs"

// lesson names a number that was learned: eth_getLogs|blocks|addresses+topics|main (http://127.0.0.1:8545).
func lesson(what, shape, endpoint string) string {
	return strings.Join([]string{lessonPrefix, what, shape, endpoint}, "|")
}

// parseLesson is the reverse; all is empty for names of others.
func parseLesson(name string) (endpoint, what, shape string) {
	parts := strings.SplitN(name, "|", 4)
	if len(parts) != 4 || parts[0] != lessonPrefix {
		return "", "", ""
	}
	return parts[3], parts[1], parts[2]
}

// learn keeps a number about the endpoint that an error is from. That it could not be kept changes nothing for this process.
func (l *Logs) learn(ctx context.Context, err error, what, shape string, value uint64) {
	e, ok := errors.AsType[*chain.Error](err)
	if !ok || e.Endpoint == "" {
		return
	}
	if err := l.node.Client.Learn(ctx, lesson(what, shape, e.Endpoint), value); err != nil {
		l.node.Log.Debug("what was learned about the node is forgotten with this process", "error", err)
	}
}
