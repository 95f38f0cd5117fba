package recorded

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Recorder passes calls on and writes what becomes of them. Answers that are
// about the head, whichever block that is, are left out: the head of a recording
// is the last of its blocks. So are errors that would not come again: those of
// the connection, of limits, of what a node has pruned.
//
// What is written is calls and answers: nothing of the endpoints, whose URLs and
// headers may hold keys. It is safe for concurrent use.
type Recorder struct {
	chain.Service
	Writer *Writer
	// Broken is told why an answer could not be written, after which nothing that
	// is recorded makes it whole. nil: nobody is told.
	Broken func(error)

	newest atomic.Uint64
}

// Exchange makes calls and writes their answers. It fails where these cannot be
// written: a recording with holes would be of no use.
func (r *Recorder) Exchange(ctx context.Context, request chain.Request) ([]chain.Result, error) {
	results, err := r.Service.Exchange(ctx, request)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if err := r.keep(&request.Calls[i], &results[i]); err != nil {
			if r.Broken != nil {
				r.Broken(err)
			}
			return nil, err
		}
	}
	return results, nil
}

func (r *Recorder) keep(q *chain.Query, result *chain.Result) error {
	_, args, err := keyOf(q.Method, q.Params)
	if err != nil || movesOn(q.Method, args) {
		return nil //nolint:nilerr // a call that cannot be read has an error for an answer
	}
	if result.Err != nil {
		told, ok := errors.AsType[*chain.RPCError](result.Err.Err)
		if !ok || !slices.Contains([]chain.Kind{chain.Reverted, chain.Invalid, chain.NoMethod}, result.Err.Kind) {
			return nil
		}
		return r.Writer.AddError(q.Method, q.Params, told)
	}
	if isNull(result.Raw) {
		return nil // it may be there tomorrow
	}
	if number, ok := heightOf(args); ok {
		r.saw(number)
	}
	return r.Writer.Add(q.Method, q.Params, result.Raw, len(q.Rejected) > 0)
}

// saw notes that a block was asked for.
func (r *Recorder) saw(number uint64) {
	for {
		was := r.newest.Load()
		if number <= was || r.newest.CompareAndSwap(was, number) {
			return
		}
	}
}

// Newest is the highest block that was asked for by its number.
func (r *Recorder) Newest() uint64 { return r.newest.Load() }

// Head writes which block is the head for who reads the recording. Without it, it
// is the last one.
func (r *Recorder) Head(number uint64) error {
	text, err := json.Marshal(chain.Hex(number))
	if err != nil {
		return err
	}
	return r.Writer.Add("eth_blockNumber", []byte("[]"), text, true)
}

// tags stand for other blocks tomorrow.
var tags = []string{"latest", "pending", "safe", "finalized"}

// movesOn reports whether a call will have another answer with the next block.
func movesOn(method string, args []any) bool {
	if method == "eth_blockNumber" || method == "eth_syncing" || strings.HasPrefix(method, "txpool_") {
		return true
	}
	return slices.ContainsFunc(args, func(arg any) bool {
		if filter, ok := arg.(map[string]any); ok {
			return isTag(filter["fromBlock"]) || isTag(filter["toBlock"])
		}
		return isTag(arg)
	})
}

func isTag(v any) bool {
	text, ok := v.(string)
	return ok && slices.Contains(tags, strings.ToLower(text))
}
