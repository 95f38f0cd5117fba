// Package extent finds out which blocks people mean who write "-1000" or a date
// for where a pipeline begins or ends.
//
// What is found is kept in the data directory: "the last thousand blocks" means
// those of the day on which a pipeline first ran, and not others with every start
// of the host.
package extent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// fileName is where in the data directory it is kept what was found.
const fileName = "extents.json"

// fixed is what the marks of a pipeline were found to mean. It is kept by the
// pipeline's name and its marks: who writes another range and then the old one
// again gets what that meant.
type fixed struct {
	From uint64  `json:"from"`
	To   *uint64 `json:"to,omitempty"`
}

// Fix puts numbers in the place of the marks of pipelines: those that were found
// before, unless fresh, or those that the chain tells. A
// network that does not answer is an error that names the pipeline. dir is the
// data directory; "" keeps nothing.
func Fix(ctx context.Context, pipelines []*config.Pipeline, service chain.Service, dir string, fresh bool) error {
	known, err := recall(dir)
	if err != nil {
		return err
	}
	changed := false
	for _, p := range pipelines {
		if p.Begin == "" && p.End == "" {
			continue
		}
		key := p.Name + " " + string(p.Begin) + ":" + string(p.End)
		was, ok := known[key]
		if !ok || fresh {
			if was, err = find(ctx, p, service); err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			known[key], changed = was, true
		}
		if p.Begin != "" {
			p.From = was.From
		}
		p.To = was.To
	}
	if !changed || dir == "" {
		return nil
	}
	return remember(dir, known)
}

func recall(dir string) (map[string]fixed, error) {
	known := make(map[string]fixed)
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if dir == "" || errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("read which blocks pipelines begin and end with: %w; delete %s to have them found anew", err, filepath.Join(dir, fileName))
	}
	return known, nil
}

// remember writes what was found, whole or not at all.
func remember(dir string, known map[string]fixed) error {
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, fileName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep which blocks pipelines begin and end with: %w", err)
	}
	return os.Rename(path+".new", path)
}

// find asks the chain what the marks of a pipeline mean.
func find(ctx context.Context, p *config.Pipeline, service chain.Service) (fixed, error) {
	c := finder{chain.NewClient(service, p.Network.Name, chain.Asker{Step: p.Name})}
	head, err := c.latest(ctx)
	if err != nil {
		return fixed{}, fmt.Errorf("ask for the head of network %q: %w", p.Network.Name, err)
	}
	out := fixed{From: p.From, To: p.To}
	if p.Begin != "" {
		if out.From, err = c.begin(ctx, p.Begin.Place(), head); err != nil {
			return fixed{}, fmt.Errorf("find block %q: %w", p.Begin, err)
		}
	}
	if p.End != "" {
		to, err := c.end(ctx, p.End.Place(), out.From, head)
		if err != nil {
			return fixed{}, fmt.Errorf("find block %q: %w", p.End, err)
		}
		out.To = &to
	}
	if out.To != nil && *out.To < out.From {
		return fixed{}, fmt.Errorf("its range has no block: it would begin with block %d and end with block %d", out.From, *out.To)
	}
	return out, nil
}

type finder struct{ *chain.Client }

func (f finder) begin(ctx context.Context, at config.Place, head decode.Ref) (uint64, error) {
	if at.Behind > 0 {
		return before(head, at.Behind)
	}
	return f.since(ctx, at.Time, head)
}

func (f finder) end(ctx context.Context, at config.Place, from uint64, head decode.Ref) (uint64, error) {
	switch {
	case at.Blocks > 0:
		return from + at.Blocks - 1, nil
	case at.Behind > 0:
		return before(head, at.Behind)
	}
	next, err := f.since(ctx, at.Time, head)
	if err == nil && next == 0 {
		err = fmt.Errorf("block 0 is from %s already, so no block lies before", at.Time.Format(time.RFC3339))
	}
	return next - 1, err
}

// before is the first of the last so many blocks: with 1 it is the head itself.
func before(head decode.Ref, blocks uint64) (uint64, error) {
	if blocks > head.Number+1 {
		return 0, fmt.Errorf("the chain has %d blocks only", head.Number+1)
	}
	return head.Number + 1 - blocks, nil
}

// since is the first block that is not from before a time. Times of blocks rise,
// so that some thirty are enough to find it among billions.
func (f finder) since(ctx context.Context, at time.Time, head decode.Ref) (uint64, error) {
	if head.Time.Before(at) {
		return 0, fmt.Errorf("the head, block %d, is from %s: the chain has not come to %s yet",
			head.Number, head.Time.UTC().Format(time.RFC3339), at.Format(time.RFC3339))
	}
	var failure error
	number := sort.Search(int(head.Number), func(n int) bool {
		if failure != nil {
			return true
		}
		ref, err := f.at(ctx, chain.Hex(uint64(n)))
		failure = err
		return !ref.Time.Before(at)
	})
	return uint64(number), failure
}

func (f finder) latest(ctx context.Context) (decode.Ref, error) { return f.at(ctx, "latest") }

func (f finder) at(ctx context.Context, which string) (decode.Ref, error) {
	var (
		ref decode.Ref
		dec decode.Decoder
	)
	err := f.Do(ctx, []chain.Call{{Method: "eth_getBlockByNumber", Params: []any{which, false}, Decode: func(raw []byte) (err error) {
		ref, err = dec.Ref(raw)
		return err
	}}})
	return ref, err
}
