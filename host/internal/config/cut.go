package config

import (
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Cut puts a range in the place of a pipeline's own, as people write it: see
// rangeForm. Without an end it goes up to the head; what only the chain can tell
// is left to be found.
func (p *Pipeline) Cut(text string) error {
	both, err := parseRange(text)
	if err != nil {
		return fmt.Errorf("range %q: write %s", text, rangeForm)
	}
	begin, end := both[0], both[1]
	if begin.latest {
		return fmt.Errorf("range %q: nothing lies behind the head yet: begin with a block, a date or blocks before the head such as -1000", text)
	}
	p.From, p.FromLatest, p.To, p.Begin, p.End, p.PathType = 0, false, nil, begin.mark, "", registry.Live
	if begin.block != nil {
		p.From = *begin.block
	}
	if end == (height{}) {
		return nil
	}
	p.PathType = registry.Backtest
	switch {
	case end.block != nil:
		p.To = end.block
	case end.place.Blocks > 0 && p.Begin == "":
		p.To = new(p.From + end.place.Blocks - 1)
	default:
		p.End = end.mark
	}
	if p.To != nil && p.Begin == "" && *p.To < p.From {
		return fmt.Errorf("range %q: %w", text, errBackwards)
	}
	return nil
}

var errBackwards = errors.New("it ends before it begins")
